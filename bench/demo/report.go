package demo

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Report is what came of a run. Its JSON is the answer of freshet demo --json.
type Report struct {
	// Published is how many events are confirmed as stored.
	Published int `json:"published"`
	// Matched to AfterAck are as in Counts, summed over all subscriptions.
	Matched      int `json:"matched"`
	Delivered    int `json:"delivered"`
	Acked        int `json:"acked"`
	Redelivered  int `json:"redelivered"`
	DeadLettered int `json:"dead_lettered"`
	Lost         int `json:"lost"`
	Unexpected   int `json:"unexpected"`
	AfterAck     int `json:"after_ack"`
	// OutOfOrder is events of ordered queues that began, for the first time, after a
	// later one of their key.
	OutOfOrder int `json:"out_of_order"`
	// LeaderKills is how often a node was killed while it led.
	LeaderKills int `json:"leader_kills"`
	// ReplicasAgree says that at the end all replicas of every partition had
	// applied the same entries and made the same state of them, the killed
	// node's too. A node alone agrees with itself.
	ReplicasAgree bool `json:"replicas_agree"`
	// Judged is how many publishes, deliveries and answers to them were judged one by one, by when they came and what clients were told
	// (bench/history). 0: there were more than two million, or the run broke off; the counts above stand for themselves then.
	Judged int `json:"judged"`
	// ElapsedSeconds is how long the run took, the node's start included.
	ElapsedSeconds float64 `json:"elapsed_s"`

	// OK says that nothing is wrong: the exit code.
	OK bool `json:"ok"`
	// Planned is how many events were to be published.
	Planned int `json:"planned"`
	// Rejected is how many deliveries were rejected on purpose. They arrived, so
	// they count as delivered, not as dead_lettered.
	Rejected int `json:"rejected"`
	// Released and LeftToExpire are deliveries that were given back, and that
	// were left until their leases ran out.
	Released     int `json:"released"`
	LeftToExpire int `json:"left_to_expire"`
	// GapSeconds is the longest time without a confirmed publish since the kill.
	GapSeconds float64 `json:"gap_s"`
	// SuccessionSeconds is how long the killed node's partitions had no leader; 0
	// with one node.
	SuccessionSeconds float64 `json:"succession_s"`
	Nodes             int     `json:"nodes"`
	// Partitions is on how many the topic is.
	Partitions int    `json:"partitions"`
	Data       string `json:"data,omitempty"`
	Repeat     int    `json:"repeat"`
	Seed       uint64 `json:"seed"`

	// Rows are the subscriptions' counts.
	Rows []Row `json:"-"`
	// Kill is the last kill; zero if there was none.
	Kill Kill `json:"-"`
	// Faults say what is wrong, a line each; none if the report is OK.
	Faults []string `json:"-"`
}

// findingsMax is how many things that should not be are named.
const findingsMax = 10

func (s *scenario) report(trouble error) *Report {
	f := s.ledger.Figures()
	r := &Report{
		Published: f.Published, Matched: f.Matched, Delivered: f.Delivered, Acked: f.Acked, Redelivered: f.Redelivered,
		DeadLettered: f.DeadLettered, Lost: f.Lost(), Unexpected: f.Unexpected, AfterAck: f.AfterAck, OutOfOrder: s.disorder,
		ElapsedSeconds: seconds(time.Since(s.began)),
		Planned:        s.feed.Len(), Rejected: f.Rejected, Released: s.released, LeftToExpire: s.forgotten, GapSeconds: seconds(s.publisher.gap()),
		Nodes: s.Nodes, Partitions: s.Partitions, SuccessionSeconds: seconds(s.kill.Succeeded), ReplicasAgree: s.agreed, Data: s.Data, Repeat: s.Repeat, Seed: s.Seed,
		Rows: rowsOf(s.subscriptions, s.readers, f.Readers), Kill: s.kill,
	}
	if s.kill.After != 0 {
		r.LeaderKills = 1
		r.Kill.Gap = s.publisher.gap()
	}
	r.Faults = s.faults(r, f, trouble)
	r.OK = len(r.Faults) == 0
	return r
}

// faults says in lines for people what is wrong with a run.
func (s *scenario) faults(r *Report, f Figures, trouble error) []string {
	var lines []string
	if trouble != nil {
		text := trouble.Error()
		if errors.Is(trouble, errDeadline) {
			text = fmt.Sprintf("the run took longer than its deadline of %v: what is missing may only be late", s.Deadline)
		}
		lines = append(lines, strings.Split(text, "\n")...)
	}
	if r.Published < r.Planned {
		lines = append(lines, fmt.Sprintf("%s of %s are confirmed as published", thousands(r.Published), counted(r.Planned, "event")))
	}
	if refusal := s.publisher.refusal(); refusal != nil {
		lines = append(lines, refusal.Error())
	}
	if r.LeaderKills == 0 {
		lines = append(lines, "no node was killed, so the run shows little")
	}
	if trouble == nil && !r.ReplicasAgree {
		lines = append(lines, "the replicas were never seen with one state")
	}
	if r.Lost != 0 || r.Unexpected != 0 || r.AfterAck != 0 || f.Contradictions != 0 {
		lines = append(lines, fmt.Sprintf("%s lost, %s unexpected, %s after their ack, %s", thousands(r.Lost), thousands(r.Unexpected),
			thousands(r.AfterAck), counted(f.Contradictions, "contradiction")))
	}
	if r.OutOfOrder != 0 {
		lines = append(lines, counted(r.OutOfOrder, "event")+" of ordered queues began after a later one of the same key")
	}
	if trouble == nil {
		judged, found := s.witness.findings()
		r.Judged, lines = judged, append(lines, found...)
	}
	if len(lines) == 0 {
		return nil // what is open now was settled, and only its answer lost
	}
	found := s.ledger.Findings(findingsMax + 1)
	for _, finding := range found[:min(len(found), findingsMax)] {
		lines = append(lines, "  "+s.describe(finding))
	}
	if len(found) > findingsMax {
		lines = append(lines, "  and more")
	}
	return lines
}

// describe is a finding as a sentence.
func (s *scenario) describe(f Finding) string {
	what := "something"
	if f.Event >= 0 {
		what = s.feed.Describe(f.Event)
	}
	who := ""
	if f.Reader >= 0 {
		who = s.readers[f.Reader].name(s.subscriptions) + ": "
	}
	return fmt.Sprintf("%s%s, %s, %s", who, what, f.Place, f.Fault)
}

// seconds to the millisecond.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }
