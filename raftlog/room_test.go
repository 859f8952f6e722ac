package raftlog

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/raft"
)

// TestAllFull: three nodes fill their logs, since nobody lets go of anything, lose power again and again, and come back. They are led again, take
// small commands and, once their owner lets go, all others; nothing is lost.
func TestAllFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2, 1)
		c.retain = 1
		c.tune = largeSegments
		c.start()
		c.fillUp(t, 0)
		for cut := range 12 {
			for _, m := range c.members {
				m.crash(c.rng.IntN(101))
			}
			for _, m := range c.members {
				m.open()
			}
			c.write(c.ctx, 1, fmt.Sprint("small.", cut), 10)
			c.settle(c.ctx)
		}
		c.fillUp(t, 0)
		for m, p := range c.running() {
			if usage := p.node.Usage(); usage.Bytes < usage.BytesMax*3/4 {
				t.Errorf("%s holds %+v: it isn't full", m.name, usage)
			}
			for _, g := range p.groups {
				g.Retain(RetainNone)
			}
		}
		c.write(c.ctx, 0, "after", 10_000)
		c.writeMany(t, 0, "after", 100)
		c.settle(c.ctx)
		c.noneFailed(t)
	})
}

// TestFullestFollows: followers whose logs are fuller than their leader's take what it appends.
func TestFullestFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		c.retain = 1
		c.tune = largeSegments
		c.start()
		lead := c.leader(c.ctx, 0)
		c.settle(c.ctx)
		for m, p := range c.running() {
			if m == lead {
				continue
			}
			other, err := p.node.entries.Group(9) // this node's alone
			for i := uint64(1); err == nil && p.node.Usage().Bytes < p.node.Usage().BytesMax; i++ {
				err = other.StoreLog(&raft.Log{Index: i, Term: 1, Data: make([]byte, 2*smallCommandBytes)})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		c.writeMany(t, 0, "after", 20)
		c.settle(c.ctx)
		c.noneFailed(t)
	})
}

// roomSegmentBytes has room for commands that aren't small.
const roomSegmentBytes = 256 << 10

func largeSegments(o *NodeOptions) {
	o.SegmentBytes, o.BytesMax = roomSegmentBytes, 16*roomSegmentBytes
}

// fillUp writes until all is refused that is larger than a small command.
func (c *cluster) fillUp(t *testing.T, group int) {
	t.Helper()
	for i := 0; ; i++ {
		lead := c.leader(c.ctx, group)
		name := fmt.Sprintf("fill.%d.%d", lead.ledger(group).lastIndex(), i)
		applied, err := lead.group(group).Propose([]byte(name + " " + strings.Repeat("x", 2*smallCommandBytes))).Wait(c.ctx)
		switch {
		case err == nil:
			c.histories[group].ack(name, applied.Index)
		case errors.Is(err, ErrFull):
			return
		default:
			t.Fatal(err)
		}
	}
}

// noneFailed fails the test where a node's log has failed.
func (c *cluster) noneFailed(t *testing.T) {
	t.Helper()
	for _, m := range c.members {
		select {
		case err := <-m.fatal:
			t.Errorf("%s: %v", m.name, err)
		default:
		}
	}
}
