package partition

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
)

// TestGather: while an entry is on its way, small commands wait for it and become one entry together; a large one doesn't wait.
func TestGather(t *testing.T) {
	p := openPartition(t, t.TempDir())
	publish(t, p, "one")
	const events = 20
	answered := make(chan error, events+2)
	put := func(b []byte) {
		t.Helper()
		if err := p.PublishAsync(t.Context(), Publication{Stream: 1, Block: b}, func(_ Published, err error) { answered <- err }); err != nil {
			t.Fatal(err)
		}
	}
	await := func(entries int) {
		t.Helper()
		for len(p.inFlight) != entries {
			if t.Context().Err() != nil {
				t.Fatal("the test is over")
			}
			runtime.Gosched()
		}
	}
	sealed := func() { // a place is taken before the entry is made
		await(1)
		for p.flying.Load() == 0 {
			runtime.Gosched()
		}
	}
	await(0)
	small, large := blockOf(t, block.Producer{}, "one"), testBlock(t, 1, 2*gatherBytes, block.Producer{})
	before := p.group.Usage().Last
	p.replica.look(func(*Machine) { // nothing is applied meanwhile
		put(small)
		sealed()
		for range events {
			put(small)
		}
		await(1) // they are held, not under way
	})
	for range events + 1 {
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
	}
	if made := p.group.Usage().Last - before; made != 2 {
		t.Errorf("%d entries were made of one event and of %d that came meanwhile", made, events)
	}
	await(0)
	p.replica.look(func(*Machine) {
		put(small)
		sealed()
		put(large)
		await(2)
	})
	for range 2 {
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
	}
}

// handClock stands still until a test turns it, and tells when a timer is made.
type handClock struct {
	mu struct {
		sync.Mutex
		now    time.Time
		timers map[chan time.Time]time.Time
	}
	made chan time.Duration
}

func newHandClock() *handClock {
	c := &handClock{made: make(chan time.Duration, 64)}
	c.mu.now, c.mu.timers = time.Unix(1_000_000, 0), map[chan time.Time]time.Time{}
	return c
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.now
}

func (c *handClock) TimerAt(at time.Time) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fires := make(chan time.Time, 1)
	c.mu.timers[fires] = at
	select {
	case c.made <- at.Sub(c.mu.now):
	default: // nobody looks
	}
	return fires, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.mu.timers, fires)
	}
}

func (c *handClock) turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.now = c.mu.now.Add(d)
	for fires, at := range c.mu.timers {
		if !at.After(c.mu.now) {
			fires <- c.mu.now
			delete(c.mu.timers, fires)
		}
	}
}

// TestGatherAwaitsTheAnswered: callers who were answered together make one entry when they call again, and one who comes alone is held up no longer
// than the clock says.
func TestGatherAwaitsTheAnswered(t *testing.T) {
	const callers = 2 * companyLeast
	clock := newHandClock()
	p := openWith(t, Options{Clock: clock})
	answered := make(chan error, 1+callers)
	call := func(n int) {
		t.Helper()
		for range n {
			pub := Publication{Stream: 1, Block: blockOf(t, block.Producer{}, "one")}
			if err := p.PublishAsync(t.Context(), pub, func(_ Published, err error) { answered <- err }); err != nil {
				t.Fatal(err)
			}
		}
	}
	answers := func(n int) {
		t.Helper()
		for range n {
			if err := <-answered; err != nil {
				t.Fatal(err)
			}
		}
	}
	for range companySure {
		p.replica.look(func(*Machine) { // nothing is applied meanwhile: they meet
			call(1)
			for p.flying.Load() == 0 {
				runtime.Gosched()
			}
			call(callers)
			clock.turn(8 * time.Millisecond) // an entry takes long
		})
		answers(1 + callers)
	}

	before := p.group.Usage().Last
	call(1)
	<-clock.made // it is held
	clock.turn(100 * time.Microsecond)
	call(callers/2 - 1)
	<-clock.made // half are there
	call(callers - callers/2)
	answers(callers)
	if made := p.group.Usage().Last - before; made != 1 {
		t.Errorf("%d callers who had been answered together made %d entries", callers, made)
	}
	call(1)
	<-clock.made
	if waits := p.queued.publications.Load(); waits != 1 {
		t.Errorf("%d blocks wait", waits)
	}
	clock.turn(companyWaitMax)
	answers(1)
	call(1) // alone, after an entry of one: it isn't held
	answers(1)
}
