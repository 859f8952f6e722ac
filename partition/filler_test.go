package partition

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/freshet-mq/freshet/proto/block"
)

// earliest returns queue 11 of stream 1, which begins with the oldest event.
func earliest(pattern string) SubscriptionConfig {
	c := queue(11, pattern)
	c.From = FromEarliest
	return c
}

// colours publishes events {"color":...,"n":i}, the first of them numbered from, in blocks of a few.
func colours(t *testing.T, p *Partition, from, n int) {
	t.Helper()
	for i := from; i < from+n; {
		var data []string
		for k := 0; k < 1+i%4 && i < from+n; k++ {
			data = append(data, fmt.Sprintf(`{"color":%q,"n":%d}`, []string{"red", "green", "blue"}[i%3], i))
			i++
		}
		if _, err := p.Publish(t.Context(), Publication{Stream: 1, Block: blockOf(t, block.Producer{}, data...)}); err != nil {
			t.Fatal(err)
		}
	}
}

// consumer acks all that it gets.
type consumer struct {
	t        *testing.T
	a        *Attachment
	in       *inbox
	sequence uint64
	got      []string
}

func consume(t *testing.T, p *Partition, name string, id CursorID, credit uint32) *consumer {
	t.Helper()
	c := &consumer{t: t, in: newInbox()}
	var err error
	c.a, err = p.Attach(t.Context(), AttachCommand{
		Session: sessionNamed(name), Cursor: id, CreditEvents: credit, CreditBytes: 1 << 20,
	}, c.in)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// take gets and acks events until there are so many.
func (c *consumer) take(n int) {
	c.t.Helper()
	for len(c.got) < n {
		var d Delivery
		select {
		case d = <-c.in.deliveries:
		case <-c.a.Done():
			c.t.Fatalf("after %d events of %d: %v", len(c.got), n, c.a.Err())
		case <-c.t.Context().Done():
			c.t.Fatalf("after %d events of %d: %v", len(c.got), n, c.t.Context().Err())
		}
		c.got = append(c.got, events(c.t, d)...)
		c.sequence++
		_, err := c.a.Settle(c.t.Context(), SettleCommand{
			Sequence: c.sequence, Received: d.Number, Decisions: []Decision{{Verb: VerbAck, Leased: []Leased{{Delivery: d.Number}}}},
		})
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

func reachOf(p *Partition, id CursorID) (r reach) {
	p.replica.look(func(m *Machine) { r = m.find(id).reach })
	return r
}

// A subscription made late reads what is there from the log, gets what matches in order, and goes on with what is published meanwhile.
func TestEarliestReadsTheLog(t *testing.T) {
	for _, pattern := range []string{"", `{"color":["red"]}`} {
		p := openPartition(t, t.TempDir())
		colours(t, p, 0, 300)
		if err := p.PutSubscription(t.Context(), earliest(pattern)); err != nil {
			t.Fatal(err)
		}
		id := CursorID{Subscription: 11}
		if r := reachOf(p, id); r != reachFar {
			t.Fatalf("it begins %v", r)
		}
		c := consume(t, p, "ana", id, 20)
		published := make(chan struct{})
		go func() {
			defer close(published)
			colours(t, p, 300, 300)
		}()
		step, wanted := 1, 600
		if pattern != "" {
			step, wanted = 3, 200
		}
		c.take(wanted)
		<-published
		if len(c.got) != wanted {
			t.Fatalf("%d events came, want %d", len(c.got), wanted)
		}
		for i, e := range c.got {
			if want := fmt.Sprintf(`"n":%d}`, i*step); e[len(e)-len(want):] != want {
				t.Fatalf("event %d is %s, want %s", i, e, want)
			}
		}
		colours(t, p, 600, 3)
		c.take(wanted + 3/step)
		if r := reachOf(p, id); r != reachNear {
			t.Fatalf("having caught up it is %v", r)
		}
		if n := p.Counts(11); n.Unread != 0 {
			t.Fatalf("counts %+v", n)
		}
	}
}

// Whoever waits for a far subscription's next event, or parks, has it looked for.
func TestFarWaits(t *testing.T) {
	p := openPartition(t, t.TempDir())
	colours(t, p, 0, 100)
	if err := p.PutSubscription(t.Context(), earliest(`{"n":[97]}`)); err != nil {
		t.Fatal(err)
	}
	id := CursorID{Subscription: 11}
	if n := p.Counts(11); n.Unread != 100 {
		t.Fatalf("counts %+v", n)
	}
	if err := p.WaitReady(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	d, err := p.Take(t.Context(), TakeCommand{Cursor: id, Events: 5, Bytes: 1 << 20})
	if err != nil || fmt.Sprint(d.Runs) != "[97]" {
		t.Fatalf("took %v, error %v", d.Runs, err)
	}

	c := earliest("")
	c.ID = 12
	if err := p.PutSubscription(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	parked := consume(t, p, "ana", CursorID{Subscription: 12}, 0)
	if !<-parked.in.hints {
		t.Fatal("the hint says that nothing is there")
	}
}

// What an event matches is decided by the pattern at the time when it was stored, also for who reads it later.
func TestFarKeepsPatterns(t *testing.T) {
	dir := t.TempDir()
	p := openPartition(t, dir)
	colours(t, p, 0, 30)
	for i, pattern := range []string{`{"color":["red"]}`, `{"color":["green"]}`, "", `{"color":["blue"]}`} {
		if err := p.PutSubscription(t.Context(), earliest(pattern)); err != nil {
			t.Fatal(err)
		}
		colours(t, p, 30+i*6, 6)
	}
	if err := p.Close(); err != nil { // all of that is in the state, and comes back with it
		t.Fatal(err)
	}
	p = openPartition(t, dir)
	c := consume(t, p, "ana", CursorID{Subscription: 11}, 5)
	c.take(10 + 2 + 2 + 6 + 2)
	want := []string{`{"color":"red","n":33}`, `{"color":"green","n":37}`, `{"color":"red","n":42}`, `{"color":"blue","n":50}`}
	for _, e := range want {
		if !slices.Contains(c.got, e) {
			t.Errorf("%s didn't come", e)
		}
	}
	if len(c.got) != 22 {
		t.Errorf("%d events came: %v", len(c.got), c.got)
	}
}

// A subscription that nobody consumes falls behind, while another that keeps up doesn't notice; it is caught up with when somebody comes.
func TestFallBehindAndCatchUp(t *testing.T) {
	p := openPartition(t, t.TempDir())
	if err := p.PutSubscription(t.Context(), queue(11, "")); err != nil {
		t.Fatal(err)
	}
	p.replica.mu.Lock()
	p.replica.mu.machine.nearEventsMax = 50
	p.replica.mu.Unlock()
	quick := consume(t, p, "quick", CursorID{Subscription: 11}, 100)
	for i := range 10 {
		colours(t, p, i*40, 40)
		quick.take(i*40 + 40)
	}
	if slow, quick := reachOf(p, CursorID{Subscription: 10}), reachOf(p, CursorID{Subscription: 11}); slow != reachFar || quick != reachNear {
		t.Fatalf("the slow one is %v, the quick one %v", slow, quick)
	}
	ctx, cancel := context.WithCancel(t.Context())
	published := make(chan struct{})
	go func() {
		defer close(published)
		for i := 400; ctx.Err() == nil && i < 2_000; i += 4 {
			colours(t, p, i, 4)
			quick.take(i + 4)
		}
	}()
	slow := consume(t, p, "slow", CursorID{Subscription: 10}, 64)
	slow.take(400)
	cancel()
	<-published
	slow.take(len(quick.got))
	if !slices.Equal(slow.got, quick.got) {
		t.Fatal("the slow one got other events, or in another order")
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.WaitReady(t.Context(), CursorID{Subscription: 10}); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("waiting on a partition that is closed ended with %v", err)
	}
}
