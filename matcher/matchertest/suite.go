package matchertest

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/matcher"
	"github.com/freshet-mq/freshet/matcher/corpus"
)

// Suite is the conformance suite for one engine.
type Suite struct {
	Engine matcher.Engine
	// Corpora holds files of cases, *.jsonl and *.jsonl.gz, at any depth; at least one.
	Corpora fs.FS
	// Intn returns a random number from 0 up to and without n. It is called by one goroutine at a time.
	Intn func(n int) int
}

// Run runs all of it, each part as a subtest.
func (s Suite) Run(t *testing.T) {
	cases := s.cases(t)
	t.Run("corpora", func(t *testing.T) { s.corpora(t, cases) })
	rules, events := stock(cases)
	if len(rules) == 0 || len(events) == 0 {
		t.Fatal("the corpora hold no rule or no event to make sets of")
	}
	t.Run("alone", func(t *testing.T) { s.alone(t, rules, events) })
	t.Run("set", s.set)
	t.Run("block", func(t *testing.T) { s.block(t, rules, events) })
	t.Run("readers", func(t *testing.T) { s.readers(t, rules, events) })
}

// cases reads all corpora.
func (s Suite) cases(t *testing.T) []corpus.Case {
	t.Helper()
	var cases []corpus.Case
	err := fs.WalkDir(s.Corpora, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(strings.TrimSuffix(path.Base(name), ".gz"), ".jsonl") {
			return err
		}
		file, err := s.Corpora.Open(name)
		if err != nil {
			return err
		}
		before := len(cases)
		for c, err := range corpus.Read(file) {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			cases = append(cases, c)
		}
		if len(cases) == before {
			t.Errorf("%s holds no case", name)
		}
		return file.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatal("there is no corpus")
	}
	return cases
}

func (s Suite) corpora(t *testing.T, cases []corpus.Case) {
	for _, c := range cases {
		for _, failure := range corpus.Run(c, s.Engine) {
			t.Error(failure)
		}
	}
	t.Logf("%s: %d cases", s.Engine.Name, len(cases))
}

// stock gathers the valid patterns and the events of the corpora, as raw material. Some events are made to be none, and some
// to have attributes in place of JSON.
func stock(cases []corpus.Case) (rules []*matcher.Pattern, events []matcher.Event) {
	for _, c := range cases {
		for _, r := range c.Rules {
			if pattern, err := matcher.Parse(r.Pattern); err == nil {
				rules = append(rules, pattern)
			}
		}
		if c.Event != nil {
			events = append(events, matcher.Event{JSON: c.Event})
		}
	}
	if len(events) > 0 {
		cut := events[0].JSON
		events = append(events,
			matcher.Event{JSON: cut[:len(cut)-1]},
			matcher.Event{JSON: []byte{}},
			matcher.Event{},
			matcher.Event{Attributes: []matcher.Attribute{{Name: "source", Value: "orders"}, {Name: "a.b", Value: "10.0.0.1"}}},
		)
	}
	return rules, events
}
