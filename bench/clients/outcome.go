package clients

import (
	"slices"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
)

// Outcome is what clients were told, in figures, and what that proves.
type Outcome struct {
	// Published is how many events were sent, Confirmed how many are known to be stored, Unknown of how many it isn't known, Refused
	// how many were.
	Published, Confirmed, Unknown, Refused int
	// Deliveries are of all readers, Again those of them that were not an event's first. Decisions are what was said of them.
	Deliveries, Again, Decisions int
	// Lives is how many events' lives were searched for an order (bench/history, lives.go).
	Lives int
	// Gap is the longest time in which no publish was confirmed, while there was load, Recovered how long after the last fault the
	// backlog was gone; 0: it never was.
	Gap, Recovered time.Duration
	// Verdict is what the checkers found; nil: the run did not get that far.
	Verdict *history.Verdict
	// Full: the history had no room for all of it, so that nothing is proved.
	Full bool
}

// OK reports whether the history proves nothing to be broken.
func (o *Outcome) OK() bool { return o.Verdict != nil && o.Verdict.OK() }

// count counts what there was, while there was load: from began to ended.
func (o *Outcome) count(h *history.History, began, ended history.Time) {
	var confirmed []history.Time
	for i := range h.Publishes {
		switch p := &h.Publishes[i]; p.Outcome {
		case history.OK:
			o.Confirmed++
			confirmed = append(confirmed, p.Returned)
		case history.Fail:
			o.Refused++
		case history.Unknown:
			o.Unknown++
		}
	}
	o.Published, o.Deliveries, o.Decisions, o.Full = len(h.Publishes), len(h.Deliveries), len(h.Decisions), h.Full
	for i := range h.Deliveries {
		if h.Deliveries[i].Attempt > 1 {
			o.Again++
		}
	}
	slices.Sort(confirmed)
	last := began
	for _, at := range append(confirmed, ended) {
		if at > last {
			o.Gap, last = max(o.Gap, at-last), at
		}
	}
}

// judge has the history checked.
func (c *Clients) judge(o *Outcome) {
	h := c.recorder.History()
	o.Verdict = history.Check(h, history.Options{Straggle: c.Visibility})
	o.Lives = o.Verdict.Lives
	if o.Verdict.Count(history.Names) == 0 {
		return
	}
	for i := range h.Named {
		c.noteNamed(&h.Named[i])
	}
}
