package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestPublishToClusterUnderFaults: leaders move and die, are silent or missing, connections break, answers are lost and blocks come late, and slots move.
// Whatever happens, all is answered in the end; an event that is told to be stored is stored once, where its receipt says, in the order of its key;
// one that is refused isn't stored.
func TestPublishToClusterUnderFaults(t *testing.T) {
	const publishers, each, keys = 4, 150, 6
	var stored, refused, unknown int
	eachSeed(t, func(t *testing.T, r *rand.Rand) {
		partitions := 1 + r.IntN(8)
		f := startFronts(t, 3, partitions, time.Minute)
		f.passesOn = r.IntN(2) == 0
		f.publishFault = clusterFaults(r.Uint64(), 100)
		c := f.connect(t)
		p := newProducer(t, c, WithLinger(time.Duration(r.IntN(6))*time.Millisecond), WithBuffer(60, bufferBytesMin))
		ctx, cancel := context.WithCancel(t.Context())
		var disturbing, publishing sync.WaitGroup
		disturbances := rand.New(rand.NewPCG(r.Uint64(), 5))
		moves := r.IntN(2) == 0
		disturbing.Go(func() { f.disturb(ctx, disturbances, moves) })
		told := make([][]published, publishers)
		for i := range publishers {
			random := rand.New(rand.NewPCG(r.Uint64(), 6))
			publishing.Go(func() { told[i] = publishKeyed(t, p, random, i, each, keys) })
		}
		publishing.Wait()
		if err := p.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		cancel()
		disturbing.Wait()
		for f.raise(0) {
		}
		s, n, u := f.check(t, told)
		stored, refused, unknown = stored+s, refused+n, unknown+u
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Logf("%d stored, %d refused, %d unknown", stored, refused, unknown)
	if stored < 10*(refused+unknown) {
		t.Errorf("only %d stored, %d refused, %d unknown", stored, refused, unknown)
	}
}

// clusterFaults breaks things at random, until so many blocks have come.
func clusterFaults(seed uint64, until int) func(*freshetv1.PublishRequest) fakeFault {
	r := rand.New(rand.NewPCG(seed, 7))
	blocks := 0
	return func(*freshetv1.PublishRequest) fakeFault {
		if blocks++; blocks > until {
			return fakeFault{}
		}
		switch r.IntN(16) {
		case 0:
			return fakeFault{breakBefore: true}
		case 1:
			return fakeFault{breakAfter: true}
		case 2:
			return fakeFault{ghost: true}
		case 3:
			return fakeFault{refuse: wireFault(freshetv1.ErrorCode_ERROR_CODE_BUSY, true, false, "busy")}
		case 4:
			return fakeFault{refuse: wireFault(freshetv1.ErrorCode_ERROR_CODE_OUTCOME_UNKNOWN, true, true, "leadership was lost")}
		default:
			return fakeFault{delay: time.Duration(r.IntN(20)) * time.Millisecond}
		}
	}
}

// disturb does to the cluster what can happen to one, and leaves it whole.
func (f *fakeFronts) disturb(ctx context.Context, r *rand.Rand, moves bool) {
	for range 40 {
		select {
		case <-time.After(time.Duration(r.IntN(100)) * time.Millisecond):
		case <-ctx.Done():
		}
		partition, front := r.IntN(len(f.partitions)), f.fronts[r.IntN(len(f.fronts))]
		switch r.IntN(9) {
		case 0, 1:
			f.lead(partition, front)
		case 2:
			f.lead(partition, nil)
		case 3:
			front.breakAll()
		case 4:
			front.setDown(true)
		case 5:
			front.setDown(false)
			front.thaw()
		case 6:
			front.freeze()
		case 7:
			f.raise(r.IntN(3))
		case 8:
			if moves && r.IntN(3) == 0 {
				shift := r.IntN(block.Slots)
				f.moveSlots(func(slot int) int { return (slot + shift) % block.Slots * len(f.partitions) / block.Slots })
			}
		}
	}
	for _, front := range f.fronts {
		front.setDown(false)
		front.thaw()
	}
	for partition := range f.partitions {
		f.lead(partition, f.fronts[r.IntN(len(f.fronts))])
	}
}

// publishKeyed publishes numbered events, most with a key of the publisher's own, in one of three ways at a time.
func publishKeyed(t *testing.T, p *Producer, r *rand.Rand, publisher, events, keys int) []published {
	var told []published
	event := func(i int) Event {
		key := r.IntN(keys + 1)
		e := Event{Data: fmt.Appendf(nil, "%d/%d/%d", publisher, key, i), ContentType: "text/plain"}
		if key > 0 {
			e.Key = fmt.Sprintf("%d/%d", publisher, key)
		}
		return e
	}
	note := func(e Event, receipt Receipt, err error) {
		told = append(told, published{publisher: publisher, name: string(e.Data), receipt: receipt, err: err})
	}
	for i := 0; i < events; {
		switch r.IntN(3) {
		case 0: // in time or not
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(200))*time.Millisecond)
			e := event(i)
			receipt, err := p.Publish(ctx, e)
			cancel()
			note(e, receipt, err)
			i++
		case 1:
			var futures []*Future
			var sent []Event
			for range 1 + r.IntN(10) {
				e := event(i)
				futures, sent = append(futures, p.PublishAsync(t.Context(), e)), append(sent, e)
				i++
			}
			for k, future := range futures {
				receipt, err := future.Wait(t.Context())
				note(sent[k], receipt, err)
			}
		case 2:
			var batch []Event
			for range 1 + r.IntN(60) {
				batch = append(batch, event(i))
				i++
			}
			results, _ := p.PublishBatch(t.Context(), batch)
			for k, result := range results {
				note(batch[k], result.Receipt, result.Err)
			}
		}
	}
	return told
}

// check holds what publishers were told against what is stored.
func (f *fakeFronts) check(t *testing.T, told [][]published) (stored, refused, unknown int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	times, last := map[string]int{}, map[string]int{}
	for _, name := range f.mu.stored {
		if times[name]++; times[name] > 1 {
			t.Errorf("%s is stored %d times", name, times[name])
		}
		var publisher, key, number int
		if _, err := fmt.Sscanf(name, "%d/%d/%d", &publisher, &key, &number); err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%d/%d", publisher, key)
		if before, some := last[line]; key > 0 && some && number < before {
			t.Errorf("%s is stored behind %d of its key", name, before)
		}
		last[line] = number
	}
	for _, list := range told {
		for _, p := range list {
			switch {
			case p.err == nil:
				stored++
				events := f.partitions[p.receipt.Partition].stored("orders")
				if p.receipt.Offset >= uint64(len(events)) || string(events[p.receipt.Offset].Data) != p.name {
					t.Errorf("%s isn't at %+v", p.name, p.receipt)
				}
			case errors.Is(p.err, ErrUnknownOutcome):
				unknown++
			default:
				refused++
				if times[p.name] > 0 {
					t.Errorf("%s: told %v, stored", p.name, p.err)
				}
			}
		}
	}
	return stored, refused, unknown
}
