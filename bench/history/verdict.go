package history

import (
	"fmt"
	"slices"
	"strings"
)

// Finding is a kind of broken promise. Its number is docs/reliability.md's.
type Finding uint8

// The findings.
const (
	// Lost: confirmed as stored, and never arrived (I1, I4).
	Lost Finding = iota
	// Phantom: arrived, and was never published so (I2).
	Phantom
	// AfterAck: arrived after its ack had been confirmed (I3, I19).
	AfterAck
	// NonMatching: arrived where it doesn't match (I5).
	NonMatching
	// EarlyLease: arrived while another consumer's lease was running (I6).
	EarlyLease
	// Fence: a lease that was over was good for an ack (I7).
	Fence
	// Attempts: counted wrongly (I8).
	Attempts
	// Offsets: one place for two events, or places against the order of publishing (I9).
	Offsets
	// Order: an event of an ordered queue before another of its key (I10).
	Order
	// Twice: one publish, stored at two places (I11).
	Twice
	// Stuck: still held when all should have been delivered (I13).
	Stuck
	// Lifetime: arrived from before a subscription's making or from behind its end, or
	// a hole in between (I14).
	Lifetime
	// Names: no order of the operations on a name explains their answers (I15).
	Names
	// Replay: a reading of the log with a gap, a repetition or another event (I16).
	Replay
	// Replicas: two replicas with other states behind the same entry (I17).
	Replicas
	// Accounts: something is held when all is settled (I18).
	Accounts
	// Life: no order of what was said of an event explains the answers (I3, I7).
	Life

	findings
)

func (f Finding) String() string {
	return [...]string{
		"lost", "phantom", "after_ack", "non_matching", "early_lease", "fence", "attempts", "offsets", "order", "twice",
		"stuck", "lifetime", "names", "replay", "replica_differences", "accounts", "life",
	}[f]
}

// examplesMax is how many examples of a finding are kept.
const examplesMax = 10

// Verdict is what the checkers found.
type Verdict struct {
	counts   [findings]int
	examples [findings][]string
	// Incomplete: the history lacks something (H4), or porcupine ran out of time.
	Incomplete bool
	// Lives is how many events' lives porcupine was asked of.
	Lives int
}

// addf notes a finding.
func (v *Verdict) addf(f Finding, format string, arguments ...any) {
	v.counts[f]++
	if len(v.examples[f]) < examplesMax {
		v.examples[f] = append(v.examples[f], fmt.Sprintf(format, arguments...))
	}
}

// Count is how often a finding was made.
func (v *Verdict) Count(f Finding) int { return v.counts[f] }

// Counts are all findings by name, those that were not made too.
func (v *Verdict) Counts() map[string]int {
	counts := make(map[string]int, findings)
	for f := range findings {
		counts[f.String()] = v.counts[f]
	}
	return counts
}

// OK reports whether every promise was kept, as far as the history goes.
func (v *Verdict) OK() bool {
	return !v.Incomplete && !slices.ContainsFunc(v.counts[:], func(n int) bool { return n > 0 })
}

// String has a line for each finding that was made, with examples below it.
func (v *Verdict) String() string {
	var text strings.Builder
	if v.Incomplete {
		text.WriteString("the history is incomplete: nothing is proved\n")
	}
	for f := range findings {
		if v.counts[f] == 0 {
			continue
		}
		fmt.Fprintf(&text, "%s: %d\n", f, v.counts[f])
		for _, example := range v.examples[f] {
			fmt.Fprintf(&text, "  %s\n", example)
		}
	}
	if text.Len() == 0 {
		return "every promise was kept\n"
	}
	return text.String()
}
