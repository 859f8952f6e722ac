package trial

import (
	"fmt"
	"time"

	"github.com/freshet-mq/freshet/bench/clients"
)

// Result is what a trial was, and what it came to.
type Result struct {
	clients.Outcome
	// Number is by which a summary names it.
	Number uint64
	// Faults are how many there were of each kind.
	Faults map[string]int
	// Void says why the trial proves nothing (T2); empty: it does.
	Void string
	// Trouble is what was wrong besides what the history proves.
	Trouble []string
}

// NewResult is of a trial that has just begun.
func NewResult(number uint64) *Result { return &Result{Number: number, Faults: map[string]int{}} }

// OK reports whether nothing was found.
func (r *Result) OK() bool { return len(r.Trouble) == 0 && r.Outcome.OK() }

// Traffic says in a line what clients were told.
func (r *Result) Traffic() string {
	return fmt.Sprintf("%d published, %d confirmed, %d unknown, %d refused · %d deliveries, %d again · gap %.1f s · recovered in %.1f s",
		r.Published, r.Confirmed, r.Unknown, r.Refused, r.Deliveries, r.Again, r.Gap.Seconds(), r.Recovered.Seconds())
}

// Seconds are what summaries have: to a hundredth.
func Seconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Millisecond)) / float64(time.Second)
}
