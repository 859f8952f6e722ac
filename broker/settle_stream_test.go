package broker

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestExtendOfEverythingOnce: of many, the last one counts.
func TestExtendOfEverythingOnce(t *testing.T) {
	c, err := settleCommand(&freshetv1.Settle{Sequence: 1, Extends: []*freshetv1.Extend{
		{VisibilityMs: 1_000}, {VisibilityMs: 2_000, Leased: manyLeased(1)}, {VisibilityMs: 3_000}, {VisibilityMs: 4_000, Leased: manyLeased(1)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var after []partition.Tick
	for _, d := range c.Decisions {
		after = append(after, d.After)
	}
	if !slices.Equal(after, []partition.Tick{2_000, 3_000, 4_000}) {
		t.Errorf("extends by %v", after)
	}
}

func leasedOf(delivery, first uint64, count uint32) *freshetv1.Leased {
	return &freshetv1.Leased{Delivery: delivery, Runs: []*freshetv1.OffsetRun{{First: first, Count: count}}}
}

func manyLeased(n int) (list []*freshetv1.Leased) {
	for range n {
		list = append(list, leasedOf(1, 5, 1))
	}
	return list
}

func manyPositions(n int) (list []*freshetv1.PositionRun) {
	for i := range n {
		list = append(list, &freshetv1.PositionRun{First: uint32(2 * i), Count: 1})
	}
	return list
}

func settleAt(positions ...*freshetv1.PositionRun) *freshetv1.Settle {
	return &freshetv1.Settle{Acks: []*freshetv1.Leased{{Delivery: 1, Positions: positions}}}
}

// TestPositionsOnTheWire: positions that a delivery leaves out are counted, and what is lost is told as it was named.
func TestPositionsOnTheWire(t *testing.T) {
	runs := []partition.EventRun{
		{Run: partition.Run{First: 10, Count: 2}, Attempt: 1, Position: 1},
		{Run: partition.Run{First: 20, Count: 3}, Attempt: 1, Position: 3},
		{Run: partition.Run{First: 30, Count: 1}, Attempt: 2, Position: 8},
	}
	var skipped []uint32
	for _, r := range wireDelivery(0, &partition.Delivery{Number: 1, Runs: runs}).GetEvents() {
		skipped = append(skipped, r.GetSkipped())
	}
	if !slices.Equal(skipped, []uint32{1, 0, 2}) {
		t.Errorf("left out are %v", skipped)
	}
	for _, r := range wireDelivery(0, &partition.Delivery{Runs: runs}).GetEvents() { // one-shot leases have receipts
		if r.GetSkipped() != 0 {
			t.Errorf("%v", r)
		}
	}
	c, err := settleCommand(&freshetv1.Settle{Sequence: 1, Acks: settleAt(&freshetv1.PositionRun{First: 2, Count: 3}).GetAcks()})
	if err != nil {
		t.Fatal(err)
	}
	lost := wireLeased(c.Decisions[0].Leased)
	if len(lost) != 1 || len(lost[0].GetRuns()) != 0 || len(lost[0].GetPositions()) != 1 || lost[0].GetPositions()[0].GetFirst() != 2 || lost[0].GetPositions()[0].GetCount() != 3 {
		t.Errorf("lost is %v", lost)
	}
}

// TestSettleLimits is each limit of a Settle, at it and one beyond.
func TestSettleLimits(t *testing.T) {
	const dayHalf = 12 * 60 * 60 * 1000
	long := strings.Repeat("x", partition.ReasonBytesMax)
	for _, c := range []struct {
		what string
		m    *freshetv1.Settle
		want string // a part of the refusal; empty where there is none
	}{
		{"nothing", &freshetv1.Settle{}, ""},
		{"the most runs", &freshetv1.Settle{Acks: manyLeased(partition.SettleRunsMax)}, ""},
		{"one run more", &freshetv1.Settle{Acks: manyLeased(partition.SettleRunsMax + 1)}, "settle is 16385 runs, at most 16384"},
		{"runs in all", &freshetv1.Settle{
			Acks: manyLeased(partition.SettleRunsMax - 2), Extends: []*freshetv1.Extend{{}}, Releases: []*freshetv1.Release{{Leased: leasedOf(1, 5, 1)}},
		}, ""},
		{"one more in all", &freshetv1.Settle{
			Acks: manyLeased(partition.SettleRunsMax - 2), Extends: []*freshetv1.Extend{{}, {}}, Releases: []*freshetv1.Release{{Leased: leasedOf(1, 5, 1)}},
		}, "16385 runs"},
		{"whole deliveries", &freshetv1.Settle{Acks: []*freshetv1.Leased{{Delivery: 1}, {Delivery: 2}}}, ""},
		{"delivery 0", &freshetv1.Settle{Acks: []*freshetv1.Leased{{}}}, "settle.acks[0].delivery is 0"},
		{"an empty run", &freshetv1.Settle{Acks: []*freshetv1.Leased{leasedOf(1, 5, 0)}}, "settle.acks[0].runs[0]"},
		{"the last offset", &freshetv1.Settle{Acks: []*freshetv1.Leased{leasedOf(1, math.MaxInt64, 1)}}, ""},
		{"beyond it", &freshetv1.Settle{Acks: []*freshetv1.Leased{leasedOf(1, math.MaxInt64+1, 1)}}, "names no events"},
		{"positions", settleAt(&freshetv1.PositionRun{First: 0, Count: 4_096}), ""},
		{"the last position, which no delivery has", settleAt(&freshetv1.PositionRun{First: math.MaxUint16, Count: 1}), ""},
		{"all of them", settleAt(&freshetv1.PositionRun{Count: math.MaxUint16 + 1}), ""},
		{"no position", settleAt(&freshetv1.PositionRun{First: 1}), "settle.acks[0].positions[0] has count 0 from position 1"},
		{"a position too large", settleAt(&freshetv1.PositionRun{First: math.MaxUint16 + 1, Count: 1}), "settle.acks[0].positions[0] has count 1 from position 65536; the last position is 65535"},
		{"a count too large", settleAt(&freshetv1.PositionRun{First: 0, Count: 1}, &freshetv1.PositionRun{First: 1, Count: math.MaxUint16 + 1}), "settle.acks[0].positions[1] has count 65536 from position 1"},
		{"what goes round", settleAt(&freshetv1.PositionRun{First: math.MaxUint32, Count: math.MaxUint32}), "settle.acks[0].positions[0] has count 4294967295"},
		{"runs side by side", settleAt(&freshetv1.PositionRun{First: 0, Count: 3}, &freshetv1.PositionRun{First: 3, Count: 1}), ""},
		{"a position twice", settleAt(&freshetv1.PositionRun{First: 0, Count: 3}, &freshetv1.PositionRun{First: 2, Count: 2}), "settle.acks[0].positions[1] begins at position 2, and the run before ends at 2"},
		{"positions out of order", settleAt(&freshetv1.PositionRun{First: 5, Count: 1}, &freshetv1.PositionRun{First: 0, Count: 1}), "settle.acks[0].positions[1] begins at position 0, and the run before ends at 5"},
		{"the most runs of positions", settleAt(manyPositions(partition.SettleRunsMax)...), ""},
		{"one more of them", settleAt(manyPositions(partition.SettleRunsMax + 1)...), "settle is 16385 runs, at most 16384"},
		{"both", &freshetv1.Settle{Acks: []*freshetv1.Leased{{
			Delivery: 1, Runs: []*freshetv1.OffsetRun{{First: 5, Count: 1}}, Positions: manyPositions(1),
		}}}, "settle.acks[0].positions name events of a delivery whose runs name some too"},
		{"12 h", &freshetv1.Settle{Extends: []*freshetv1.Extend{{VisibilityMs: dayHalf}}}, ""},
		{"longer", &freshetv1.Settle{Extends: []*freshetv1.Extend{{VisibilityMs: dayHalf + 1}}}, "settle.extends[0].visibility_ms is 43200001, at most 43200000"},
		{"a delay of 12 h", &freshetv1.Settle{Releases: []*freshetv1.Release{{Leased: leasedOf(1, 5, 1), AfterMs: dayHalf, Reason: long}}}, ""},
		{"a longer one", &freshetv1.Settle{Releases: []*freshetv1.Release{{Leased: leasedOf(1, 5, 1), AfterMs: dayHalf + 1}}}, "settle.releases[0].after_ms"},
		{"a longer reason", &freshetv1.Settle{Releases: []*freshetv1.Release{{Leased: leasedOf(1, 5, 1), Reason: long + "x"}}}, "settle.releases[0].reason is 257 bytes"},
		{"nothing released", &freshetv1.Settle{Releases: []*freshetv1.Release{{}}}, "settle.releases[0].leased is missing"},
		{"a reject's reason", &freshetv1.Settle{Rejects: []*freshetv1.Reject{{Leased: leasedOf(1, 5, 1), Reason: long}}}, ""},
		{"a longer one of a reject", &freshetv1.Settle{Rejects: []*freshetv1.Reject{{Leased: leasedOf(1, 5, 1), Reason: long + "x"}}}, "settle.rejects[0].reason is 257 bytes"},
		{"nothing rejected", &freshetv1.Settle{Rejects: []*freshetv1.Reject{{}}}, "settle.rejects[0].leased is missing"},
	} {
		c.m.Sequence = 1
		_, err := settleCommand(c.m)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.what, err, c.want)
		}
	}
}
