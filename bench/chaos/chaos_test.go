package chaos

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/bench/trial"
)

// TestSeedDecides: the same seed and number draw the same faults (X3), every kind comes
// first in its turn, and half of them aim at leaders.
func TestSeedDecides(t *testing.T) {
	drawn := func(number int) (names []string, leaders int) {
		random := rand.New(rand.NewPCG(7, uint64(number)))
		for _, f := range draw(&rig{}, number, random, kinds, "") {
			names = append(names, strings.Join([]string{f.name, f.After.String(), f.Lasting.String()}, " "))
			if f.AtLeader {
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

// TestSummaryIsALine: what a round came to is in the summary, and so is what this machine can't do.
func TestSummaryIsALine(t *testing.T) {
	s := newSummary(&Options{Seed: 3, First: 2}, abilities{missing: []string{"no links: no root"}})
	r := trial.NewResult(2)
	r.Faults["kill"], r.Verdict = 1, history.Check(&history.History{}, history.Options{})
	s.add(r)
	line, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"kind":"chaos"`, `"rounds":1`, `"first":2`, `"kill":1`, `"bound":3`, `"left_out":["cut`, "no root"} {
		if !strings.Contains(string(line), part) {
			t.Errorf("%s is missing in %s", part, line)
		}
	}
	if text := s.String(); !strings.HasPrefix(text, "rounds 1 (void 0, failed 0) · kill 1 · ") {
		t.Error(text)
	}
}
