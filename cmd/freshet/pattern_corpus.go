package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/freshet-mq/freshet/matcher"
	"github.com/freshet-mq/freshet/matcher/corpus"
)

// failuresShown bounds what pattern test --corpus tells of failures.
const failuresShown = 20

// corpusAnswer is what pattern test --corpus says to programs.
type corpusAnswer struct {
	Passed   int             `json:"passed"`
	Failed   int             `json:"failed"`
	Matchers []string        `json:"matchers"`
	Failures []failureAnswer `json:"failures,omitempty"` // at most failuresShown
}

// failureAnswer is a rule of a case that was answered wrongly.
type failureAnswer struct {
	ID      string `json:"id"`
	Line    int    `json:"line"`
	Rule    string `json:"rule"`
	Wanted  string `json:"wanted"`
	Got     string `json:"got"`
	Matcher string `json:"matcher,omitempty"` // empty where the parser is at fault
	Error   string `json:"error,omitempty"`
}

// runCorpus puts a file of cases to the matchers, and ends with the counts.
func runCorpus(call *invocation, file, wanted string) error {
	engines, err := enginesOf(wanted)
	if err != nil {
		return err
	}
	opened, err := openInput(file, call.stdin)
	if err != nil {
		return err
	}
	answer := corpusAnswer{}
	for _, engine := range engines {
		answer.Matchers = append(answer.Matchers, engine.Name)
	}
	total := 0
	tally, err := corpus.Test(opened, func(f corpus.Failure) {
		if total++; total <= failuresShown {
			answer.Failures = append(answer.Failures, failureAnswer{
				ID: f.Case, Line: f.Line, Rule: f.Rule, Wanted: f.Want.String(), Got: f.Got.String(), Matcher: f.Engine, Error: f.Error,
			})
		}
	}, engines...)
	if err != nil {
		refused := usageFailure(fmt.Sprintf("%s is no corpus: %v", opened.name, err))
		return errors.Join(refused, opened.close())
	}
	answer.Passed, answer.Failed = tally.Passed, tally.Failed
	if err := opened.close(); err != nil {
		return fileFailure(opened.name, err)
	}
	if answer.Passed+answer.Failed == 0 {
		return usageFailure(opened.name + " holds no case")
	}
	writeCorpusAnswer(call.out, answer, total)
	if answer.Failed > 0 {
		return errAnswerIsNo
	}
	return nil
}

func writeCorpusAnswer(out *output, answer corpusAnswer, total int) {
	if out.structured() {
		out.object(answer)
		return
	}
	for _, f := range answer.Failures {
		by := f.Matcher
		if by == "" {
			by = "parser"
		}
		out.linef("%s, rule %s: wanted %s, got %s (%s, line %d)", printable(f.ID), printable(f.Rule), f.Wanted, f.Got, by, f.Line)
		for line := range strings.Lines(f.Error) {
			out.linef("  %s", printable(strings.TrimRight(line, "\n")))
		}
	}
	if total > failuresShown {
		out.linef("and %s more", thousands(int64(total-failuresShown)))
	}
	out.linef("%d passed, %d failed", answer.Passed, answer.Failed)
}

// enginesOf returns the matchers that a name stands for: one, both, or every one
// that exists.
func enginesOf(name string) ([]matcher.Engine, error) {
	engines := matcher.Engines()
	if name == "" || name == "both" {
		return engines, nil
	}
	at := slices.IndexFunc(engines, func(e matcher.Engine) bool { return e.Name == name })
	if at >= 0 {
		return engines[at : at+1], nil
	}
	return nil, usageFailure(fmt.Sprintf("--matcher wants one of both, compiled, plain, got %q", name))
}
