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
