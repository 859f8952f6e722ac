package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
)

// outputFormat is how an answer is written.
type outputFormat string

// The formats.
const (
	formatTable outputFormat = "table" // for people
	formatJSON  outputFormat = "json"  // one object, one line
	formatYAML  outputFormat = "yaml"  // the same object, for people who keep it
)

// output writes answers to standard output (C1). It remembers the first error
// and writes nothing after it, so that only the end of a command has to look.
type output struct {
	w        io.Writer
	format   outputFormat
	terminal bool
	width    func() int
	err      error
}

// structured reports whether the answer is for programs.
func (o *output) structured() bool { return o.format != formatTable }

// linef writes a line of text, for people.
func (o *output) linef(format string, args ...any) {
	o.write([]byte(fmt.Sprintf(format, args...) + "\n"))
}

// object writes the answer for programs: JSON on one line, or YAML.
func (o *output) object(answer any) {
	line, err := jsonLine(answer)
	if err == nil && o.format == formatYAML {
		// By way of JSON, so that both formats have the same names.
		line, err = yaml.JSONToYAML(line)
		line = append(bytes.TrimRight(line, "\n"), '\n')
	}
	if err != nil {
		o.fail(err)
		return
	}
	o.write(line)
}

func (o *output) write(text []byte) {
	if o.err == nil {
		_, err := o.w.Write(text)
		o.fail(err)
	}
}

func (o *output) fail(err error) {
	if o.err == nil && err != nil {
		o.err = &failure{code: codeFile, what: "can't write to standard output: " + err.Error(), cause: err}
	}
}

// jsonLine is a value as one line of JSON, with < > & left as they are.
func jsonLine(value any) ([]byte, error) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return line.Bytes(), nil
}

// table is rows under a header, for people.
type table struct {
	columns []column
	rows    [][]string
}

// column is one of a table's.
type column struct {
	name  string
	right bool // numbers stand flush right
	// shrinks marks the one column that gives way when the terminal is too
	// narrow. Away from a terminal nothing is cut.
	shrinks bool
}

// row adds one; cells beyond the last column are a mistake of ours.
func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// columnGap is the room between two columns.
const columnGap = "  "

// table writes it, aligned by code points.
func (o *output) table(t table) {
	widths := make([]int, len(t.columns))
	total := 0
	for i, column := range t.columns {
		widths[i] = utf8.RuneCountInString(column.name)
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		total += widths[i] + len(columnGap)
	}
	if o.terminal {
		for i, column := range t.columns {
			if excess := total - len(columnGap) - o.width(); column.shrinks && excess > 0 {
				widths[i] = max(widths[i]-excess, 12, len(column.name))
			}
		}
	}
	header := make([]string, len(t.columns))
	for i, column := range t.columns {
		header[i] = column.name
	}
	for _, row := range append([][]string{header}, t.rows...) {
		o.linef("%s", aligned(t.columns, widths, row))
	}
}

func aligned(columns []column, widths []int, row []string) string {
	var b strings.Builder
	for i, cell := range row {
		cell = shortened(cell, widths[i])
		padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if columns[i].right {
			b.WriteString(padding + cell)
		} else {
			b.WriteString(cell + padding)
		}
		b.WriteString(columnGap)
	}
	return strings.TrimRight(b.String(), " ")
}

// shortened cuts a text to width code points, with an ellipsis for what is gone.
func shortened(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

// printable makes a stranger's text safe to show: what could move the cursor or
// colour the screen is written as an escape.
func printable(text string) string {
	if utf8.ValidString(text) && strings.IndexFunc(text, unprintable) < 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case unprintable(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// events is "1 event" or "2,000 events".
func events(n int) string {
	if n == 1 {
		return "1 event"
	}
	return thousands(int64(n)) + " events"
}

// thousands writes 1199880 as 1,199,880.
func thousands(n int64) string {
	digits := fmt.Sprintf("%d", n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
