package partition

import (
	"errors"
	"testing"

	"github.com/freshet-mq/freshet/proto/block"
)

// Whoever consumes, waits or reads is told when what it is of is removed.
func TestRemovingTells(t *testing.T) {
	p := openPartition(t, t.TempDir())
	queue10 := CursorID{Subscription: 10}
	fanout := SubscriptionConfig{ID: 11, Stream: 1, Kind: KindFanout, Visibility: 30_000, AttemptsMax: 5, Members: []string{"web"}}
	if err := p.PutSubscription(t.Context(), fanout); err != nil {
		t.Fatal(err)
	}
	attach := func(name string, c CursorID) *Attachment {
		t.Helper()
		a, err := p.Attach(t.Context(), AttachCommand{Session: sessionNamed(name), Cursor: c, CreditEvents: 1, CreditBytes: 1}, newInbox())
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	ana, wim := attach("ana", queue10), attach("wim", CursorID{11, "web"})
	reading := make(chan error, 1)
	go func() {
		_, err := p.Next(t.Context(), 1, 0, true)
		reading <- err
	}()
	waiting := make(chan error, 1)
	go func() { waiting <- p.WaitReady(t.Context(), queue10) }()

	if err := p.RemoveSubscription(t.Context(), 1, 10); err != nil {
		t.Fatal(err)
	}
	<-ana.Done()
	if err := ana.Err(); !errors.Is(err, ErrRemoved) {
		t.Errorf("ana's attachment ends with %v", err)
	}
	if err := <-waiting; err != nil {
		t.Errorf("waiting ends with %v", err)
	}
	_, err := p.Take(t.Context(), TakeCommand{Cursor: queue10, Events: 1})
	if refused, ok := errors.AsType[*RefusedError](err); !ok || refused.Refusal != RefusedSubscription {
		t.Errorf("taking answers %v", err)
	}
	if pub := publish(t, p, `{"a":1}`); len(pub.Matched) != 1 || pub.Matched[0].Subscription != 11 {
		t.Errorf("published to %+v", pub.Matched)
	}
	if err := <-reading; err != nil {
		t.Errorf("reading ends with %v", err)
	}
	if err := p.RemoveMember(t.Context(), 1, CursorID{11, "web"}); err != nil {
		t.Fatal(err)
	}
	<-wim.Done()
	if err := wim.Err(); !errors.Is(err, ErrRemoved) {
		t.Errorf("wim's attachment ends with %v", err)
	}
	go func() {
		_, err := p.Next(t.Context(), 1, 1, true)
		reading <- err
	}()
	if err := p.RemoveStream(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	_, publishing := p.Publish(t.Context(), Publication{Stream: 1, Block: testBlock(t, 1, 10, block.Producer{})})
	for what, err := range map[string]error{"publishing": publishing, "reading": <-reading} {
		if refused, ok := errors.AsType[*RefusedError](err); !ok || refused.Refusal != RefusedStream {
			t.Errorf("%s answers %v", what, err)
		}
	}
	if ids := p.Streams(); len(ids) != 0 {
		t.Errorf("streams %v", ids)
	}
	// What zero would stand for is more than is meant.
	if p.RemoveSubscription(t.Context(), 1, 0) == nil || p.RemoveMember(t.Context(), 1, queue10) == nil {
		t.Error("removed nothing in particular")
	}
}

// TestRemovingIsBounded removes a cursor with many leases, delayed and waiting events: each entry frees a bounded part, and at the end nothing is left.
func TestRemovingIsBounded(t *testing.T) {
	m := NewMachine()
	index := Index(0)
	apply := func(secs ...section) {
		t.Helper()
		index++
		raw := appendSection(appendEntryHeader(nil), clockSection{Wall: 1})
		for _, s := range secs {
			raw = appendSection(raw, s)
		}
		if _, err := m.Apply(index, 1, raw); err != nil {
			t.Fatal(err)
		}
	}
	apply(streamSection{Stream: 1}, subscriptionSection{queue(10, "")})
	events := testBlock(t, 16_000, 1, block.Producer{})
	for range 4 {
		apply(blockSection{Stream: 1, SetVersion: 1, Matches: []byte{0}, Block: events})
	}
	cursor := CursorID{Subscription: 10}
	var secs []section
	for range 30 {
		secs = append(secs, takeSection{Cursor: cursor, Events: ReceiptsMax, Bytes: CreditBytesMax})
	}
	apply(secs...)
	back := returnSection{Decision: Decision{Verb: VerbRelease, After: 1_000}}
	for at := range Offset(ReceiptsMax) {
		back.Receipts = append(back.Receipts, Receipt{cursor, at * 3, index})
	}
	apply(back)
	apply(removeSection{Stream: 1, Subscription: 10})
	steps := 0
	for ; m.leaving.Len() > 0; steps++ {
		if at, due := m.NextDeadline(); !due || at != m.clock {
			t.Fatalf("the next step is due %v at %v", due, at)
		}
		before := m.deadlines.Len()
		apply()
		if freed := before - m.deadlines.Len(); freed > dismantleMax {
			t.Fatalf("%d leases ended in one entry", freed)
		}
	}
	if steps < 2 || m.deadlines.Len()+m.delays.Len()+len(m.subscriptions) > 0 || m.waiting != (waiting{}) {
		t.Fatalf("after %d steps: %d leases, %d delays, %d subscriptions, in hand %+v",
			steps, m.deadlines.Len(), m.delays.Len(), len(m.subscriptions), m.waiting)
	}
	if from := func() Index {
		apply()
		index = index/trimEvery*trimEvery + trimEvery - 1
		apply()
		return m.retainFrom()
	}(); from != index+1 {
		t.Fatalf("entries from %d on are kept, after %d", from, index)
	}
}
