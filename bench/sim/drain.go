package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

const (
	drainInterval = 200 * time.Millisecond
	// drainLooks is how many times in a row nothing may be held: a node counts what its own replicas have applied.
	drainLooks = 4
	// listenTime is for how long nothing may come again: longer than any lease lasts.
	listenTime    = visibility + time.Second
	answerTimeout = 5 * time.Second
)

// drain waits until the nodes hold nothing any more, as long as patience allows.
func (w *world) drain(ctx context.Context, healed history.Time) {
	bounded, cancel := context.WithTimeout(ctx, w.Patience)
	defer cancel()
	for empty := 0; empty < drainLooks; {
		held, err := w.held(bounded)
		if err == nil && held == 0 {
			empty++
		} else {
			empty = 0
		}
		if !pause(bounded, drainInterval) {
			if ctx.Err() == nil {
				w.troublef("%d events are still held %v after the last fault (%v)", held, (w.recorder.Now() - healed).Round(time.Second), err)
			}
			return
		}
	}
	w.result.Recovered = w.recorder.Now() - healed - (drainLooks-1)*drainInterval
	pause(ctx, listenTime)
	w.recorder.Drained()
	if err := w.account(ctx); err != nil {
		w.troublef("dead letters and counts: %v", err)
	}
}

// held is how many events the nodes have ready, leased or delayed, by their own count.
func (w *world) held(ctx context.Context) (sum uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for s, err := range w.clients[0].Admin().Subscriptions(ctx, topic) {
		if err != nil {
			return 0, err
		}
		sum += s.Counts.Ready + s.Counts.Leased + s.Counts.Delayed + s.Counts.Unread
	}
	return sum, nil
}

// account writes down what the nodes hold, and their dead letters. A fan-out's counts are all of its members', and go to the first.
func (w *world) account(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.Patience)
	defer cancel()
	admin := w.clients[0].Admin()
	others := map[string]uint64{}
	first := map[string]history.Reader{}
	for i := range w.readers {
		one := &w.readers[i]
		if one.leaving {
			continue
		}
		listed := uint64(0)
		for letter, err := range admin.DeadLetters(ctx, one.fullName(), one.member) {
			if err != nil {
				return err
			}
			listed++
			if err := w.recorder.Dead(history.Dead{Reader: one.number, Place: history.Place{Partition: letter.Partition, Offset: letter.Offset}}); err != nil {
				return err
			}
		}
		if _, some := first[one.fullName()]; some {
			others[one.fullName()] += listed
		} else {
			first[one.fullName()] = one.number
		}
	}
	for s, err := range admin.Subscriptions(ctx, topic) {
		if err != nil {
			return err
		}
		of, ok := first[s.Name]
		if !ok {
			continue // leaving may not have left
		}
		if err := w.recorder.Held(history.Held{
			Reader: of, Ready: s.Counts.Ready, Leased: s.Counts.Leased, Delayed: s.Counts.Delayed, Dead: s.Counts.Dead - others[s.Name],
		}); err != nil {
			return err
		}
	}
	return nil
}

// agree waits until every node has applied the same entries of every partition, and writes the hashes of their states down.
func (w *world) agree(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, w.Patience)
	defer cancel()
	var asked []*client.Client
	defer func() { disconnect(ctx, asked) }()
	for _, n := range w.nodes {
		c, err := w.connect(ctx, n)
		if err != nil {
			w.troublef("node %s can't be asked: %v", n.name, err)
			return
		}
		asked = append(asked, c)
	}
	for {
		together, err := w.compare(ctx, asked)
		if together {
			return
		}
		if !pause(ctx, drainInterval) {
			if !errors.Is(ctx.Err(), context.Canceled) {
				w.troublef("the replicas have not come together: %v", err)
			}
			return
		}
	}
}

// compare asks each node for its replicas. Those at the same entry are written down.
func (w *world) compare(ctx context.Context, asked []*client.Client) (together bool, err error) {
	applied := map[uint32][]history.Applied{}
	for _, c := range asked {
		bounded, cancel := context.WithTimeout(ctx, answerTimeout)
		state, err := c.Admin().NodeState(bounded, true)
		cancel()
		if err != nil {
			return false, err
		}
		for _, p := range state.Partitions {
			for _, replica := range p.Replicas {
				if replica.StateHash != 0 && replica.Debt == 0 {
					applied[p.Number] = append(applied[p.Number], history.Applied{Node: replica.Node, Partition: p.Number, Index: replica.Applied, Hash: replica.StateHash})
				}
			}
		}
	}
	for number := range uint32(partitions) {
		of := applied[number]
		if len(of) != nodes {
			err = fmt.Errorf("partition %d has %d replicas that can be compared", number, len(of))
		}
		for _, a := range of {
			if a.Index != of[0].Index {
				err = fmt.Errorf("partition %d: %s has applied %d, %s %d", number, of[0].Node, of[0].Index, a.Node, a.Index)
			}
			if noteErr := w.recorder.Applied(a); noteErr != nil {
				return true, noteErr
			}
		}
	}
	return err == nil, err
}

// readLog reads what is left of the log, twice: each time the same.
func (w *world) readLog(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, w.Patience)
	defer cancel()
	for session := range uint32(2 * partitions) {
		if err := w.readPartition(ctx, w.clients[int(session/partitions)], session, session%partitions); err != nil && !errors.Is(err, context.Canceled) {
			w.troublef("reading the log of partition %d: %v", session%partitions, err)
		}
	}
}

func (w *world) readPartition(ctx context.Context, from *client.Client, session, partition uint32) error {
	for stored, err := range from.Read(ctx, topic, client.WithPartition(partition), client.FromEarliest()) {
		if gone, ok := errors.AsType[*client.TruncatedError](err); ok {
			err = w.recorder.Read(history.Read{Session: session, Place: history.Place{Partition: partition, Offset: gone.Before}, Truncated: true})
			if err == nil {
				continue
			}
		}
		if err == nil {
			err = w.recorder.Read(history.Read{
				Session: session, Place: history.Place{Partition: stored.Partition, Offset: stored.Offset},
				Message: numberOf(stored.Event.Data), Digest: digestOf(&stored.Event),
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
