package sim

import (
	"fmt"

	"github.com/freshet-mq/freshet/bench/trial"
)

// Summary adds runs up. As JSON it is a line of docs/runs.jsonl.
type Summary struct {
	trial.Summary

	// Seeds is how many were run, Steps how many faults they had.
	Seeds int `json:"seeds"`
	Steps int `json:"steps"`
	// SimulatedH is how many hours went by in the runs.
	SimulatedH float64 `json:"simulated_h"`
	// Events is everything that clients did and were told: publishes, deliveries, decisions.
	Events int `json:"events"`
}

// NewSummary begins one, of seeds from one on.
func NewSummary(seed uint64, only, commit string) *Summary {
	s := &Summary{Summary: trial.NewSummary("sim", seed, only)}
	s.Commit = commit
	return s
}

// AddRun adds a run. Call it outside of the run's bubble: the clock is everybody's.
func (s *Summary) AddRun(r *Result) {
	s.Seeds++
	s.Steps += r.Steps
	s.SimulatedH += r.Virtual.Hours()
	s.Events += r.Published + r.Deliveries + r.Decisions
	s.Add(&r.Result)
}

// String is the summary in a line.
func (s *Summary) String() string {
	return fmt.Sprintf("seeds %d (void %d, failed %d) · %.2f simulated hours in %.0f s, %d operations · faults %d: %s · %s",
		s.Seeds, s.Void, s.Failed, s.SimulatedH, s.ElapsedS, s.Events, s.Steps, s.Injected(), s.Found())
}
