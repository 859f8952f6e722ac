package partition

import (
	"context"
	"errors"
	"testing"
)

// Who was woken for an event and then doesn't take it passes that on.
func TestFailedTakeWakesTheNext(t *testing.T) {
	p := openPartition(t, t.TempDir())
	cursor := CursorID{Subscription: 10}
	publish(t, p, "one")
	next := p.ready.join(cursor)
	defer p.ready.leave(cursor, next)
	if _, err := p.Take(t.Context(), TakeCommand{Cursor: cursor, Events: ReceiptsMax + 1}); err == nil {
		t.Fatal("took more than may be taken")
	}
	select {
	case <-next.woken:
	default:
		t.Fatal("nobody is woken for the event")
	}
}

// A parked session that was told of events isn't woken for the next in the place of somebody who would take it.
func TestParkedSessionTakesNoWake(t *testing.T) {
	p := openWith(t, Options{Clock: &stillClock{}})
	cursor := CursorID{Subscription: 10}
	in := newInbox()
	if _, err := p.Attach(t.Context(), AttachCommand{Session: sessionNamed("ana"), Cursor: cursor}, in); err != nil {
		t.Fatal(err)
	}
	publish(t, p, "one")
	if ready := <-in.hints; !ready { // and no timer says that it is over
		t.Fatal("the hint says that nothing is there")
	}
	for range 3 {
		if _, err := p.Take(t.Context(), TakeCommand{Cursor: cursor, Events: 1}); err != nil {
			t.Fatal(err)
		}
		waited := make(chan error, 1)
		go func() { waited <- p.WaitReady(t.Context(), cursor) }()
		publish(t, p, "one")
		if err := <-waited; err != nil {
			t.Fatal(err)
		}
	}
}

// While as many events are leased as may be, none could be: a poll that waits mustn't be told otherwise, or it would ask again and again.
func TestNothingIsReadyAtTheBound(t *testing.T) {
	p := openPartition(t, t.TempDir())
	p.replica.look(func(m *Machine) { m.leasedMax = 2 }) // nothing else is going on
	cursor := CursorID{Subscription: 10}
	publish(t, p, "one", "two", "three")
	d, err := p.Take(t.Context(), TakeCommand{Cursor: cursor, Events: 3, Bytes: 1 << 20})
	if err != nil || len(d.Runs) != 2 {
		t.Fatalf("took %v, error %v", d.Runs, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.WaitReady(ended, cursor); !errors.Is(err, context.Canceled) {
		t.Fatalf("at the bound WaitReady returned %v", err)
	}
	waited := make(chan error, 1)
	go func() { waited <- p.WaitReady(t.Context(), cursor) }()
	if _, err := p.Return(t.Context(), Decision{Verb: VerbAck}, []Receipt{{cursor, 0, d.Epoch}}); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Fatal(err)
	}
}
