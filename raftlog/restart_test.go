package raftlog

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-mq/freshet/raftlog/transport"
)

var (
	seedFlag  = flag.Uint64("seed", 1, "the first seed of tests that draw faults")
	seedsFlag = flag.Int("seeds", 3, "how many seeds such tests run")
)

// eachSeed runs a test in virtual time with one seed after the other. What the seed decides are the faults; the library's own
// timers are drawn at random, and goroutines run as they run, so that a seed which failed may have to be run more than once.
func eachSeed(t *testing.T, test func(t *testing.T, seed uint64)) {
	t.Helper()
	for i := range *seedsFlag {
		seed := *seedFlag + uint64(i)
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, seed) })
			if t.Failed() {
				t.Logf("again: go test ./raftlog -run '%s' -seed %d -seeds 1 -count 10", t.Name(), seed)
			}
		})
	}
}

// load writes to all groups until it is stopped, and is joined by stop.
type load struct {
	cancel  context.CancelFunc
	writers sync.WaitGroup
}

func (c *cluster) load(t *testing.T, writers, bytes int) *load {
	ctx, cancel := context.WithCancel(c.ctx)
	l := &load{cancel: cancel}
	for w := range writers {
		l.writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				c.write(ctx, w%c.groups, fmt.Sprintf("%d.%d", w, i), bytes)
				pause(ctx, 10*time.Millisecond)
			}
		})
	}
	return l
}

func (l *load) stop() {
	l.cancel()
	l.writers.Wait()
}

// TestRestartsUnderLoad (R1, P9): each node in turn is killed under load, with what it had not synced lost, kept or torn, and
// comes back. All machines go through the same states, and end with all that was acked.
func TestRestartsUnderLoad(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) {
		c := newCluster(t, 2, seed)
		c.tuneGroup = func(o *GroupOptions) { o.CheckpointBytes, o.CheckpointEvery = 32<<10, time.Second }
		c.start()
		if seed%2 == 0 { // and a bad network: messages late, lost, repeated, out of order, connections that break
			c.net.SetFaults(transport.Faults{
				DelayMax: 3 * time.Millisecond, Drop: 0.002, Duplicate: 0.01, Replay: 0.01, Reorder: 0.002, Break: 0.001, LateMax: 2 * time.Second,
			})
		}
		load := c.load(t, 3, 300)
		for round := range 4 {
			m := c.members[round%3]
			pause(c.ctx, time.Duration(500+c.rng.IntN(1500))*time.Millisecond)
			m.crash([]int{0, 50, 100}[c.rng.IntN(3)])
			pause(c.ctx, time.Duration(c.rng.IntN(3000))*time.Millisecond)
			m.open()
		}
		load.stop()
		c.net.SetFaults(transport.Faults{})
		c.settle(c.ctx)
		t.Logf("%d commands were acked", c.histories[0].ackedCount()+c.histories[1].ackedCount())
	})
}
