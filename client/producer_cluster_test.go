package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
)

// keyed is an event of a key that a test recognises.
func keyed(key string, i int) Event {
	return Event{Data: fmt.Appendf(nil, "%s/%d", key, i), ContentType: "text/plain", Key: key}
}

// home is the partition of a key, of so many in equal runs.
func home(key string, partitions int) uint32 {
	slot, _ := block.SlotOf(block.HashKey(key), block.DedupHash{})
	return uint32(int(slot) * partitions / block.Slots)
}

// holds fails unless the cluster has stored so many events.
func (f *fakeFronts) holds(t *testing.T, events int) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.mu.stored) != events {
		t.Errorf("%d events are stored, not %d", len(f.mu.stored), events)
	}
}

// TestPublishByKey: each key is on its partition and in order, and blocks go straight to the leaders.
func TestPublishByKey(t *testing.T) {
	withFronts(t, 3, 8, func(t *testing.T, f *fakeFronts, c *Client) {
		p := newProducer(t, c)
		var batch []Event
		for i := range 4_000 {
			batch = append(batch, keyed(fmt.Sprint("key-", i%50), i))
		}
		batch[7] = Event{Data: []byte("7"), ContentType: "text/plain", DedupID: "order-7"}
		batch[8] = batch[7]
		results, err := p.PublishBatch(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		last := map[string]uint64{}
		for i, r := range results {
			if i == 7 || i == 8 {
				continue
			}
			key := batch[i].Key
			if want := home(key, 8); r.Receipt.Partition != want {
				t.Fatalf("%s is on partition %d, not %d", key, r.Receipt.Partition, want)
			}
			if before, some := last[key]; some && r.Receipt.Offset <= before {
				t.Fatalf("%s: offset %d behind %d", key, r.Receipt.Offset, before)
			}
			last[key] = r.Receipt.Offset
		}
		if a, b := results[7].Receipt, results[8].Receipt; a.Partition != b.Partition || a.Offset != b.Offset || !b.Repeat {
			t.Errorf("with one dedup id: %+v, %+v", a, b)
		}
		f.holds(t, 4_000)
		if f.mu.passed != 0 {
			t.Errorf("%d blocks were sent to another than the leader", f.mu.passed)
		}
	})
}

// TestPublishInTurns: what has no key goes where everybody's goes at the time, and to all in turns; what fills blocks goes to all at once.
func TestPublishInTurns(t *testing.T) {
	withFronts(t, 3, 8, func(t *testing.T, f *fakeFronts, c *Client) {
		p, other := newProducer(t, c), newProducer(t, c)
		turns, partition := map[uint32]int{}, uint32(100)
		for i := range 800 {
			turn := uint32(block.Turn(time.Now(), 8))
			for k, producer := range []*Producer{p, other} {
				r, err := producer.Publish(t.Context(), raw(2*i+k))
				if err != nil {
					t.Fatal(err)
				}
				if r.Partition != turn {
					t.Fatalf("event %d of producer %d is on partition %d, it is the turn of %d", i, k, r.Partition, turn)
				}
			}
			if turn != partition {
				turns[turn]++
				partition = turn
			}
			<-time.After(time.Millisecond)
		}
		for partition := range uint32(8) {
			if n := turns[partition]; n < 4 || n > 5 {
				t.Errorf("partition %d had %d turns of 32", partition, n)
			}
		}
		large := make([]Event, 80)
		for i := range large {
			large[i] = Event{Data: make([]byte, 64<<10), ContentType: "text/plain"}
		}
		on := map[uint32]int{}
		results, err := p.PublishBatch(t.Context(), large)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			on[r.Receipt.Partition]++
		}
		for partition, events := range on {
			if events < 4 || len(on) != 8 {
				t.Errorf("%d of 80 events on partition %d, %d partitions", events, partition, len(on))
			}
		}
	})
}

// TestLeaderMoves: the old leader says that it isn't any more, or has gone, or passes on; what isn't answered is sent to the new one under its number.
func TestLeaderMoves(t *testing.T) {
	for name, leave := range map[string]func(f *fakeFronts){
		"refuses":  func(f *fakeFronts) { f.passesOn = false },
		"gone":     func(f *fakeFronts) { f.fronts[0].setDown(true) },
		"breaks":   func(f *fakeFronts) { f.fronts[0].breakAll() },
		"passes":   func(*fakeFronts) {},
		"silent":   func(f *fakeFronts) { f.fronts[0].freeze() },
		"election": func(f *fakeFronts) { f.fronts[0].setDown(true); f.lead(0, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			withFronts(t, 3, 1, func(t *testing.T, f *fakeFronts, c *Client) {
				p := newProducer(t, c, WithLinger(0))
				if _, err := p.Publish(t.Context(), keyed("a", 0)); err != nil {
					t.Fatal(err)
				}
				leave(f)
				began := time.Now()
				var futures []*Future
				if name == "election" || name == "silent" {
					futures = append(futures, p.PublishAsync(t.Context(), keyed("a", 1)))
					<-time.After(2 * time.Second)
				}
				f.lead(0, f.fronts[1])
				for i := len(futures) + 1; i < 50; i++ {
					futures = append(futures, p.PublishAsync(t.Context(), keyed("a", i)))
				}
				for i, future := range futures {
					if r, err := future.Wait(t.Context()); err != nil || r.Offset != uint64(i+1) {
						t.Errorf("event %d: %+v, %v", i+1, r, err)
					}
				}
				if took := time.Since(began); took > 6*time.Second {
					t.Errorf("it took %v", took)
				}
				// In the end it is with the leader, also if the old one has told of nothing.
				<-time.After(routeKept + time.Second)
				f.mu.Lock()
				passed := f.mu.passed
				f.mu.Unlock()
				for i := range 3 {
					if _, err := p.Publish(t.Context(), keyed("a", 50+i)); err != nil {
						t.Error(err)
					}
				}
				f.mu.Lock()
				if f.mu.passed != passed {
					t.Errorf("%d blocks more are passed on", f.mu.passed-passed)
				}
				f.mu.Unlock()
				f.holds(t, 53)
				f.fronts[0].thaw()
			})
		})
	}
}

// TestLeaderOutOfReach: a leader whose address leads nowhere is published to through another node.
func TestLeaderOutOfReach(t *testing.T) {
	for name, dial := range map[string]func(ctx context.Context) (net.Conn, error){
		"refused": func(context.Context) (net.Conn, error) { return nil, errors.New("no route to host") },
		"silent": func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := startFronts(t, 2, 1, time.Minute)
				f.lead(0, f.fronts[1])
				c, err := Connect(t.Context(), f.fronts[0].address(), WithDialer(func(ctx context.Context, address string) (net.Conn, error) {
					if address == f.fronts[1].address() {
						return dial(ctx)
					}
					return f.dial(ctx, address)
				}))
				if err != nil {
					t.Fatal(err)
				}
				p := newProducer(t, c)
				began := time.Now()
				for i := range 600 {
					if _, err := p.Publish(t.Context(), keyed("a", i)); err != nil {
						t.Fatal(err)
					}
					<-time.After(100 * time.Millisecond)
				}
				if took := time.Since(began); took > 70*time.Second {
					t.Errorf("it took %v", took)
				}
				f.holds(t, 600)
				if err := c.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestSlotsMove: keys go to their new partitions, behind what went to the old ones, whatever was on its way.
func TestSlotsMove(t *testing.T) {
	withFronts(t, 3, 4, func(t *testing.T, f *fakeFronts, c *Client) {
		f.moveSlots(func(int) int { return 0 })
		p := newProducer(t, c, WithLinger(0))
		if _, err := p.Publish(t.Context(), keyed("a", 0)); err != nil {
			t.Fatal(err)
		}
		var futures []*Future
		n := 1
		for range 20 { // several blocks, of which some are on their way
			for k := range 10 {
				futures = append(futures, p.PublishAsync(t.Context(), keyed(string(rune('a'+k)), n)))
			}
			n++
			if n == 10 {
				f.moveSlots(func(slot int) int { return slot % 4 })
			}
			if n%3 == 0 {
				synctest.Wait()
			}
		}
		moved := 0
		for _, future := range futures {
			r, err := future.Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if r.Partition != 0 {
				moved++
			}
		}
		if moved < 50 {
			t.Errorf("%d events on other partitions", moved)
		}
		f.holds(t, 201)
		f.inOrder(t)
		if _, err := p.Publish(t.Context(), keyed("a", n)); err != nil {
			t.Error(err)
		}
	})
}

// inOrder fails unless the events "key/number" of each key are stored once and in the order of their numbers.
func (f *fakeFronts) inOrder(t *testing.T) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	last := map[string]int{}
	for _, name := range f.mu.stored {
		var key string
		var number int
		if _, err := fmt.Sscanf(name, "%1s/%d", &key, &number); err != nil {
			t.Fatal(err)
		}
		if before, some := last[key]; some && number <= before {
			t.Errorf("%s is stored behind %d", name, before)
		}
		last[key] = number
	}
}

// TestTopicIsMade: a producer whose topic isn't there yet is refused, and goes on when it is.
func TestTopicIsMade(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		p, err := c.Producer("later")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Publish(t.Context(), raw(0)); !errors.Is(err, ErrNotFound) {
			t.Fatalf("error %v", err)
		}
		n.addTopic("later")
		if _, err := p.Publish(t.Context(), raw(0)); err != nil {
			t.Error(err)
		}
	})
}

// TestFlushWithoutRoute: what waits for a route is waited for.
func TestFlushWithoutRoute(t *testing.T) {
	withFronts(t, 1, 2, func(t *testing.T, f *fakeFronts, c *Client) {
		p := newProducer(t, c)
		f.fronts[0].setDown(true)
		future := p.PublishAsync(t.Context(), raw(0))
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Flush(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		_, err := p.Publish(short, raw(1))
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("error %v", err)
		}
		f.fronts[0].setDown(false)
		if err := p.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := future.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
