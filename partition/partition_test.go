package partition

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
)

// openPartition opens a partition in dir, with stream 1 and queue 10 on it, and closes it with the test.
func openPartition(t *testing.T, dir string) *Partition {
	t.Helper()
	p, err := openLeading(t, Options{Log: testNode(t, dir, nil), Fatal: func(err error) { t.Errorf("fatal: %v", err) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	if err := p.PutStream(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := p.PutSubscription(t.Context(), queue(10, "")); err != nil {
		t.Fatal(err)
	}
	return p
}

func queue(id SubscriptionID, pattern string) SubscriptionConfig {
	return SubscriptionConfig{ID: id, Stream: 1, Kind: KindQueue, Pattern: pattern, Visibility: 30_000, AttemptsMax: 5}
}

// inbox is an outlet that keeps what it gets.
type inbox struct {
	mu         sync.Mutex
	attached   []Attached
	deliveries chan Delivery
	hints      chan bool
	credits    chan uint64
}

func newInbox() *inbox {
	return &inbox{deliveries: make(chan Delivery, 100), hints: make(chan bool, 100), credits: make(chan uint64, 100)}
}

func (in *inbox) Attached(a Attached) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.attached = append(in.attached, a)
	return nil
}

func (in *inbox) Deliver(d Delivery) error {
	in.deliveries <- d
	return nil
}

func (in *inbox) Credited(credits uint64) error {
	in.credits <- credits
	return nil
}

func (in *inbox) Hint(ready bool) error {
	in.hints <- ready
	return nil
}

// events returns the data of a delivery's events, checking that runs and blocks agree.
func events(t *testing.T, d Delivery) (data []string) {
	t.Helper()
	n := 0
	for _, r := range d.Runs {
		n += int(r.Count)
	}
	for _, raw := range d.Blocks {
		data = append(data, blockEvents(t, raw)...)
	}
	if len(data) != n {
		t.Fatalf("a delivery of %d offsets has %d events", n, len(data))
	}
	return data
}

func blockEvents(t *testing.T, raw []byte) (data []string) {
	t.Helper()
	b, err := block.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	var r block.Reader
	r.Reset(&b)
	for r.Next() {
		data = append(data, string(r.View().Data()))
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return data
}

// blockOf makes a block of the given data, which are JSON envelopes if they look like it.
func blockOf(t *testing.T, producer block.Producer, data ...string) []byte {
	t.Helper()
	var w block.Writer
	if err := w.Reset(block.Options{Producer: producer, Codec: block.CodecS2}); err != nil {
		t.Fatal(err)
	}
	for _, d := range data {
		e := block.Event{Data: []byte(d), ContentType: "text/plain"}
		if d[0] == '{' {
			e.ContentType = ""
		}
		if err := w.Append(&e); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := w.Finish(nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func publish(t *testing.T, p *Partition, data ...string) Published {
	t.Helper()
	pub, err := p.Publish(t.Context(), Publication{Stream: 1, Block: blockOf(t, block.Producer{}, data...), ReportMatches: true})
	if err != nil {
		t.Fatal(err)
	}
	return pub
}

func TestPublishDeliverAckRestart(t *testing.T) {
	dir := t.TempDir()
	p := openPartition(t, dir)
	in := newInbox()
	a, err := p.Attach(t.Context(), AttachCommand{
		Session: sessionNamed("ana"), Cursor: CursorID{Subscription: 10}, CreditEvents: 2, CreditBytes: 1 << 20, Stamp: 7,
	}, in)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, p, "one", "two", "three")
	d := <-in.deliveries
	if got := fmt.Sprint(events(t, d)); got != "[one two]" || d.Stamp != 7 || d.Number != 1 {
		t.Fatalf("delivery %d with stamp %d has %s", d.Number, d.Stamp, got)
	}
	settled, err := a.Settle(t.Context(), SettleCommand{
		Sequence: 1, Received: 1, Decisions: []Decision{{Verb: VerbAck, Leased: []Leased{{Delivery: 1, Runs: []Run{{0, 1}}}}}},
	})
	if err != nil || len(settled.Lost) > 0 || settled.Epoch == 0 {
		t.Fatalf("ack: %+v, error %v", settled, err)
	}
	if d = <-in.deliveries; fmt.Sprint(events(t, d)) != "[three]" {
		t.Fatalf("the ack gave room for %v", events(t, d))
	}

	// The replica ends and starts again: leases are still there, and so is what is left to deliver.
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	<-a.Done()
	if !errors.Is(a.Err(), ErrUnavailable) {
		t.Fatalf("the attachment ended with %v", a.Err())
	}
	p = openPartition(t, dir)
	in = newInbox()
	a, err = p.Attach(t.Context(), AttachCommand{
		Session: sessionNamed("ana"), Cursor: CursorID{Subscription: 10}, CreditEvents: 2, CreditBytes: 1 << 20, Received: 1,
	}, in)
	if err != nil {
		t.Fatal(err)
	}
	// Delivery 1 was received and is still held; delivery 2 was not, and comes again.
	if d = <-in.deliveries; fmt.Sprint(events(t, d)) != "[three]" || d.Runs[0].Attempt != 1 {
		t.Fatalf("after the restart came %v, %v", events(t, d), d.Runs)
	}
	in.mu.Lock()
	attached := in.attached[0]
	in.mu.Unlock()
	if !attached.Resumed || attached.Settled != 1 || fmt.Sprint(attached.Held) != "[{1 [1] false}]" {
		t.Fatalf("attached %+v", attached)
	}
	if err := a.Close(t.Context(), d.Number, nil); err != nil {
		t.Fatal(err)
	}
	if c := p.Counts(10); c.Ready != 2 || c.Leased != 0 || c.Sessions != 0 {
		t.Fatalf("after the close: %+v", c)
	}
}

func TestTakeAndReturn(t *testing.T) {
	p := openPartition(t, t.TempDir())
	cursor := CursorID{Subscription: 10}
	waited := make(chan error, 1)
	go func() { waited <- p.WaitReady(t.Context(), cursor) }()
	publish(t, p, "one", "two", "three")
	if err := <-waited; err != nil {
		t.Fatal(err)
	}
	d, err := p.Take(t.Context(), TakeCommand{Cursor: cursor, Events: 2, Bytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(events(t, d)); got != "[one two]" {
		t.Fatalf("took %s", got)
	}
	receipts := []Receipt{{cursor, 0, d.Epoch}, {cursor, 1, d.Epoch - 1}}
	lost, err := p.Return(t.Context(), Decision{Verb: VerbAck}, receipts)
	if err != nil || fmt.Sprint(lost) != "[1]" {
		t.Fatalf("returned: lost %v, error %v", lost, err)
	}
	if lost, err = p.Return(t.Context(), Decision{Verb: VerbReject, Reason: "no"}, []Receipt{{cursor, 1, d.Epoch}}); err != nil || len(lost) > 0 {
		t.Fatalf("rejected: lost %v, error %v", lost, err)
	}
	page, err := p.DeadLetters(t.Context(), DeadFilter{Cursor: cursor}, 10)
	if err != nil || page.More || len(page.Letters) != 1 || page.Letters[0].Detail != "no" {
		t.Fatalf("dead letters %+v, error %v", page, err)
	}
	if got := fmt.Sprint(blockEvents(t, page.Letters[0].Block)); got != "[two]" {
		t.Fatalf("the dead letter is %s", got)
	}
	if s := p.Status(); !s.Held || s.OldestOffset != 1 || s.OldestHolder != cursor {
		t.Fatalf("status %+v", s)
	}
}

func TestReadFollows(t *testing.T) {
	p := openPartition(t, t.TempDir())
	publish(t, p, "one", "two")
	publish(t, p, "three")
	var got []string
	at := Offset(0)
	for {
		s, err := p.Next(t.Context(), 1, at, false)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, blockEvents(t, s.Block)...)
		at = s.First + Offset(s.Count)
	}
	if fmt.Sprint(got) != "[one two three]" {
		t.Fatalf("read %v", got)
	}
	next := make(chan Stored, 1)
	go func() {
		s, err := p.Next(t.Context(), 1, at, true)
		if err != nil {
			t.Error(err)
		}
		next <- s
	}()
	publish(t, p, "four")
	if s := <-next; s.First != 3 || fmt.Sprint(blockEvents(t, s.Block)) != "[four]" {
		t.Fatalf("followed to %+v", s)
	}
	if _, err := p.Next(t.Context(), 2, 0, false); err == nil {
		t.Fatal("a stream that isn't there can be read")
	}
}

func TestParkedSessionGetsHints(t *testing.T) {
	p := openPartition(t, t.TempDir())
	in := newInbox()
	a, err := p.Attach(t.Context(), AttachCommand{Session: sessionNamed("ana"), Cursor: CursorID{Subscription: 10}}, in)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, p, "one")
	if ready := <-in.hints; !ready {
		t.Fatal("the hint says that nothing is there")
	}
	if err := a.Credit(t.Context(), 1, 1<<20); err != nil {
		t.Fatal(err)
	}
	if d := <-in.deliveries; fmt.Sprint(events(t, d)) != "[one]" {
		t.Fatalf("delivered %v", events(t, d))
	}
	if err := a.Detach(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestCreditIsAnswered: behind what was granted under the credit before, and a session that is parked anew is told of events anew.
func TestCreditIsAnswered(t *testing.T) {
	p := openPartition(t, t.TempDir())
	in := newInbox()
	a, err := p.Attach(t.Context(), AttachCommand{
		Session: sessionNamed("ana"), Cursor: CursorID{Subscription: 10}, CreditEvents: 2, CreditBytes: 1 << 20,
	}, in)
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{"one", "two", "three"} {
		publish(t, p, data)
	}
	if err := a.Credit(t.Context(), 0, 0); err != nil {
		t.Fatal(err)
	}
	if credits := <-in.credits; credits != 1 || len(in.deliveries) == 0 {
		t.Fatalf("%d credits are carried out, after %d deliveries", credits, len(in.deliveries))
	}
	if ready := <-in.hints; !ready {
		t.Fatal("the hint says that nothing is there")
	}
	// The session holds two events, so this gives it none, and is told all the same.
	for want := uint64(2); want <= 3; want++ {
		if err := a.Credit(t.Context(), 2*uint32(3-want), 1<<20); err != nil {
			t.Fatal(err)
		}
		if credits := <-in.credits; credits != want {
			t.Fatalf("%d credits are carried out, want %d", credits, want)
		}
	}
	if ready := <-in.hints; !ready {
		t.Fatal("parked anew, it is told that nothing is there")
	}
	if err := a.Detach(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherConnectionSupersedes(t *testing.T) {
	p := openPartition(t, t.TempDir())
	c := AttachCommand{Session: sessionNamed("ana"), Cursor: CursorID{Subscription: 10}, CreditEvents: 5, CreditBytes: 1 << 20}
	first, err := p.Attach(t.Context(), c, newInbox())
	if err != nil {
		t.Fatal(err)
	}
	in := newInbox()
	if _, err := p.Attach(t.Context(), c, in); err != nil {
		t.Fatal(err)
	}
	<-first.Done()
	if !errors.Is(first.Err(), ErrSuperseded) {
		t.Fatalf("the first ended with %v", first.Err())
	}
	// Its late detach doesn't touch the second.
	if err := first.Detach(t.Context()); err == nil {
		t.Fatal("the superseded connection detached the session")
	}
	publish(t, p, "one")
	<-in.deliveries
}

// TestLateAttach: an attach that was held up on its way doesn't take the session from the connection that its consumer has made since, nor what that was given.
func TestLateAttach(t *testing.T) {
	p := openPartition(t, t.TempDir())
	c := AttachCommand{Session: sessionNamed("ana"), Cursor: CursorID{Subscription: 10}, CreditEvents: 5, CreditBytes: 1 << 20, Stamp: 20}
	in := newInbox()
	a, err := p.Attach(t.Context(), c, in)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, p, "one")
	<-in.deliveries
	late := c
	late.Stamp = 10
	if _, err := p.Attach(t.Context(), late, newInbox()); !errors.Is(err, ErrSuperseded) {
		t.Fatalf("it is attached: %v", err)
	}
	select {
	case <-a.Done():
		t.Fatalf("the later one has ended: %v", a.Err())
	default:
	}
	publish(t, p, "two")
	if d := <-in.deliveries; d.Number != 2 {
		t.Fatalf("delivery %d comes next", d.Number)
	}
	later := c
	later.Stamp, later.Received = 30, 2
	b, err := p.Attach(t.Context(), later, newInbox())
	if err != nil {
		t.Fatal(err)
	}
	<-a.Done()
	// Nor when the later one has broken: its deliveries are worked on while the consumer comes back.
	if err := b.Detach(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Attach(t.Context(), late, newInbox()); !errors.Is(err, ErrSuperseded) {
		t.Fatalf("it is attached where nobody is: %v", err)
	}
	back := later
	back.Stamp = 40
	in = newInbox()
	if _, err := p.Attach(t.Context(), back, in); err != nil {
		t.Fatal(err)
	}
	publish(t, p, "three")
	if d := <-in.deliveries; d.Number != 3 {
		t.Fatalf("delivery %d comes next", d.Number)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if held := in.attached[0].Held; len(held) != 2 {
		t.Fatalf("the session holds %v, of two deliveries", held)
	}
}

func TestFullLogNamesItsHolder(t *testing.T) {
	p, err := openLeading(t, Options{Log: testNode(t, t.TempDir(), smallLog)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, err := range []error{p.PutStream(t.Context(), 1), p.PutSubscription(t.Context(), queue(10, ""))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var full *LogFullError
	for range 1_000 {
		_, err = p.Publish(t.Context(), Publication{Stream: 1, Block: testBlock(t, 1, 50_000, block.Producer{})})
		if err != nil {
			break
		}
	}
	if !errors.As(err, &full) || !full.Held || full.Holder.Subscription != 10 || full.Offset != 0 {
		t.Fatalf("a full log answers %v", err)
	}
	// What drains it still goes through, and makes room.
	cursor := CursorID{Subscription: 10}
	d, err := p.Take(t.Context(), TakeCommand{Cursor: cursor, Events: ReceiptsMax, Bytes: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	var receipts []Receipt
	for _, r := range d.Runs {
		for at := r.First; at < r.end(); at++ {
			receipts = append(receipts, Receipt{cursor, at, d.Epoch})
		}
	}
	if _, err := p.Return(t.Context(), Decision{Verb: VerbAck}, receipts); err != nil {
		t.Fatal(err)
	}
	for {
		_, err := p.Publish(t.Context(), Publication{Stream: 1, Block: testBlock(t, 1, 50_000, block.Producer{})})
		if err == nil {
			return
		}
		if !errors.As(err, &full) {
			t.Fatal(err)
		}
		select { // until the reclaimer has been through
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
			t.Fatal(err)
		}
	}
}

func TestContextEndsTheWait(t *testing.T) {
	p := openPartition(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.WaitReady(ctx, CursorID{Subscription: 10}); !errors.Is(err, context.Canceled) {
		t.Fatalf("WaitReady returned %v", err)
	}
	if _, err := p.Publish(ctx, Publication{Stream: 1, Block: testBlock(t, 1, 10, block.Producer{})}); !errors.Is(err, context.Canceled) {
		t.Fatalf("Publish returned %v", err)
	}
	if _, err := p.OffsetAt(1, time.Now()); err != nil {
		t.Fatal(err)
	}
}

func TestRouting(t *testing.T) {
	dir := t.TempDir()
	p := openPartition(t, dir)
	if err := p.PutSubscription(t.Context(), queue(11, `{"detail":{"price":[{"numeric":[">",20]}]}}`)); err != nil {
		t.Fatal(err)
	}
	if err := p.PutSubscription(t.Context(), queue(12, `{"color":["red"]}`)); err != nil {
		t.Fatal(err)
	}
	if err := p.PutSubscription(t.Context(), queue(13, `{"color":[{"bigger-than":1}]}`)); err == nil {
		t.Fatal("a pattern that isn't valid was taken")
	}
	pub := publish(t, p, `{"detail":{"price":24.62}}`, `{"detail":{"price":3}}`, "plain", `{"color":"red"}`)
	if got := fmt.Sprint(pub.Matched); got != "[{10 [0 1 2 3]} {11 [0]} {12 [3]}]" {
		t.Fatalf("matched %s", got)
	}
	// A changed pattern holds for what is published after.
	if err := p.PutSubscription(t.Context(), queue(12, "")); err != nil {
		t.Fatal(err)
	}
	if err := p.PutSubscription(t.Context(), queue(11, `{"color":["red"]}`)); err != nil {
		t.Fatal(err)
	}
	if pub = publish(t, p, `{"color":"red"}`, "plain"); fmt.Sprint(pub.Matched) != "[{10 [0 1]} {11 [0]} {12 [0 1]}]" {
		t.Fatalf("matched %v", pub.Matched)
	}
	// A replica that starts again routes as before.
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = openPartition(t, dir)
	if pub = publish(t, p, `{"color":"red"}`, "plain"); fmt.Sprint(pub.Matched) != "[{10 [0 1]} {11 [0]} {12 [0 1]}]" || pub.First != 6 {
		t.Fatalf("matched %v at %d", pub.Matched, pub.First)
	}
	if c := p.Counts(11); c.Ready != 3 {
		t.Fatalf("11 has %+v", c)
	}
}
