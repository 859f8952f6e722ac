package main

import (
	"context"
	"errors"

	"github.com/freshet-mq/freshet/matcher"
)

// patternTestCommand runs events against a pattern, or cases against the
// matcher.
type patternTestCommand struct {
	patternFlags

	File    string `help:"Events to put to the pattern, one a line (gzip is unpacked); - is standard input." placeholder:"FILE" short:"f"`
	Corpus  string `help:"Cases with known answers, one a line, to put to the matcher." placeholder:"FILE"`
	Matcher string `help:"Which matcher runs the corpus: both, compiled or plain; default both." placeholder:"NAME"`
}

// Help tells more.
func (*patternTestCommand) Help() string {
	return `
With --pattern and --file: says of each line, a whole event, whether it matches, then how many do.
It ends with 0 whatever the answers are; with 1 when a line isn't an event.

With --corpus: every line is a case, patterns with an event and the rules that have to match, or a
pattern that has to be refused (matcher/corpus describes both formats). Names what was answered
wrongly, at most 20, ends with the counts alone on the last line, and with 1 if anything failed.

  freshet pattern test -p '{"detail":{"amount":[{"numeric":[">",100]}]}}' -f events.jsonl
  freshet pattern test --corpus matcher/testdata/patterns.jsonl.gz
`
}

func (*patternTestCommand) uses() everyday { return usesOutput }

func (c *patternTestCommand) run(_ context.Context, call *invocation) error {
	switch {
	case c.Corpus != "" && (c.File != "" || call.given["pattern"] || c.PatternFile != ""):
		return usageFailure("--corpus brings patterns and events of its own", "leave out --pattern and --file")
	case c.Corpus != "":
		return runCorpus(call, c.Corpus, c.Matcher)
	case c.Matcher != "":
		return usageFailure("--matcher is for --corpus")
	case c.File == "" || !call.given["pattern"] && c.PatternFile == "":
		return usageFailure("it wants a pattern and events, or a corpus").
			trying(`freshet pattern test -p '{"source":["shop"]}' -f events.jsonl`)
	}
	text, err := c.read(call.stdin)
	if err != nil {
		return err
	}
	pattern, err := parsePattern(text)
	if err != nil {
		return err
	}
	return c.runEvents(call, pattern)
}

// eventsAnswer is what pattern test says of a file of events, to programs.
type eventsAnswer struct {
	Events  int `json:"events"`
	Matched int `json:"matched"`
	// Refused counts lines that aren't events; patterns match none of them.
	Refused int          `json:"refused"`
	Lines   []lineAnswer `json:"lines"`
}

// lineAnswer is one event's.
type lineAnswer struct {
	Line    int    `json:"line"`
	Matched bool   `json:"matched"`
	Error   string `json:"error,omitempty"` // why it isn't an event
}

func (c *patternTestCommand) runEvents(call *invocation, pattern *matcher.Pattern) error {
	opened, err := openInput(c.File, call.stdin)
	if err != nil {
		return err
	}
	answer := eventsAnswer{Lines: []lineAnswer{}}
	err = opened.lines(func(number int, line []byte) error {
		event := matcher.ParseEvent(matcher.Event{JSON: line})
		one := lineAnswer{Line: number, Matched: pattern.MatchParsed(event)}
		answer.Events++
		if err := event.Err(); err != nil {
			one.Error = err.Error()
			answer.Refused++
		}
		if one.Matched {
			answer.Matched++
		}
		if call.out.structured() {
			answer.Lines = append(answer.Lines, one)
		} else {
			writeLineAnswer(call.out, one)
		}
		return call.out.err
	})
	if err = errors.Join(err, opened.close()); err != nil {
		return err
	}
	if call.out.structured() {
		call.out.object(answer)
	} else {
		call.out.linef("%d of %s match", answer.Matched, events(answer.Events))
	}
	if answer.Refused > 0 {
		return errAnswerIsNo
	}
	return nil
}

func writeLineAnswer(out *output, one lineAnswer) {
	switch {
	case one.Error != "":
		out.linef("%6d  not an event: %s", one.Line, printable(one.Error))
	case one.Matched:
		out.linef("%6d  match", one.Line)
	default:
		out.linef("%6d  -", one.Line)
	}
}
