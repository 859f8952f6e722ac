package client

import (
	"testing"
	"time"
)

// TestPace: a producer lingers while enough comes for it, and learns both ways within some of its events.
func TestPace(t *testing.T) {
	var p pace
	now, number := time.Unix(1_700_000_000, 0), uint64(0)
	// after is what a producer does after so many events, each so long after the one before.
	after := func(events int, gap time.Duration) (lingers bool) {
		for range events {
			now, number = now.Add(gap), number+1
			lingers = p.worthLingering(number, 5*time.Millisecond, now)
		}
		return lingers
	}
	if !after(1, time.Millisecond) {
		t.Error("it doesn't linger before its pace is known")
	}
	for name, step := range map[string]struct {
		events int
		gap    time.Duration
		want   bool
	}{
		"slow": {30, 2 * time.Millisecond, false},
		"fast": {3_000, 100 * time.Microsecond, true},
		"idle": {2, time.Minute, false},
	} {
		if lingers := after(step.events, step.gap); lingers != step.want {
			t.Errorf("%s: it lingers: %v", name, lingers)
		}
	}
}
