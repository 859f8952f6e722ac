package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/bench/trial"
)

// Result is what a run was, and what it found. Its number is its seed, its times are virtual.
type Result struct {
	trial.Result

	Steps int
	Only  string
	// Virtual is how long it took, of its own time.
	Virtual time.Duration
	// Last are the run's last events.
	Last []string
}

// String is the run in a line.
func (r *Result) String() string {
	verdict := "in order"
	if !r.OK() {
		verdict = "FAILED"
	}
	return fmt.Sprintf("seed %d %s · %d steps in %.0f s · %s", r.Number, verdict, r.Steps, r.Virtual.Seconds(), r.Traffic())
}

// Failure is what a person needs who looks into a run that failed: what was found, on which commit, how it is run again, and what had happened.
func (r *Result) Failure(commit string) string {
	var text strings.Builder
	if r.Verdict != nil {
		text.WriteString(r.Verdict.String())
	}
	for _, trouble := range r.Trouble {
		fmt.Fprintf(&text, "%s\n", trouble)
	}
	again := fmt.Sprintf("make sim SEED=%d STEPS=%d EACH=%d", r.Number, r.Steps, r.Steps)
	if r.Only != "" {
		again += " ARGS='-sim.only " + r.Only + "'"
	}
	fmt.Fprintf(&text, "seed %d, commit %s; again: %s\nthe last events:\n", r.Number, commit, again)
	for _, line := range r.Last {
		fmt.Fprintf(&text, "  %s\n", line)
	}
	return text.String()
}
