package main

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// excerptWidth is how much of a long line is shown around a mistake.
const excerptWidth = 72

// pointAt shows a line of a text and a caret under a column; both count from 1,
// columns in code points.
func pointAt(text []byte, line, column int) []string {
	lines := bytes.Split(text, []byte("\n"))
	if line < 1 || line > len(lines) || len(lines[line-1]) == 0 || !utf8.Valid(lines[line-1]) {
		return nil
	}
	shown := []rune(strings.TrimRight(string(lines[line-1]), "\r"))
	for i, r := range shown {
		if unprintable(r) {
			shown[i] = '·' // one column wide, whatever it was
		}
	}
	at := min(max(column-1, 0), len(shown))
	before, after := "", ""
	if from := at - excerptWidth/2; len(shown) > excerptWidth && from > 0 {
		shown, at, before = shown[from:], at-from, "…"
	}
	if len(shown) > excerptWidth {
		shown, after = shown[:excerptWidth], "…"
	}
	return []string{
		before + string(shown) + after,
		strings.Repeat(" ", utf8.RuneCountInString(before)+at) + "^",
	}
}
