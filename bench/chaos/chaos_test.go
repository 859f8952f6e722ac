package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/matcher"
)

// TestPatternsSayWhatIsWanted: what matches is said twice, by a pattern and in Go.
func TestPatternsSayWhatIsWanted(t *testing.T) {
	for _, s := range subscriptions() {
		if s.pattern == "" {
			continue
		}
		p, err := matcher.Parse([]byte(s.pattern))
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		for number := range uint64(100) {
			m, e, _ := messageOf(number)
			if got := p.Match(matcher.Event{JSON: e.Data}); got != s.wants(m) {
				t.Errorf("%s: event %d matches: %t, wanted: %t", s.name, number, got, s.wants(m))
			}
			if numberOf(e.Data) != history.Message(number) {
				t.Errorf("event %d says that it is %d", number, numberOf(e.Data))
			}
		}
	}
}

// TestSeedDecides: the same seed and number draw the same faults (X3), every kind comes
// first in its turn, and half of them aim at leaders.
func TestSeedDecides(t *testing.T) {
	drawn := func(number int) (names []string, leaders int) {
		random := rand.New(rand.NewPCG(7, uint64(number)))
		for _, f := range draw(&rig{}, number, random, kinds, "") {
			names = append(names, strings.Join([]string{f.name, f.after.String(), f.lasting.String()}, " "))
			if f.atLeader {
				leaders++
			}
		}
		return names, leaders
	}
	all, leading := 0, 0
	for number := range 10 * len(kinds) {
		names, leaders := drawn(number)
		again, _ := drawn(number)
		if !slices.Equal(names, again) {
			t.Fatalf("round %d: %v, and then %v", number, names, again)
		}
		if first := kinds[number%len(kinds)].name; !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, first+" ") }) {
			t.Errorf("round %d has no %s: %v", number, first, names)
		}
		all, leading = all+len(names), leading+leaders
	}
	if leading < all/3 || leading > all*2/3 {
		t.Errorf("%d of %d faults aim at leaders", leading, all)
	}
}

func TestMachineWithoutRootHasFewer(t *testing.T) {
	some, none := possible(abilities{})
	if len(some)+len(none) != len(kinds) || kindOf("kill") == nil || len(some) == 0 {
		t.Fatalf("%d and %d of %d kinds", len(some), len(none), len(kinds))
	}
	for _, k := range some {
		if k.links || k.disks {
			t.Errorf("%s needs more than there is", k.name)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for want, o := range map[string]Options{
		"no program": {}, `no fault called "flood"`: {Program: []string{"x"}, Only: "flood"},
		"are possible": {Program: []string{"x"}, Rate: 1},
	} {
		if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestSummaryAddsUp: void rounds don't count for the bound, and one that failed leaves
// none.
func TestSummaryAddsUp(t *testing.T) {
	began := time.Unix(0, 0)
	s := newSummary(&Options{Seed: 3}, abilities{}, began)
	good := history.Check(&history.History{}, history.Options{})
	for _, r := range []*Round{
		{Faults: []string{"kill n1"}, Confirmed: 10, verdict: good, Counts: good.Counts()},
		{Faults: []string{"kill n2", "pause n1"}, Confirmed: 5, Void: "pause had no effect", verdict: good, Counts: good.Counts()},
	} {
		s.add(r)
	}
	s.end(began.Add(time.Minute))
	if s.Bound != 3 || s.Void != 1 || s.Confirmed != 15 || s.Faults["kill"] != 2 || !s.OK() || len(s.LeftOut) != 2 {
		t.Errorf("%+v", s)
	}
	s.add(&Round{Trouble: []string{"n1: panic"}, verdict: good})
	if s.Bound = 0; s.OK() {
		t.Error("a round with trouble is no failure")
	}
	if s.end(began); s.Bound != 0 {
		t.Errorf("a bound of %v with a failure", s.Bound)
	}
	name := filepath.Join(t.TempDir(), "runs.jsonl")
	if err := errors.Join(s.Append(name), s.Append(name)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil || strings.Count(string(text), "\n") != 2 {
		t.Errorf("%v: %s", err, text)
	}
}
