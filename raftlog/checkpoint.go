package raftlog

import (
	"context"
	"errors"
	"fmt"

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

// runCheckpoints takes checkpoints, one at a time: when enough was applied, and when somebody asks.
func (g *Group) runCheckpoints() {
	for {
		select {
		case <-g.checkpointDue:
			if err := g.checkpoint(); err != nil {
				// The last one is in force, and the log stays. The next is tried after as many bytes again.
				g.log.Error("a checkpoint failed", "error", err)
			}
		case request := <-g.checkpoints:
			request.done <- g.checkpoint()
		case <-g.stopping:
			return
		}
	}
}

func (g *Group) checkpoint() error {
	if err := g.store.usable(); err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	err := g.raft.Load().Snapshot().Error()
	if errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("raftlog: taking a checkpoint: %w", err)
	}
	_, err = g.noteSnapshots()
	return err
}

// noteSnapshots tells the store which part of the log the snapshots cover, and returns the newest one's index.
func (g *Group) noteSnapshots() (newest uint64, err error) {
	kept, err := g.snapshots.List()
	if err != nil {
		return 0, fmt.Errorf("raftlog: listing snapshots: %w", err)
	}
	if len(kept) == 0 {
		return 0, nil
	}
	newest = kept[0].Index
	g.store.checkpointed(kept[len(kept)-1].Index, newest)
	return newest, nil
}

// runReclaim removes what may go, in steps.
func (g *Group) runReclaim() {
	for {
		select {
		case <-g.store.reclaimable:
		case <-g.stopping:
			return
		}
		for more := true; more; {
			select {
			case <-g.stopping:
				return
			default:
			}
			var err error
			if more, err = g.store.reclaim(); err != nil {
				return // the store has said so
			}
		}
	}
}
