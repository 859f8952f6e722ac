package load

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestPacerRate takes what is due for ten seconds of virtual time, and stalls in the
// middle: nothing is left out, and every event has its own moment.
func TestPacerRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		o := &Options{Rate: 3_000, Producers: 3, Batch: 400}
		p := newPacer(o, 1, 3, func() int64 { return int64(time.Since(began)) })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		next, largest := uint64(0), 0
		for {
			f, ok := p.take(ctx)
			if !ok {
				break
			}
			if f.first != next {
				t.Fatalf("a flight begins with %d behind %d", f.first, next)
			}
			for i := range f.count {
				if moment := f.moment(i); moment > int64(time.Since(began)) {
					t.Fatalf("event %d is sent %v before its moment", f.first+uint64(i), time.Duration(moment)-time.Since(began))
				}
			}
			next += uint64(f.count)
			largest = max(largest, f.count)
			if next == 5_000 {
				<-time.After(time.Second) // virtual: the node stalls
			}
		}
		if next < 9_990 || next > 10_000 {
			t.Errorf("%d events in 10 s at 1,000/s", next)
		}
		if largest != o.Batch {
			t.Errorf("a stall of 1,000 events is made up with flights of %d, a batch is %d", largest, o.Batch)
		}
	})
}

// TestPacerFullSpeed wants batches at once, and an end with the context.
func TestPacerFullSpeed(t *testing.T) {
	p := newPacer(&Options{Batch: 10, Producers: 1}, 0, 1, func() int64 { return 42 })
	ctx, cancel := context.WithCancel(t.Context())
	for i := range uint64(3) {
		f, ok := p.take(ctx)
		if !ok || f.first != 10*i || f.count != 10 || f.moment(7) != 42 {
			t.Fatalf("flight %d is %+v, %v", i, f, ok)
		}
	}
	cancel()
	if _, ok := p.take(ctx); ok {
		t.Error("a flight after the end")
	}
	p.next = eventsMax - 5
	if _, ok := p.take(t.Context()); ok {
		t.Error("a flight beyond what the ledger can tell apart")
	}
}

// TestAwaitConsumers wants a producer to wait while more is outstanding than may be, for as long as that is so.
func TestAwaitConsumers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &run{Options: Options{Work: WorkFanout, Subscriptions: 3, Matches: 3, Members: 1, Ahead: 100}}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r.meter.published.Store(40)
		r.meter.delivered.Store(20) // 100 of 120 are outstanding
		if !r.awaitConsumers(ctx) {
			t.Fatal("told to end")
		}
		r.meter.published.Store(41)
		through := make(chan bool)
		go func() { through <- r.awaitConsumers(ctx) }()
		synctest.Wait()
		select {
		case <-through:
			t.Fatal("goes on with 103 outstanding")
		case <-time.After(time.Minute):
		}
		r.meter.delivered.Add(3)
		if !<-through {
			t.Error("told to end when there is room")
		}
		r.meter.published.Add(1)
		go func() { through <- r.awaitConsumers(ctx) }()
		cancel()
		if <-through {
			t.Error("goes on behind the end")
		}
	})
}
