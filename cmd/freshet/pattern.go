package main

import (
	"context"
	"errors"

	"github.com/freshet-mq/freshet/matcher"
)

// patternArgument names a pattern for the commands whose whole business it is:
// in place, or in a file.
type patternArgument struct {
	File    string `arg:"" help:"A file that holds the pattern; - is standard input." optional:""`
	Pattern string `help:"The pattern itself, as JSON." placeholder:"JSON" short:"p"`
}

// read returns the pattern's text.
func (a *patternArgument) read(call *invocation) ([]byte, error) {
	switch {
	case a.File != "" && a.Pattern != "":
		return nil, usageFailure("both FILE and --pattern name a pattern", "give one of them")
	case a.File != "":
		return readInput(a.File, call.stdin, patternBytesMax)
	case call.given["pattern"]:
		return []byte(a.Pattern), nil
	}
	return nil, usageFailure("there is no pattern", "give one with --pattern, or a FILE that holds one").
		trying(`freshet pattern check -p '{"source":["shop"]}'`)
}

// patternCheckCommand says whether a pattern is valid.
type patternCheckCommand struct{ patternArgument }

// Help tells more.
func (*patternCheckCommand) Help() string {
	return `
Reads a pattern as a node would. Ends with 0 when it is valid; otherwise says where it isn't and
why, and ends with 1.

  freshet pattern check -p '{"detail":{"amount":[{"numeric":[">",100]}]}}'
  freshet pattern check billing.json
`
}

func (*patternCheckCommand) uses() everyday { return usesOutput }

// checkAnswer is what pattern check says to programs.
type checkAnswer struct {
	Valid  bool   `json:"valid"`
	Code   string `json:"code,omitempty"`
	Path   string `json:"path,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Message is EventBridge's own text for the mistake.
	Message string `json:"message,omitempty"`
}

func (c *patternCheckCommand) run(_ context.Context, call *invocation) error {
	text, err := c.read(call)
	if err != nil {
		return err
	}
	_, err = parsePattern(text)
	refused, isRefusal := errors.AsType[*matcher.PatternError](err)
	switch {
	case isRefusal && call.out.structured():
		call.out.object(checkAnswer{
			Code: codePattern.String(), Path: refused.Path, Line: refused.Line, Column: refused.Column,
			Reason: refused.Advice, Message: refused.Message,
		})
		return errAnswerIsNo
	case err != nil:
		return err
	case call.out.structured():
		call.out.object(checkAnswer{Valid: true})
	default:
		call.out.linef("valid")
	}
	return nil
}
