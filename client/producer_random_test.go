package client

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Random tests run this many seeds from this one on; `-seed N -seeds 1` replays one.
var (
	firstSeed = flag.Uint64("seed", 1, "first seed of random tests")
	seedCount = flag.Uint64("seeds", 10, "how many seeds random tests run")
)

func eachSeed(t *testing.T, test func(t *testing.T, r *rand.Rand)) {
	for seed := *firstSeed; seed < *firstSeed+*seedCount; seed++ {
		if !t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, rand.New(rand.NewPCG(seed, 1))) })
		}) {
			t.Fatalf("replay: go test ./client -run %s -seed %d -seeds 1", t.Name(), seed)
		}
	}
}

// randomFaults breaks things at random, and less and less.
func randomFaults(seed uint64, until int) func(*freshetv1.PublishRequest) fakeFault {
	r := rand.New(rand.NewPCG(seed, 2))
	blocks := 0
	return func(*freshetv1.PublishRequest) fakeFault {
		if blocks++; blocks > until {
			return fakeFault{}
		}
		switch r.IntN(14) {
		case 0:
			return fakeFault{breakBefore: true}
		case 1:
			return fakeFault{breakAfter: true}
		case 2:
			return fakeFault{ghost: true}
		case 3:
			return fakeFault{refuse: wireFault(freshetv1.ErrorCode_ERROR_CODE_BUSY, true, false, "busy")}
		case 4:
			return fakeFault{refuse: wireFault(freshetv1.ErrorCode_ERROR_CODE_TOPIC_NOT_FOUND, false, false, "not now")}
		default:
			return fakeFault{delay: time.Duration(r.IntN(20)) * time.Millisecond}
		}
	}
}

// published is what a publisher was told of an event.
type published struct {
	publisher, number int
	name              string // of a keyed one, in place of the number
	receipt           Receipt
	err               error
}

// TestPublishUnderFaults: whatever breaks, an event is stored once, where its receipt says, in its publisher's order; or its publisher knows
// that it isn't, or that it can't be known.
func TestPublishUnderFaults(t *testing.T) {
	const publishers, each = 4, 150
	var stored, refused, unknown int
	eachSeed(t, func(t *testing.T, r *rand.Rand) {
		n := startFake(t)
		n.addTopic("orders")
		n.publishFault = randomFaults(r.Uint64(), 80)
		c := n.connect(t)
		p := newProducer(t, c, WithLinger(time.Duration(r.IntN(6))*time.Millisecond), WithBuffer(40, bufferBytesMin))
		ctx, cancel := context.WithCancel(t.Context())
		var haunting, publishing sync.WaitGroup
		ghosts := rand.New(rand.NewPCG(r.Uint64(), 3))
		haunting.Go(func() { haunt(ctx, n, ghosts) })
		told := make([][]published, publishers)
		for i := range publishers {
			random := rand.New(rand.NewPCG(r.Uint64(), 4))
			publishing.Go(func() { told[i] = publishAll(t, p, random, i, each) })
		}
		publishing.Wait()
		if err := p.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		cancel()
		haunting.Wait()
		for n.raise(0) {
		}
		s, f, u := checkPublished(t, n, told)
		stored, refused, unknown = stored+s, refused+f, unknown+u
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Logf("%d stored, %d refused, %d unknown", stored, refused, unknown)
}

// haunt brings ghosts to life at random times, and breaks connections.
func haunt(ctx context.Context, n *fakeNode, r *rand.Rand) {
	for range 40 {
		select {
		case <-time.After(time.Duration(r.IntN(50)) * time.Millisecond):
		case <-ctx.Done():
			return
		}
		if r.IntN(8) == 0 {
			n.breakAll()
		} else {
			n.raise(r.IntN(3))
		}
	}
}

// publishAll publishes numbered events, in one of the three ways at a time.
func publishAll(t *testing.T, p *Producer, r *rand.Rand, publisher, events int) []published {
	var told []published
	event := func(i int) Event {
		return Event{Data: fmt.Appendf(nil, "%d/%d", publisher, i), ContentType: "text/plain"}
	}
	for i := 0; i < events; {
		switch r.IntN(3) {
		case 0: // in time or not
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(100))*time.Millisecond)
			receipt, err := p.Publish(ctx, event(i))
			cancel()
			told = append(told, published{publisher: publisher, number: i, receipt: receipt, err: err})
			i++
		case 1:
			var futures []*Future
			first := i
			for range 1 + r.IntN(10) {
				futures = append(futures, p.PublishAsync(t.Context(), event(i)))
				i++
			}
			for k, f := range futures {
				receipt, err := f.Wait(t.Context())
				told = append(told, published{publisher: publisher, number: first + k, receipt: receipt, err: err})
			}
		case 2:
			var batch []Event
			first := i
			for range 1 + r.IntN(60) {
				batch = append(batch, event(i))
				i++
			}
			results, _ := p.PublishBatch(t.Context(), batch)
			for k, result := range results {
				told = append(told, published{publisher: publisher, number: first + k, receipt: result.Receipt, err: result.Err})
			}
		}
	}
	return told
}

func checkPublished(t *testing.T, n *fakeNode, told [][]published) (stored, refused, unknown int) {
	at := map[string]int{}
	last := map[int]int{}
	for offset, e := range n.stored("orders") {
		name := string(e.Data)
		if before, twice := at[name]; twice {
			t.Errorf("%s is stored twice, at %d and %d", name, before, offset)
		}
		at[name] = offset
		var publisher, number int
		if _, err := fmt.Sscanf(name, "%d/%d", &publisher, &number); err != nil {
			t.Fatal(err)
		}
		if before, some := last[publisher]; some && number < before {
			t.Errorf("%s is stored behind %d of the same publisher", name, before)
		}
		last[publisher] = number
	}
	for _, list := range told {
		for _, p := range list {
			name := fmt.Sprintf("%d/%d", p.publisher, p.number)
			offset, there := at[name]
			switch {
			case p.err == nil:
				stored++
				if !there || p.receipt.Offset != uint64(offset) {
					t.Errorf("%s: told that it is at %d, stored %v at %d", name, p.receipt.Offset, there, offset)
				}
			case errors.Is(p.err, ErrUnknownOutcome):
				unknown++
			default:
				refused++
				if there {
					t.Errorf("%s: told %v, stored at %d", name, p.err, offset)
				}
			}
		}
	}
	return stored, refused, unknown
}
