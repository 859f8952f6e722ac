package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
)

// Result is what a run was, and what it found.
type Result struct {
	Seed   uint64
	Steps  int
	Only   string
	Faults map[string]int // by kind
	// Virtual is how long it took, of its own time.
	Virtual time.Duration
	// Published is how many events were sent, Confirmed how many are known to be stored, Unknown of how many it isn't known, Refused how many
	// were. Deliveries are of all readers, Decisions what was said of them.
	Published, Confirmed, Unknown, Refused, Deliveries, Again, Decisions int
	// Gap is the longest time in which no publish was confirmed, while there was load, Recovered how long after the last fault the backlog was
	// gone; virtual time.
	Gap, Recovered time.Duration
	// Counts are what the history's checkers found, by name, and Trouble what else was wrong.
	Counts  map[string]int
	Trouble []string
	// Last are the run's last events.
	Last []string

	verdict *history.Verdict
}

// OK reports whether nothing was found.
func (r *Result) OK() bool { return len(r.Trouble) == 0 && r.verdict != nil && r.verdict.OK() }

// String is the run in a line.
func (r *Result) String() string {
	verdict := "in order"
	if !r.OK() {
		verdict = "FAILED"
	}
	return fmt.Sprintf("seed %d %s · %d steps in %.0f s · %d published, %d confirmed, %d unknown, %d refused · %d deliveries, %d again · gap %.1f s · recovered in %.1f s",
		r.Seed, verdict, r.Steps, r.Virtual.Seconds(), r.Published, r.Confirmed, r.Unknown, r.Refused, r.Deliveries, r.Again, r.Gap.Seconds(), r.Recovered.Seconds())
}

// Failure is what a person needs who looks into a run that failed: what was found, on which commit, how it is run again, and what had happened.
func (r *Result) Failure(commit string) string {
	var text strings.Builder
	if r.verdict != nil {
		text.WriteString(r.verdict.String())
	}
	for _, trouble := range r.Trouble {
		fmt.Fprintf(&text, "%s\n", trouble)
	}
	again := fmt.Sprintf("make sim SEED=%d STEPS=%d EACH=%d", r.Seed, r.Steps, r.Steps)
	if r.Only != "" {
		again += " ARGS='-sim.only " + r.Only + "'"
	}
	fmt.Fprintf(&text, "seed %d, commit %s; again: %s\nthe last events:\n", r.Seed, commit, again)
	for _, line := range r.Last {
		fmt.Fprintf(&text, "  %s\n", line)
	}
	return text.String()
}
