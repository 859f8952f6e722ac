package corpus

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/freshet-mq/freshet/matcher"
)

// Tally counts cases; a case with a failure in it has failed, however many there are.
type Tally struct {
	Passed int `json:"passed"`
	Failed int `json:"failed"`
}

func (t Tally) String() string { return fmt.Sprintf("%d passed, %d failed", t.Passed, t.Failed) }

// Test reads a corpus and puts all its cases to the engines. Each failure is reported to failed as it happens. The error is
// about the corpus; the tally then holds what was done before it.
func Test(r io.Reader, failed func(Failure), engines ...matcher.Engine) (Tally, error) {
	var t Tally
	for c, err := range Read(r) {
		if err != nil {
			return t, err
		}
		failures := Run(c, engines...)
		for _, f := range failures {
			failed(f)
		}
		if len(failures) > 0 {
			t.Failed++
		} else {
			t.Passed++
		}
	}
	return t, nil
}

// Failure is a rule of a case that was answered wrongly.
type Failure struct {
	Case   string `json:"id"`
	Line   int    `json:"line"`
	Rule   string `json:"rule"`
	Engine string `json:"engine,omitempty"` // which implementation; empty where the parser is at fault
	Want   Answer `json:"want"`
	Got    Answer `json:"got"`
	Error  string `json:"error,omitempty"` // what the parser or the engine said, where it refused
}

// String is one line: case, rule, wanted, got.
func (f Failure) String() string {
	s := fmt.Sprintf("%s: rule %s: wanted %s, got %s", f.Case, f.Rule, f.Want, f.Got)
	if f.Engine != "" {
		s += " (" + f.Engine + ")"
	}
	if f.Error != "" {
		s += ": " + strings.Join(strings.Fields(f.Error), " ")
	}
	return s
}

// Run puts a case to the parser and to each of the engines, which get all rules of the case in one set. It returns what was
// answered wrongly; a case that returns nothing has passed.
func Run(c Case, engines ...matcher.Engine) []Failure {
	patterns := make([]*matcher.Pattern, len(c.Rules))
	var failures []Failure
	for i, rule := range c.Rules {
		pattern, err := matcher.Parse(rule.Pattern)
		patterns[i] = pattern
		if got := parsed(rule.Want, err); got != rule.Want {
			f := Failure{Case: c.ID, Line: c.Line, Rule: rule.Name, Want: rule.Want, Got: got}
			if err != nil {
				f.Error = err.Error()
			}
			failures = append(failures, f)
		}
	}
	if c.Event == nil {
		return failures
	}
	for _, engine := range engines {
		failures = append(failures, runEngine(c, patterns, engine)...)
	}
	return failures
}

// parsed is the answer that parsing alone gives, as far as it does.
func parsed(want Answer, err error) Answer {
	switch {
	case err != nil:
		return Refused
	case want == Refused:
		return Valid
	default:
		return want
	}
}

func runEngine(c Case, patterns []*matcher.Pattern, engine matcher.Engine) []Failure {
	set := engine.NewSet()
	patterns = slices.Clone(patterns)
	var failures []Failure
	for i, pattern := range patterns {
		if pattern == nil {
			continue
		}
		if err := set.Add(uint32(i), pattern); err != nil {
			failures = append(failures, Failure{
				Case: c.ID, Line: c.Line, Rule: c.Rules[i].Name, Engine: engine.Name,
				Want: c.Rules[i].Want, Got: Refused, Error: err.Error(),
			})
			patterns[i] = nil
		}
	}
	var matches matcher.Matches
	set.Snapshot().MatchBlock([]matcher.Event{{JSON: c.Event}}, &matches)
	for i, rule := range c.Rules {
		got := NoMatch
		if _, ok := matches.Find(uint32(i)); ok {
			got = Match
		}
		if patterns[i] != nil && (rule.Want == Match || rule.Want == NoMatch) && got != rule.Want {
			failures = append(failures, Failure{
				Case: c.ID, Line: c.Line, Rule: rule.Name, Engine: engine.Name, Want: rule.Want, Got: got,
			})
		}
	}
	return failures
}
