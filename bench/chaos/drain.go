package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

const (
	drainInterval = 200 * time.Millisecond
	// drainLooks is how many times in a row nothing may be held: a node counts what its own
	// replicas have applied.
	drainLooks = 4
	// listenTime is for how long nothing may come again: longer than any lease lasts.
	listenTime    = visibility + time.Second
	answerTimeout = 5 * time.Second
)

// drain waits until the nodes hold nothing any more, as long as patience allows.
func (r *round) drain(ctx context.Context, healed history.Time) {
	bounded, cancel := context.WithTimeout(ctx, r.Patience)
	defer cancel()
	for empty := 0; empty < drainLooks; {
		held, err := r.held(bounded)
		if err == nil && held == 0 {
			empty++
		} else {
			empty = 0
		}
		if !pause(bounded, drainInterval) {
			if err != nil && ctx.Err() == nil {
				r.troublef("the nodes don't say what they hold: %v", err)
			} else if ctx.Err() == nil {
				r.troublef("%d events are still held %v after the last fault", held, (r.recorder.Now() - healed).Round(time.Second))
			}
			return
		}
	}
	r.result.Recovered = r.recorder.Now() - healed - (drainLooks-1)*drainInterval
	pause(ctx, listenTime)
	r.recorder.Drained()
	if err := r.account(ctx); err != nil {
		r.troublef("dead letters and counts: %v", err)
	}
}

// held is how many events the nodes have ready, leased or delayed, by their own count.
func (r *round) held(ctx context.Context) (sum uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for s, err := range r.clients[0].Admin().Subscriptions(ctx, topic) {
		if err != nil {
			return 0, err
		}
		sum += s.Counts.Ready + s.Counts.Leased + s.Counts.Delayed
	}
	return sum, nil
}

// account writes down what the nodes hold, and their dead letters. A fan-out's counts are
// all of its members', and go to the first.
func (r *round) account(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.Patience)
	defer cancel()
	admin := r.clients[0].Admin()
	others := map[string]uint64{}
	first := map[string]history.Reader{}
	for i := range r.readers {
		one := &r.readers[i]
		if one.leaving {
			continue
		}
		listed := uint64(0)
		for letter, err := range admin.DeadLetters(ctx, one.fullName(), one.member) {
			if err != nil {
				return err
			}
			listed++
			if err := r.recorder.Dead(history.Dead{Reader: one.number, Place: history.Place{Partition: letter.Partition, Offset: letter.Offset}}); err != nil {
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
		if err := r.recorder.Held(history.Held{
			Reader: of, Ready: s.Counts.Ready, Leased: s.Counts.Leased, Delayed: s.Counts.Delayed, Dead: s.Counts.Dead - others[s.Name],
		}); err != nil {
			return err
		}
	}
	return nil
}

// agree waits until every node has applied the same entries of every partition, and writes
// the hashes of their states down.
func (r *round) agree(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.Patience)
	defer cancel()
	var asked []*client.Client
	defer func() { disconnect(ctx, asked) }()
	for _, n := range r.rig.cluster.Nodes() {
		c, err := r.rig.connect(ctx, n.API())
		if err != nil {
			r.troublef("node %s can't be asked: %v", n.Name(), err)
			return
		}
		asked = append(asked, c)
	}
	for {
		together, err := r.compare(ctx, asked)
		if together {
			return
		}
		if !pause(ctx, drainInterval) {
			if !errors.Is(ctx.Err(), context.Canceled) {
				r.troublef("the replicas have not come together: %v", err)
			}
			return
		}
	}
}

// compare asks each node for its replicas. Those at the same entry are written down.
func (r *round) compare(ctx context.Context, asked []*client.Client) (together bool, err error) {
	states := make([]*client.NodeState, len(asked))
	all, within := errgroup.WithContext(ctx)
	for i, c := range asked {
		all.Go(func() (err error) {
			bounded, cancel := context.WithTimeout(within, answerTimeout)
			defer cancel()
			states[i], err = c.Admin().NodeState(bounded, true)
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return false, err
	}
	applied := map[uint32][]history.Applied{}
	for _, s := range states {
		for _, p := range s.Partitions {
			for _, replica := range p.Replicas {
				if replica.StateHash == 0 || replica.Debt != 0 {
					err = fmt.Errorf("partition %d of %s lacks %d entries", p.Number, replica.Node, replica.Debt)
					continue
				}
				applied[p.Number] = append(applied[p.Number], history.Applied{Node: replica.Node, Partition: p.Number, Index: replica.Applied, Hash: replica.StateHash})
			}
		}
	}
	for number := range uint32(partitions) {
		of := applied[number]
		for _, a := range of {
			if a.Index != of[0].Index {
				err = fmt.Errorf("partition %d: %s has applied %d, %s %d", number, of[0].Node, of[0].Index, a.Node, a.Index)
			}
			if noteErr := r.recorder.Applied(a); noteErr != nil {
				return true, noteErr
			}
		}
		if len(of) != nodes && err == nil {
			err = fmt.Errorf("partition %d has %d replicas that can be compared", number, len(of))
		}
	}
	return err == nil, err
}

// readLog reads what is left of the log, twice: each time the same.
func (r *round) readLog(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.Patience)
	defer cancel()
	for session := range uint32(2 * partitions) {
		partition := session % partitions
		from := r.clients[int(session/partitions)]
		for stored, err := range from.Read(ctx, topic, client.WithPartition(partition), client.FromEarliest()) {
			if gone, ok := errors.AsType[*client.TruncatedError](err); ok {
				err = r.recorder.Read(history.Read{Session: session, Place: history.Place{Partition: partition, Offset: gone.Before}, Truncated: true})
				if err == nil {
					continue
				}
			}
			if err == nil {
				err = r.recorder.Read(history.Read{
					Session: session, Place: history.Place{Partition: stored.Partition, Offset: stored.Offset},
					Message: numberOf(stored.Event.Data), Digest: digestOf(&stored.Event),
				})
			}
			if err != nil {
				if ctx.Err() == nil {
					r.troublef("reading the log of partition %d: %v", partition, err)
				}
				break
			}
		}
	}
}
