package chaos

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
)

// Summary is what a run was, and what it found. It is a line of docs/runs.jsonl.
type Summary struct {
	Kind string `json:"kind"` // "chaos"
	// Commit is what the nodes were built from, as the caller says; Began when the run did.
	Commit string `json:"commit"`
	Began  string `json:"began"`
	Seed   uint64 `json:"seed"`
	First  int    `json:"first,omitempty"`
	Only   string `json:"only,omitempty"`
	// Rounds is how many were run, Void how many of them prove nothing, Failed how many
	// found something.
	Rounds int `json:"rounds"`
	Void   int `json:"void"`
	Failed int `json:"failed"`
	// Bound is 3/N of the N rounds that prove something: with 95 % confidence no more than
	// such a share of rounds would find something. 0: some did, or none counts.
	Bound      float64        `json:"bound"`
	Faults     map[string]int `json:"faults"`
	LeftOut    []string       `json:"left_out,omitempty"`
	Published  int            `json:"published"`
	Confirmed  int            `json:"confirmed"`
	Unknown    int            `json:"unknown"`
	Refused    int            `json:"refused"`
	Deliveries int            `json:"deliveries"`
	Again      int            `json:"again"`
	Lives      int            `json:"lives"`
	// GapS is the longest time without a confirmed publish, RecoveredS the longest from the
	// last fault's end until nothing was held any more; seconds.
	GapS       float64        `json:"worst_gap_s"`
	RecoveredS float64        `json:"worst_recovery_s"`
	ElapsedS   float64        `json:"elapsed_s"`
	Counts     map[string]int `json:"counts"`
	// Troubles is what was wrong besides the counts.
	Troubles []string `json:"troubles,omitempty"`
	VoidWhy  []string `json:"void_why,omitempty"`
	// Kept are where rounds that found something have left their files.
	Kept []string `json:"-"`

	began time.Time
}

func newSummary(o *Options, can abilities, began time.Time) *Summary {
	s := &Summary{
		Kind: "chaos", Began: began.UTC().Format(time.RFC3339), Seed: o.Seed, First: o.First, Only: o.Only, began: began,
		Faults: map[string]int{}, Counts: (&history.Verdict{}).Counts(),
	}
	_, none := possible(can)
	if len(none) > 0 {
		s.LeftOut = append(s.LeftOut, fmt.Sprintf("%s (%s)", kindNames(none), strings.Join(can.missing, "; ")))
	}
	s.LeftOut = append(s.LeftOut, "jumps of the wall clock (the machine's is everybody's; leases don't use it)")
	return s
}

func (s *Summary) add(r *Round) {
	s.Rounds++
	if r.Void != "" {
		s.Void++
		s.VoidWhy = append(s.VoidWhy, fmt.Sprintf("%d: %s", r.Number, r.Void))
	}
	if !r.OK() {
		s.Failed++
	}
	for _, f := range r.Faults {
		name, _, _ := strings.Cut(f, " ")
		s.Faults[name]++
	}
	for name, n := range r.Counts {
		s.Counts[name] += n
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
	s.GapS, s.RecoveredS = max(s.GapS, seconds(r.Gap)), max(s.RecoveredS, seconds(r.Recovered))
}

func (s *Summary) end(at time.Time) {
	s.ElapsedS = seconds(at.Sub(s.began))
	if counting := s.Rounds - s.Void; s.Failed == 0 && counting > 0 {
		s.Bound = 3 / float64(counting)
	}
}

func seconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Millisecond)) / float64(time.Second)
}

// OK reports whether nothing was found.
func (s *Summary) OK() bool { return s.Failed == 0 }

// String is the summary in a line.
func (s *Summary) String() string {
	var counts, faults []string
	for _, f := range []history.Finding{
		history.Lost, history.Phantom, history.AfterAck, history.EarlyLease, history.NonMatching, history.Order, history.Stuck, history.Replicas,
	} {
		counts = append(counts, fmt.Sprintf("%s %d", f, s.Counts[f.String()]))
	}
	rest := 0
	for name, n := range s.Counts {
		if !slices.ContainsFunc(counts, func(c string) bool { return strings.HasPrefix(c, name+" ") }) {
			rest += n
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Faults)) {
		faults = append(faults, fmt.Sprintf("%s %d", name, s.Faults[name]))
	}
	bound := "none"
	if s.Bound > 0 {
		bound = fmt.Sprintf("%.3f", s.Bound)
	}
	return fmt.Sprintf("rounds %d (void %d, failed %d) · %s · events %d, confirmed %d, unknown %d, deliveries %d · %s · others %d · worst gap %.1f s · worst recovery %.1f s · bound %s",
		s.Rounds, s.Void, s.Failed, strings.Join(faults, ", "), s.Published, s.Confirmed, s.Unknown, s.Deliveries,
		strings.Join(counts, ", "), rest, s.GapS, s.RecoveredS, bound)
}

// String is a round in a line.
func (r *Round) String() string {
	verdict := "in order"
	if !r.OK() {
		verdict = "FAILED"
	}
	if r.Void != "" {
		verdict += ", void: " + r.Void
	}
	return fmt.Sprintf("%s · %d published, %d confirmed, %d unknown, %d refused · %d deliveries, %d again · gap %.1f s · recovered in %.1f s · %.0f s",
		verdict, r.Published, r.Confirmed, r.Unknown, r.Refused, r.Deliveries, r.Again, seconds(r.Gap), seconds(r.Recovered), seconds(r.Elapsed))
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

// writeHistory leaves a history beside the nodes' logs, a record a line.
func writeHistory(dir string, h *history.History) (err error) {
	f, err := os.OpenFile(filepath.Join(dir, "history.jsonl"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buffered := bufio.NewWriter(f)
	encoder := json.NewEncoder(buffered)
	write := func(what string, number int, record any) {
		if err == nil {
			err = encoder.Encode(map[string]any{"what": what, "number": number, "record": record})
		}
	}
	for i := range h.Readers {
		write("reader", i, h.Readers[i])
	}
	for i := range h.Faults {
		write("fault", i, h.Faults[i])
	}
	for i := range h.Publishes {
		write("publish", i, h.Publishes[i])
	}
	for i := range h.Deliveries {
		write("delivery", i, h.Deliveries[i])
	}
	for i := range h.Decisions {
		write("decision", i, h.Decisions[i])
	}
	for i := range h.Applied {
		write("applied", i, h.Applied[i])
	}
	for i := range h.Dead {
		write("dead", i, h.Dead[i])
	}
	return errors.Join(err, buffered.Flush())
}
