package broker

import (
	"context"
	"time"
)

// A node's replica of the catalog is behind its leader's by a moment, so that a name which was just made at one node may not be known at the next. Before a node
// says that there is no such thing it asks the leader how far the catalog is, and waits until its replica is there too.
const (
	// syncApart is how much later than the last such question the next one is asked. All who wait meanwhile share it: strangers who ask for what there
	// isn't cost ten entries a second at most, however many they are.
	syncApart = 100 * time.Millisecond
	// syncWithin bounds the wait for the answer.
	syncWithin = 2 * time.Second
	// syncsMax is how many may wait for the next question.
	syncsMax = 1_024
)

// sync waits until this node's replica has what the catalog had when it was called.
func (m *metadata) sync(ctx context.Context) error {
	if _, err := m.versionHere(ctx); err == nil {
		return nil
	}
	answer := make(chan error, 1)
	select {
	case m.syncs <- answer:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// runSyncs asks for those who wait, until the context ends.
func (m *metadata) runSyncs(ctx context.Context) {
	for {
		var waiting []chan error
		select {
		case first := <-m.syncs:
			waiting = append(waiting, first)
		case <-ctx.Done():
			return
		}
		for more := true; more; { // all who are there before the question is asked
			select {
			case next := <-m.syncs:
				waiting = append(waiting, next)
			default:
				more = false
			}
		}
		err := m.syncOnce(ctx)
		for _, answer := range waiting {
			answer <- err
		}
		timer, stop := m.clock.TimerAt(m.clock.Now().Add(syncApart))
		select {
		case <-timer:
		case <-ctx.Done():
		}
		stop()
	}
}

func (m *metadata) syncOnce(ctx context.Context) error {
	bound, cancel := context.WithTimeout(ctx, syncWithin)
	defer cancel()
	_, err := m.change(bound, nil)
	return err
}
