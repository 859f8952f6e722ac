package main

import (
	"context"

	"github.com/freshet-mq/freshet/matcher"
)

// patternLintCommand finds what is valid and probably not meant.
type patternLintCommand struct{ patternArgument }

// Help tells more.
func (*patternLintCommand) Help() string {
	return `
Ends with 0 when there is nothing to say, with 1 when there is. A pattern that isn't valid is
refused as pattern check does it.

  freshet pattern lint -p '{"detail":{"zip":["8001",8001]}}'
  freshet pattern lint billing.json
`
}

func (*patternLintCommand) uses() everyday { return usesOutput }

// lintAnswer is what pattern lint says to programs.
type lintAnswer struct {
	Findings []matcher.Finding `json:"findings"`
}

func (c *patternLintCommand) run(_ context.Context, call *invocation) error {
	text, err := c.read(call)
	if err != nil {
		return err
	}
	pattern, err := parsePattern(text)
	if err != nil {
		return err
	}
	findings := append([]matcher.Finding{}, pattern.Lint()...)
	switch {
	case call.out.structured():
		call.out.object(lintAnswer{Findings: findings})
	case len(findings) == 0:
		call.out.linef("nothing to say")
	}
	if len(findings) == 0 {
		return nil
	}
	if !call.out.structured() {
		for _, found := range findings {
			call.out.linef("%s, line %d, column %d (%s)", printable(found.Path), found.Line, found.Column, found.Rule)
			call.out.linef("  %s", printable(found.Text))
			for _, line := range pointAt(text, found.Line, found.Column) {
				call.out.linef("  %s", line)
			}
		}
	}
	return errAnswerIsNo
}
