package trial

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
)

// TestSeedDecides: the same randomness draws the same aims, within their span, and half of them at leaders (T1).
func TestSeedDecides(t *testing.T) {
	span := Span{AfterMax: 3 * time.Second, TimeMin: time.Second, TimeMax: 2 * time.Second}
	one, other := rand.New(rand.NewPCG(7, 1)), rand.New(rand.NewPCG(7, 1))
	leaders, hit := 0, [3]int{}
	for range 1000 {
		a, b := Draw(one, 3, span), Draw(other, 3, span)
		if a.Random.Uint64() != b.Random.Uint64() || a.After != b.After || a.Lasting != b.Lasting || a.Target != b.Target || a.AtLeader != b.AtLeader {
			t.Fatalf("%+v, and then %+v", a, b)
		}
		if a.After >= span.AfterMax || a.Lasting < span.TimeMin || a.Lasting >= span.TimeMax {
			t.Fatalf("%+v is out of its span", a)
		}
		hit[a.Target]++
		if a.AtLeader {
			leaders++
		}
	}
	if leaders < 400 || leaders > 600 || min(hit[0], hit[1], hit[2]) < 250 {
		t.Errorf("%d of 1,000 aim at leaders, and nodes are hit %v times", leaders, hit)
	}
	if a := (Aim{Target: 1}); len(a.Others(3)) != 2 || a.Others(3)[0] != 0 || a.Others(3)[1] != 2 {
		t.Errorf("others than 1 are %v", a.Others(3))
	}
}

// TestSummaryAddsUp: void trials don't count for the bound (T2), one that failed leaves none, and one that was never judged has failed.
func TestSummaryAddsUp(t *testing.T) {
	s, clean := NewSummary("chaos", 3, ""), history.Check(&history.History{}, history.Options{})
	trial := func(number uint64, confirmed int, faults map[string]int) *Result {
		r := NewResult(number)
		r.Confirmed, r.Faults, r.Verdict = confirmed, faults, clean
		return r
	}
	s.Add(trial(1, 10, map[string]int{"kill": 1}))
	void := trial(2, 5, map[string]int{"kill": 1, "pause": 1})
	void.Void = "pause had no effect"
	s.Add(void)
	if s.Bound != 3 || s.Void != 1 || s.Confirmed != 15 || s.Faults["kill"] != 2 || !s.OK() || s.VoidWhy[0] != "2: pause had no effect" {
		t.Errorf("%+v", s)
	}
	trouble := trial(3, 1, nil)
	trouble.Trouble = []string{"n1: panic"}
	unjudged := trial(4, 1, nil)
	unjudged.Verdict = nil
	for i, r := range []*Result{trouble, unjudged} {
		if s.Add(r); s.OK() || s.Failed != i+1 || s.Bound != 0 {
			t.Errorf("%+v has not failed: %+v", r, s)
		}
	}
	if found := s.Found(); !strings.Contains(found, "lost 0, ") || !strings.Contains(found, "troubles 1") || !strings.HasSuffix(found, "bound none") {
		t.Error(found)
	}
	name := filepath.Join(t.TempDir(), "runs.jsonl")
	if err := errors.Join(Append(name, s), Append(name, s)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil || strings.Count(string(text), "\n") != 2 || strings.Count(string(text), `"kind":"chaos"`) != 2 {
		t.Errorf("%v: %s", err, text)
	}
}
