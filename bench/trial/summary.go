package trial

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

// Summary adds trials up. As JSON, with what is its owner's in a struct around it, it is a line of docs/runs.jsonl.
type Summary struct {
	Kind string `json:"kind"` // "chaos", "sim"
	// Commit is what the nodes were built from, as the caller says; Began when the run did.
	Commit string `json:"commit"`
	Began  string `json:"began"`
	Seed   uint64 `json:"seed"`
	Only   string `json:"only,omitempty"`
	// Void is how many trials prove nothing, Failed how many found something.
	Void   int `json:"void"`
	Failed int `json:"failed"`
	// Bound is 3/N of the N trials that prove something: with 95 % confidence no more than such a share of trials would find
	// something. 0: some did, or none counts.
	Bound      float64        `json:"bound"`
	Faults     map[string]int `json:"faults"`
	Published  int            `json:"published"`
	Confirmed  int            `json:"confirmed"`
	Unknown    int            `json:"unknown"`
	Refused    int            `json:"refused"`
	Deliveries int            `json:"deliveries"`
	Again      int            `json:"again"`
	Lives      int            `json:"lives"`
	// GapS is the longest time without a confirmed publish, RecoveredS the longest from the last fault's end until nothing was held
	// any more; seconds of the trials' own clock. ElapsedS is by everybody's.
	GapS       float64        `json:"worst_gap_s"`
	RecoveredS float64        `json:"worst_recovery_s"`
	ElapsedS   float64        `json:"elapsed_s"`
	Counts     map[string]int `json:"counts"`
	// Troubles is what was wrong besides the counts.
	Troubles []string `json:"troubles,omitempty"`
	VoidWhy  []string `json:"void_why,omitempty"`

	trials int
	began  time.Time
}

// NewSummary begins one, of no trials.
func NewSummary(kind string, seed uint64, only string) Summary {
	began := time.Now()
	return Summary{
		Kind: kind, Began: began.UTC().Format(time.RFC3339), Seed: seed, Only: only, began: began,
		Faults: map[string]int{}, Counts: (&history.Verdict{}).Counts(),
	}
}

// Add adds a trial.
func (s *Summary) Add(r *Result) {
	s.trials++
	if r.Void != "" {
		s.Void++
		s.VoidWhy = append(s.VoidWhy, fmt.Sprintf("%d: %s", r.Number, r.Void))
	}
	if !r.OK() {
		s.Failed++
	}
	for name, n := range r.Faults {
		s.Faults[name] += n
	}
	if r.Verdict != nil {
		for name, n := range r.Verdict.Counts() {
			s.Counts[name] += n
		}
	}
	for _, trouble := range r.Trouble {
		s.Troubles = append(s.Troubles, fmt.Sprintf("%d: %s", r.Number, trouble))
	}
	s.Published += r.Published
	s.Confirmed += r.Confirmed
	s.Unknown += r.Unknown
	s.Refused += r.Refused
	s.Deliveries += r.Deliveries
	s.Again += r.Again
	s.Lives += r.Lives
	s.GapS, s.RecoveredS = max(s.GapS, Seconds(r.Gap)), max(s.RecoveredS, Seconds(r.Recovered))
	s.ElapsedS, s.Bound = Seconds(time.Since(s.began)), 0
	if counting := s.trials - s.Void; s.Failed == 0 && counting > 0 {
		s.Bound = 3 / float64(counting)
	}
}

// OK reports whether nothing was found.
func (s *Summary) OK() bool { return s.Failed == 0 }

// Injected are the faults and how many there were of each.
func (s *Summary) Injected() string {
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(s.Faults)) {
		faults = append(faults, fmt.Sprintf("%s %d", name, s.Faults[name]))
	}
	return strings.Join(faults, ", ")
}

// told are the findings that Found has one by one, also when there are none.
var told = []history.Finding{
	history.Lost, history.Phantom, history.AfterAck, history.EarlyLease, history.NonMatching, history.Order, history.Stuck, history.Replicas,
}

// Found says in a line what was found and how bad it was at its worst.
func (s *Summary) Found() string {
	others := 0
	for _, n := range s.Counts {
		others += n
	}
	counts := make([]string, len(told))
	for i, f := range told {
		counts[i] = fmt.Sprintf("%s %d", f, s.Counts[f.String()])
		others -= s.Counts[f.String()]
	}
	bound := "none"
	if s.Bound > 0 {
		bound = fmt.Sprintf("%.3f", s.Bound)
	}
	return fmt.Sprintf("events %d, confirmed %d, unknown %d, deliveries %d · %s · others %d, troubles %d · worst gap %.1f s · worst recovery %.1f s · bound %s",
		s.Published, s.Confirmed, s.Unknown, s.Deliveries, strings.Join(counts, ", "), others, len(s.Troubles), s.GapS, s.RecoveredS, bound)
}

// Append adds a summary, with whatever is around it, to a file of such lines.
func Append(name string, summary any) (err error) {
	line, err := json.Marshal(summary)
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
