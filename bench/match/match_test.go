package match

import (
	"strings"
	"testing"
	"time"
)

// TestRun measures a little, and looks at the figures that don't depend on the machine.
func TestRun(t *testing.T) {
	f, err := Run(t.Context(), Options{Rules: 200, EventBytes: 600, Seed: 1, Duration: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if f.Rules != 200 || f.EventBytes < 550 || f.EventBytes > 650 {
		t.Errorf("%d rules, events of %d bytes", f.Rules, f.EventBytes)
	}
	if f.MatchesPerEvent < 1 || f.MatchesPerEvent > 10 {
		t.Errorf("an event matches %v rules, want 1 to 10", f.MatchesPerEvent)
	}
	for name, figure := range map[string]float64{
		"events": f.EventsPerSecond, "json.Valid": f.JSONValidPerSecond, "plain": f.PlainPerSecond, "ratio": f.Ratio(), "bytes": f.MegabytesPerSecond(),
		"ns": f.NanosecondsPerEvent, "add": f.AddMilliseconds, "add one": float64(f.AddOne), "remove one": float64(f.RemoveOne),
	} {
		if figure <= 0 {
			t.Errorf("%s: %v", name, figure)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		options Options
		want    string
	}{
		{Options{Rules: 0, EventBytes: 380}, "rules"},
		{Options{Rules: RulesMax + 1, EventBytes: 380}, "rules"},
		{Options{Rules: 1, EventBytes: 379}, "event bytes"},
		{Options{Rules: 1, EventBytes: EventBytesMax + 1}, "event bytes"},
	} {
		if _, err := Run(t.Context(), c.options); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.options, err)
		}
	}
}
