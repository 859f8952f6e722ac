package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
)

// Summary adds runs up. As JSON it is a line of docs/runs.jsonl.
type Summary struct {
	Kind   string `json:"kind"`
	Commit string `json:"commit"`
	Began  string `json:"began"`
	Seed   uint64 `json:"seed"`
	Only   string `json:"only,omitempty"`
	// Seeds is how many were run, Steps how many faults they had, Failed how many seeds found something.
	Seeds  int `json:"seeds"`
	Steps  int `json:"steps"`
	Failed int `json:"failed"`
	// Bound is 3/Seeds: with 95 % confidence no more than such a share of seeds would find something. 0: some did.
	Bound float64 `json:"bound"`
	// SimulatedH is how many hours went by in the runs, ElapsedS how many seconds outside of them.
	SimulatedH float64        `json:"simulated_h"`
	ElapsedS   float64        `json:"elapsed_s"`
	Faults     map[string]int `json:"faults"`
	// Events is everything that clients did and were told: publishes, deliveries, decisions.
	Events     int `json:"events"`
	Published  int `json:"published"`
	Confirmed  int `json:"confirmed"`
	Unknown    int `json:"unknown"`
	Refused    int `json:"refused"`
	Deliveries int `json:"deliveries"`
	Again      int `json:"again"`
	// GapS is the longest time without a confirmed publish, RecoveredS the longest from the last fault's end until nothing was held any more; seconds of
	// the runs' own.
	GapS       float64        `json:"worst_gap_s"`
	RecoveredS float64        `json:"worst_recovery_s"`
	Counts     map[string]int `json:"counts"`
	// Troubles is what was wrong besides the counts.
	Troubles []string `json:"troubles,omitempty"`

	began time.Time
}

// NewSummary begins one, of seeds from one on.
func NewSummary(seed uint64, only, commit string) *Summary {
	return &Summary{
		Kind: "sim", Commit: commit, Began: time.Now().UTC().Format(time.RFC3339), Seed: seed, Only: only, began: time.Now(),
		Faults: map[string]int{}, Counts: (&history.Verdict{}).Counts(),
	}
}

// Add adds a run.
func (s *Summary) Add(r *Result) {
	s.Seeds++
	s.Steps += r.Steps
	if !r.OK() {
		s.Failed++
	}
	for name, n := range r.Faults {
		s.Faults[name] += n
	}
	for name, n := range r.Counts {
		s.Counts[name] += n
	}
	for _, trouble := range r.Trouble {
		s.Troubles = append(s.Troubles, fmt.Sprintf("%d: %s", r.Seed, trouble))
	}
	s.SimulatedH += r.Virtual.Hours()
	s.Events += r.Published + r.Deliveries + r.Decisions
	s.Published += r.Published
	s.Confirmed += r.Confirmed
	s.Unknown += r.Unknown
	s.Refused += r.Refused
	s.Deliveries += r.Deliveries
	s.Again += r.Again
	s.GapS, s.RecoveredS = max(s.GapS, seconds(r.Gap)), max(s.RecoveredS, seconds(r.Recovered))
	s.ElapsedS, s.Bound = seconds(time.Since(s.began)), 0
	if s.Failed == 0 {
		s.Bound = 3 / float64(s.Seeds)
	}
}

func seconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Millisecond)) / float64(time.Second)
}

// String is the summary in a line.
func (s *Summary) String() string {
	var faults, found []string
	for _, name := range slices.Sorted(maps.Keys(s.Faults)) {
		faults = append(faults, fmt.Sprintf("%s %d", name, s.Faults[name]))
	}
	violations := 0
	for _, name := range slices.Sorted(maps.Keys(s.Counts)) {
		if n := s.Counts[name]; n > 0 {
			violations += n
			found = append(found, fmt.Sprintf("%s %d", name, n))
		}
	}
	if violations += len(s.Troubles); len(s.Troubles) > 0 {
		found = append(found, fmt.Sprintf("others %d", len(s.Troubles)))
	}
	what := ""
	if len(found) > 0 {
		what = " (" + strings.Join(found, ", ") + ")"
	}
	return fmt.Sprintf("seeds %d (failed %d) · %.2f simulated hours in %.0f s · events %d, confirmed %d, unknown %d, deliveries %d · faults %d: %s · violations %d%s · worst gap %.1f s · worst recovery %.1f s",
		s.Seeds, s.Failed, s.SimulatedH, s.ElapsedS, s.Events, s.Confirmed, s.Unknown, s.Deliveries, s.Steps, strings.Join(faults, ", "), violations, what, s.GapS, s.RecoveredS)
}

// Append adds the summary to a file of such lines.
func (s *Summary) Append(name string) (err error) {
	line, err := json.Marshal(s)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // it is published
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}
