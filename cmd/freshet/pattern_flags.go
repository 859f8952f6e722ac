package main

import (
	"errors"
	"io"

	"github.com/freshet-mq/freshet/matcher"
)

// patternFlags name an event pattern: in place, or in a file.
type patternFlags struct {
	Pattern     string `help:"The event pattern, as JSON."                         placeholder:"JSON" short:"p"  xor:"pattern"`
	PatternFile string `help:"A file that holds the event pattern; - is standard input." placeholder:"FILE" xor:"pattern"`
}

// read returns the pattern's text; empty when none is named.
func (f *patternFlags) read(stdin io.Reader) ([]byte, error) {
	if f.PatternFile != "" {
		return readInput(f.PatternFile, stdin, patternBytesMax)
	}
	return []byte(f.Pattern), nil
}

// checked returns the pattern's text, "" when none is named, and refuses one that
// isn't valid.
func (f *patternFlags) checked(call *invocation) (string, error) {
	if f.PatternFile == "" && !call.given["pattern"] {
		return "", nil
	}
	text, err := f.read(call.stdin)
	if err != nil {
		return "", err
	}
	_, err = parsePattern(text)
	return string(text), err
}

// parsePattern reads a pattern here, before any node is asked, so that a mistake
// is shown with its place.
func parsePattern(text []byte) (*matcher.Pattern, error) {
	pattern, err := matcher.Parse(text)
	if err == nil {
		return pattern, nil
	}
	refused, ok := errors.AsType[*matcher.PatternError](err)
	if !ok {
		return nil, err
	}
	seen := append([]string{refused.Advice}, pointAt(text, refused.Line, refused.Column)...)
	return nil, &failure{
		bare:  true,
		code:  codePattern,
		what:  "pattern refused",
		at:    refused.Place(),
		seen:  append(seen, "in EventBridge's words: "+refused.Message),
		cause: err,
	}
}
