package chaos

import (
	"fmt"
	"strings"

	"github.com/freshet-mq/freshet/bench/trial"
)

// Summary is what a run was, and what it found. It is a line of docs/runs.jsonl.
type Summary struct {
	trial.Summary

	First int `json:"first,omitempty"`
	// Rounds is how many were run.
	Rounds int `json:"rounds"`
	// LeftOut is what this machine can't do to a cluster, and why.
	LeftOut []string `json:"left_out,omitempty"`
	// Kept are where rounds that found something have left their files.
	Kept []string `json:"-"`
}

func newSummary(o *Options, can abilities) *Summary {
	s := &Summary{Summary: trial.NewSummary("chaos", o.Seed, o.Only), First: o.First}
	_, none := possible(can)
	if len(none) > 0 {
		s.LeftOut = append(s.LeftOut, fmt.Sprintf("%s (%s)", kindNames(none), strings.Join(can.missing, "; ")))
	}
	s.LeftOut = append(s.LeftOut, "jumps of the wall clock (the machine's is everybody's; leases don't use it)")
	return s
}

// add adds a round.
func (s *Summary) add(r *trial.Result) {
	s.Rounds++
	s.Add(r)
}

// String is the summary in a line.
func (s *Summary) String() string {
	return fmt.Sprintf("rounds %d (void %d, failed %d) · %s · %s", s.Rounds, s.Void, s.Failed, s.Injected(), s.Found())
}
