package raftlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// checkpointRequest asks the goroutine that takes checkpoints for one.
type checkpointRequest struct {
	done chan<- error // holds one
}

// Checkpoint writes the machine's state to disk now, so that the log before it may go. When nothing was applied since the
// last one it does nothing. If ctx ends first, the checkpoint is taken all the same.
func (g *Group) Checkpoint(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case g.checkpoints <- checkpointRequest{done: done}:
	case <-g.stopping:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// runCheckpoints takes checkpoints, one at a time: when enough was applied, when somebody asks, and now and then.
func (g *Group) runCheckpoints() {
	var ticks <-chan time.Time
	if g.settings.checkpointEvery > 0 {
		ticker := time.NewTicker(g.settings.checkpointEvery)
		defer ticker.Stop()
		ticks = ticker.C
	}
	for {
		select {
		case <-g.checkpointDue:
			g.checkpointNow()
		case <-ticks:
			if g.applier.anything.Load() {
				g.checkpointNow()
			}
		case request := <-g.checkpoints:
			request.done <- g.checkpoint()
		case <-g.stopping:
			return
		}
	}
}

// checkpointNow takes a checkpoint that nobody waits for.
func (g *Group) checkpointNow() {
	err := g.checkpoint()
	switch {
	case err == nil:
	case errors.Is(err, ErrClosed), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		g.log.Debug("no checkpoint", "error", err)
	default:
		// The last one is in force, and the log stays. The next is tried after as many bytes again, or as much time.
		g.log.Error("a checkpoint failed", "error", err)
	}
}

func (g *Group) checkpoint() error {
	if !g.change() {
		return ErrClosed
	}
	defer g.release()
	if err := g.broken(); err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	err := g.raft.Load().Snapshot().Error()
	switch {
	case errors.Is(err, raft.ErrNothingNewToSnapshot):
		return nil
	case errors.Is(err, raft.ErrRaftShutdown):
		return ErrClosed
	case err != nil:
		return fmt.Errorf("raftlog: taking a checkpoint: %w", err)
	}
	_, err = g.noteCheckpoints()
	return err
}

// noteCheckpoints tells the log which checkpoints there are, and returns the newest; its index is 0 when there is none.
func (g *Group) noteCheckpoints() (raft.SnapshotMeta, error) {
	kept, err := g.snapshots.List()
	if err != nil {
		return raft.SnapshotMeta{}, fmt.Errorf("raftlog: listing checkpoints: %w", err)
	}
	if len(kept) == 0 {
		return raft.SnapshotMeta{}, nil
	}
	g.agreed.Store(&agreed{kept[0].Index, kept[0].Term}) // before the log lets go of it
	g.entries.checkpointed(kept[len(kept)-1].Index, kept[0].Index)
	return *kept[0], nil
}
