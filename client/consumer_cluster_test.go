package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// withFronts runs a test against a fake cluster.
func withFronts(t *testing.T, nodes, partitions int, test func(t *testing.T, f *fakeFronts, c *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := startFronts(t, nodes, partitions, 10*time.Second)
		c := f.connect(t)
		test(t, f, c)
		if err := c.Shutdown(t.Context()); err != nil && !errors.Is(err, ErrClosed) {
			t.Errorf("shutdown: %v", err)
		}
	})
}

// fill puts so many events into each partition.
func (f *fakeFronts) fill(events int) {
	for partition := range f.partitions {
		for i := range events {
			f.put(partition, raw(i))
		}
	}
}

// acks counts events that are acked, and fails if one is twice.
func (f *fakeFronts) acks(t *testing.T) (acked int) {
	for i, p := range f.partitions {
		p.look(func() {
			for offset, times := range f.queue(i).acked {
				acked++
				if times != 1 {
					t.Errorf("offset %d of partition %d was acked %d times", offset, i, times)
				}
			}
		})
	}
	return acked
}

// direct fails if a session goes by another node than the leader.
func (f *fakeFronts) direct(t *testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.detours != 0 {
		t.Errorf("%d sessions make a detour", f.mu.detours)
	}
}

// believed is what a consumer has in its books and thinks its own.
func believed(d *Delivery) (events, window int) {
	c := sessionOf(d).consumer
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.mu.sessions {
		for held := range s.mu.held.all() {
			if !held.lease.expired && (held.lease.state == leaseHeld || held.lease.state == leaseDecided) {
				events++
			}
		}
	}
	return events, c.options.windowEvents
}

// TestWindowOfOneOverManyPartitions: one credit wanders to where events are, and each partition gets its turn while all have events.
func TestWindowOfOneOverManyPartitions(t *testing.T) {
	withFronts(t, 3, 8, func(t *testing.T, f *fakeFronts, c *Client) {
		f.fill(60)
		var got []uint32
		k := consume(t, c, func(_ context.Context, d *Delivery) error {
			if events, _ := believed(d); events != 1 {
				t.Errorf("%d events are held", events)
			}
			got = append(got, d.Partition)
			<-time.After(10 * time.Millisecond)
			return nil
		}, WithWindow(1, 1<<20))
		<-time.After(30 * time.Second)
		k.end(t)
		if len(got) != 480 || f.acks(t) != 480 {
			t.Fatalf("%d handled, %d acked", len(got), f.acks(t))
		}
		// A turn is 100 ms, ten events: in 120 each of eight partitions has had one.
		for i := 0; i+120 < 400; i++ {
			if turns := len(slices.Compact(slices.Sorted(slices.Values(got[i : i+120])))); turns < 8 {
				t.Fatalf("of the events from the %d. on, 120 are of %d partitions only", i, turns)
			}
		}
	})
}

// TestBusyPartitionGetsTheWindow, and gives of it back as soon as another has events.
func TestBusyPartitionGetsTheWindow(t *testing.T) {
	withFronts(t, 3, 8, func(t *testing.T, f *fakeFronts, c *Client) {
		var mu sync.Mutex
		most, last := 0, map[uint32]time.Time{}
		k := consume(t, c, func(_ context.Context, d *Delivery) error {
			events, _ := believed(d)
			mu.Lock()
			most = max(most, events)
			last[d.Partition] = time.Now()
			mu.Unlock()
			<-time.After(10 * time.Millisecond)
			return nil
		}, WithWindow(64, 1<<20), WithConcurrency(64))
		for range 100 {
			for range 100 {
				f.put(3, raw(0))
			}
			<-time.After(20 * time.Millisecond)
		}
		f.put(5, raw(0))
		put := time.Now()
		<-time.After(time.Second)
		mu.Lock()
		if most < 60 || most > 64 {
			t.Errorf("it held %d of 64 at most", most)
		}
		if waited := last[5].Sub(put); waited < 0 || waited > 2*turnLasts {
			t.Errorf("another partition's event waited for %v", waited)
		}
		mu.Unlock()
		<-time.After(time.Minute)
		k.end(t)
		if f.acks(t) != 10_001 {
			t.Errorf("%d acked", f.acks(t))
		}
	})
}

// TestLeadersMoveUnnoticed: handlers that take longer than a lease lasts keep their events while leaders change under them.
func TestLeadersMoveUnnoticed(t *testing.T) {
	withFronts(t, 3, 4, func(t *testing.T, f *fakeFronts, c *Client) {
		f.fill(3)
		k := consume(t, c, func(ctx context.Context, d *Delivery) error {
			select {
			case <-time.After(25 * time.Second):
				return nil
			case <-ctx.Done():
				t.Errorf("the handler's context ended: %v", context.Cause(ctx))
				return ctx.Err()
			}
		})
		r := rand.New(rand.NewPCG(1, 20))
		for range 20 {
			<-time.After(time.Second)
			partition := r.IntN(4)
			f.lead(partition, nil)
			<-time.After(time.Duration(r.IntN(2_500)) * time.Millisecond)
			f.lead(partition, f.fronts[r.IntN(3)])
		}
		<-time.After(time.Minute)
		f.direct(t)
		k.end(t)
		if f.acks(t) != 12 {
			t.Errorf("%d acked", f.acks(t))
		}
		for i, p := range f.partitions {
			p.look(func() {
				if q := f.queue(i); len(q.tries) != 0 {
					t.Errorf("partition %d: tries %v", i, q.tries)
				}
			})
		}
	})
}

// TestConsumeFromSilentNode: a consumer leaves a node that says nothing any more as soon as another leads, also when its Attach isn't answered; and stays
// while none does.
func TestConsumeFromSilentNode(t *testing.T) {
	for name, c := range map[string]struct {
		elects       bool // another node leads, 3 s after the first one fell silent
		early        bool // the first one falls silent before the consumer comes
		back, within time.Duration
	}{
		"elected":       {elects: true, within: 6 * time.Second},
		"elected early": {elects: true, early: true, within: 8 * time.Second},
		"back":          {back: 10 * time.Second, within: 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			withFronts(t, 3, 1, func(t *testing.T, f *fakeFronts, client *Client) {
				handled := make(chan uint64, 2)
				if c.early {
					if _, err := client.routes.route(t.Context(), "orders"); err != nil {
						t.Fatal(err)
					}
					f.fronts[0].freeze()
				}
				k := consume(t, client, func(_ context.Context, d *Delivery) error {
					handled <- d.Offset
					return nil
				})
				if !c.early {
					f.put(0, raw(0))
					<-handled
					<-time.After(time.Minute) // it is idle
					f.fronts[0].freeze()
				}
				silent := time.Now()
				if c.back > 0 {
					time.AfterFunc(c.back, f.fronts[0].thaw)
				}
				if c.elects {
					<-time.After(3 * time.Second)
					f.lead(0, f.fronts[1])
				}
				f.put(0, raw(1))
				select {
				case <-handled:
				case <-time.After(time.Minute):
				}
				if took := time.Since(silent); took > c.within {
					t.Errorf("the next event came %v after the node had fallen silent, if it did", took)
				}
				f.fronts[0].thaw()
				<-time.After(routeKept + avoidMax)
				f.direct(t)
				k.end(t)
			})
		})
	}
}

// TestConsumeClusterUnderFaults: competing consumers with windows of all sizes, while leaders move, nodes go and come, streams break, answers are lost and
// handlers fail or dawdle. No handler begins an event whose lease is over, none is handed out after its ack was confirmed, no consumer holds more than its
// window, and in the end everything is acked and every session closed.
func TestConsumeClusterUnderFaults(t *testing.T) {
	const partitions, events = 8, 40
	var handled, again int
	eachSeed(t, func(t *testing.T, r *rand.Rand) {
		f := startFronts(t, 3, partitions, 5*time.Second)
		for _, p := range f.partitions {
			p.settleFault = randomSettleFaults(r.Uint64())
		}
		c := f.connect(t)
		w := &clusterWorld{t: t, fronts: f, confirmed: map[place]bool{}, began: map[place]int{}}
		ctx, cancel := context.WithCancel(t.Context())
		var breaking, consuming sync.WaitGroup
		breaks := rand.New(rand.NewPCG(r.Uint64(), 21))
		breaking.Go(func() { w.breakThings(breaks) })
		for range 3 {
			random := rand.New(rand.NewPCG(r.Uint64(), 22))
			window := 1 + random.IntN([]int{2, 8, 40}[random.IntN(3)])
			consuming.Go(func() {
				err := c.Queue("orders/billing").Consume(ctx, w.handler(random), WithConcurrency(1+random.IntN(8)), WithWindow(window, 1<<20),
					WithHandlerTimeout(20*time.Second))
				if err != nil {
					t.Errorf("consume: %v", err)
				}
			})
		}
		for i := range partitions * events {
			f.put(r.IntN(partitions), raw(i))
			if i%10 == 0 {
				<-time.After(time.Duration(r.IntN(1_000)) * time.Millisecond)
			}
		}
		breaking.Wait()
		for i := 0; f.acks(t) < partitions*events; i++ {
			if <-time.After(time.Second); i == 1_000 {
				t.Fatalf("%d acked of %d", f.acks(t), partitions*events)
			}
		}
		<-time.After(routeKept + avoidMax)
		f.direct(t)
		cancel()
		consuming.Wait()
		<-time.After(2 * fakeAway) // a connection that broke at the end took a session's Close with it
		for i, p := range f.partitions {
			p.look(func() {
				if q := f.queue(i); len(q.leases) != 0 || len(q.sessions) != 0 {
					t.Errorf("partition %d: %d leases and %d sessions are left", i, len(q.leases), len(q.sessions))
				}
			})
		}
		handled, again = handled+w.handled, again+w.handled-len(w.began)
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Logf("%d handled, %d of them again", handled, again)
}

// place is where an event is.
type place struct {
	partition uint32
	offset    uint64
}

// clusterWorld is what the handlers of all consumers have seen.
type clusterWorld struct {
	t      *testing.T
	fronts *fakeFronts

	mu        sync.Mutex
	confirmed map[place]bool
	began     map[place]int
	handled   int
}

func (w *clusterWorld) handler(r *rand.Rand) Handler {
	var choosing sync.Mutex
	return func(ctx context.Context, d *Delivery) error {
		choosing.Lock()
		choice, pause := r.IntN(30), time.Duration(r.IntN(50))*time.Millisecond
		choosing.Unlock()
		w.begin(d)
		switch choice {
		case 0:
			pause = 12 * time.Second // longer than a lease
		case 1:
			return errors.New("failed")
		case 2:
			return d.Release(ctx, 0, "not mine")
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		if choice%2 == 0 {
			return nil
		}
		switch err := d.Ack(context.WithoutCancel(ctx)); {
		case err == nil:
			w.mu.Lock()
			w.confirmed[place{d.Partition, d.Offset}] = true
			w.mu.Unlock()
		case !errors.Is(err, ErrUnknownOutcome) && !errors.Is(err, ErrLeaseLost):
			w.t.Errorf("ack of %d of partition %d: %v", d.Offset, d.Partition, err)
		}
		return nil
	}
}

// begin checks what has to hold when a handler begins.
func (w *clusterWorld) begin(d *Delivery) {
	if !w.fronts.partitions[d.Partition].holds(w.fronts.queue(int(d.Partition)), d.Offset, d.Epoch) {
		w.t.Errorf("offset %d of partition %d, epoch %d: a handler begins, and the node doesn't think it ours", d.Offset, d.Partition, d.Epoch)
	}
	if events, window := believed(d); events > window {
		w.t.Errorf("%d events are held in a window of %d", events, window)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handled++
	w.began[place{d.Partition, d.Offset}]++
	if w.confirmed[place{d.Partition, d.Offset}] {
		w.t.Errorf("offset %d of partition %d is handed out after its ack was confirmed", d.Offset, d.Partition)
	}
}

// breakThings has leaders move, with and without a time in which there is none, connections break, and nodes go away. One node at a time, as a majority
// has to be there.
func (w *clusterWorld) breakThings(r *rand.Rand) {
	f := w.fronts
	for range 25 {
		<-time.After(time.Duration(r.IntN(1_500)) * time.Millisecond)
		n := f.fronts[r.IntN(len(f.fronts))]
		switch r.IntN(4) {
		case 0:
			n.breakAll()
		case 1:
			n.setDown(true)
			<-time.After(time.Duration(r.IntN(2_000)) * time.Millisecond)
			for i := range f.partitions { // an election
				f.mu.Lock()
				led := f.mu.leaders[i] == n
				f.mu.Unlock()
				if led {
					f.lead(i, f.fronts[(slices.Index(f.fronts, n)+1+r.IntN(2))%3])
				}
			}
			<-time.After(time.Duration(r.IntN(5_000)) * time.Millisecond)
			n.setDown(false)
		default:
			partition := r.IntN(len(f.partitions))
			if r.IntN(2) == 0 {
				f.lead(partition, nil)
				<-time.After(time.Duration(r.IntN(2_000)) * time.Millisecond)
			}
			f.lead(partition, n)
		}
	}
}

// TestReadMerges: what several partitions hold, each in its order; what is gone is told by partition; and over leaders that move.
func TestReadMerges(t *testing.T) {
	withFronts(t, 3, 3, func(t *testing.T, f *fakeFronts, c *Client) {
		f.fill(4)
		f.partitions[1].look(func() { f.partitions[1].mu.topics["orders"].held = 2 })
		read := func(ctx context.Context, opts ...ReadOption) (got [3][]uint64, errs []error) {
			for stored, err := range c.Read(ctx, "orders", opts...) {
				if err != nil {
					errs = append(errs, err)
					continue
				}
				got[stored.Partition] = append(got[stored.Partition], stored.Offset)
			}
			return got, errs
		}
		got, errs := read(t.Context(), FromTime(time.Now().Add(-time.Hour)))
		if fmt.Sprint(got) != "[[0 1 2 3] [2 3] [0 1 2 3]]" || len(errs) != 1 {
			t.Errorf("%v, %v", got, errs)
		}
		if gap, ok := errors.AsType[*TruncatedError](errs[0]); !ok || gap.Partition != 1 || gap.Before != 2 {
			t.Errorf("truncated: %v", errs[0])
		}
		if got, errs := read(t.Context(), WithPartition(2), FromOffset(3)); fmt.Sprint(got) != "[[] [] [3]]" || errs != nil {
			t.Errorf("one partition: %v, %v", got, errs)
		}
		for name, opts := range map[string][]ReadOption{"whose offset": {FromOffset(3)}, "no such partition": {WithPartition(7)}} {
			if _, errs := read(t.Context(), opts...); len(errs) != 1 || !definite(errs[0]) {
				t.Errorf("%s: %v", name, errs)
			}
		}
		for stored, err := range c.Read(t.Context(), "orders", FromEarliest(), WithFollow()) {
			if err == nil && stored.Offset == 1 {
				break // who wants no more
			}
		}

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan string)
		go func() {
			got, errs := read(ctx, WithFollow())
			done <- fmt.Sprint(got, errs)
		}()
		<-time.After(time.Second)
		for i := range 3 {
			f.lead(i, nil)
			f.put(i, raw(4))
			<-time.After(time.Second)
			f.lead(i, f.fronts[(i+1)%3])
			f.put(i, raw(5))
			f.fronts[i].breakAll()
		}
		<-time.After(10 * time.Second)
		cancel()
		if got := <-done; got != "[[4 5] [4 5] [4 5]] []" {
			t.Error(got)
		}
	})
}
