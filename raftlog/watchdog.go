package raftlog

import (
	"context"
	"fmt"
	"runtime/pprof"
	"time"
)

const (
	// syncWithholdAfter: a node whose disk has not answered for so long stops speaking as a leader. Its library can't step
	// down by itself: its main loop waits for the disk (raft issue 503).
	syncWithholdAfter = time.Second
	// syncFatalAfter: a node whose disk has not answered for so long ends.
	syncFatalAfter = 10 * time.Second

	// watchMin is how soon the watchdog looks again.
	watchMin = 20 * time.Millisecond
)

// withhold implements Hooks.Withhold.
func (n *Node) withhold() bool {
	return n.failure.Load() != nil || n.entries.SyncOverdue() >= syncWithholdAfter
}

// watch ends the process when a sync hangs, has followers of silent leaders stand for election, and lets go of what was kept
// for peers. It looks when heartbeats are sent, and when a leader may have been silent for too long.
func (n *Node) watch() {
	timer := time.NewTimer(watchMin)
	defer timer.Stop()
	withheld := false
	for {
		select {
		case <-timer.C:
		case <-n.stopping:
			return
		}
		overdue := n.entries.SyncOverdue()
		if hanging := overdue >= syncWithholdAfter; hanging != withheld {
			withheld = hanging
			n.log.Warn("a sync of the log is overdue", "hanging", hanging, "for", overdue)
		}
		if overdue >= syncFatalAfter {
			n.fail(fmt.Errorf("raftlog: a sync of the log has not come back for %v", overdue))
		}
		every := n.options.heartbeatEvery()
		next := every - time.Duration(time.Now().UnixNano()%int64(every))
		for _, g := range n.Groups() {
			g.shared.expire(n.options.Now())
			next = min(next, g.urge())
		}
		timer.Reset(max(next, min(watchMin, every)))
	}
}

// labelledNode runs one of the node's goroutines under a name that profiles show.
func labelledNode(goroutine string, run func()) {
	//nolint:forbidigo // pprof takes labels only with a context; nothing is cancelled by it
	pprof.Do(context.Background(), pprof.Labels("role", "raft-"+goroutine, "stage", stageCommit), func(context.Context) { run() })
}
