package partition

import (
	"context"
	"errors"
	"sync"
	"time"
)

// AttachCommand opens a session on a connection, or takes one up again.
type AttachCommand struct {
	Session SessionID
	Cursor  CursorID
	// Received is the highest delivery number that the consumer has.
	Received uint64
	// CreditEvents and CreditBytes bound what it holds. No events: it is parked, and gets hints.
	CreditEvents uint32
	CreditBytes  uint64
	// Visibility of its leases; 0: the subscription's.
	Visibility time.Duration
	// Stamp is the consumer's own clock, or 0. An attach with a lower one than that by which the session was last attached was asked for before it, and is
	// refused (ErrSuperseded).
	Stamp uint64
	// Answered is the Stamp of the consumer's last attach of this session that was answered, or 0. A session that knows only older ones was begun by an attach
	// that came late, once this one's was forgotten: RefusedSession.
	Answered uint64
}

// Attached answers an AttachCommand.
type Attached struct {
	// Resumed: the session was known, and keeps what it holds.
	Resumed bool
	Kind    Kind
	// Ordered: the subscription is an ordered queue.
	Ordered    bool
	Visibility time.Duration
	// Settled is the highest settle sequence that is done.
	Settled uint64
	// Held is what the session holds.
	Held []Leased
	// TruncatedBefore: what waited before this offset, the topic's retention has dropped. 0: it has dropped nothing.
	TruncatedBefore Offset
}

// Outlet is a consumer's connection as the partition sees it. Its methods are called by the attachment's goroutine, one at a time; they may
// block for as long as the consumer doesn't read, and an error ends the attachment.
type Outlet interface {
	// Attached is called first.
	Attached(Attached) error
	// Deliver sends leased events.
	Deliver(Delivery) error
	// Credited tells how many of the attachment's Credits are carried out, behind everything that was granted before: a consumer whose credit was
	// lowered knows then that no more is on its way, and can give the room to its session on another partition.
	Credited(credits uint64) error
	// Hint tells a parked session whether there are events for it: when that changes, and every second while there are. None of it is in the log.
	Hint(ready bool) error
}

// Delivery is leased events with their bytes.
type Delivery struct {
	// Number in the session; 0 for a one-shot lease.
	Number uint64
	Epoch  Epoch
	// Visibility is how long the lease lasts from Stamp on.
	Visibility time.Duration
	// Stamp is the consumer's latest that was known before the lease began, or 0.
	Stamp uint64
	// Blocks hold the events of Runs in their order, and nobody else's. They are the receiver's, who may give them back (block.FreeBuffer).
	Blocks [][]byte
	Runs   []EventRun
	// TruncatedBefore: since it was last told, the session's subscription or member lost what waited before this offset to the topic's
	// retention. 0: nothing.
	TruncatedBefore Offset
}

// Attachment is a session on a connection to this leader.
type Attachment struct {
	p          *Partition
	session    SessionID
	cursor     CursorID
	connection ConnectionID
	// asked is the stamp with which it was asked for, or without one that of an attachment before it; 0: none had one.
	asked  uint64
	outlet Outlet

	mu struct {
		sync.Mutex
		grants []granted
		stamps []stamp
		parked bool
		// credits counts the Credits that are carried out.
		credits uint64
		err     error
		ended   bool
	}
	// changed has a value when the goroutine should look at mu again.
	changed chan struct{}
	ended   chan struct{}
	joined  chan struct{}
}

// granted is a grant that waits to be sent: at most the session's credit.
type granted struct {
	grant Grant
	read  time.Time
}

// Attach attaches a session. It returns once that is stored; deliveries may have begun by then.
func (p *Partition) Attach(ctx context.Context, c AttachCommand, outlet Outlet) (*Attachment, error) {
	a := &Attachment{
		p: p, session: c.Session, cursor: c.Cursor, asked: c.Stamp, outlet: outlet,
		connection: ConnectionID(p.connection.Add(1)),
		changed:    make(chan struct{}, 1),
		ended:      make(chan struct{}),
		joined:     make(chan struct{}),
	}
	a.mu.parked = c.CreditEvents == 0
	a.Stamp(c.Stamp)
	answered, err := p.announce(ctx, a, attachSection{
		Session: c.Session, Connection: a.connection, Cursor: c.Cursor, Received: c.Received,
		CreditEvents: c.CreditEvents, CreditBytes: c.CreditBytes, VisibilityOwn: ticks(c.Visibility), Stamp: c.Stamp, Answered: c.Answered,
	})
	if err != nil {
		return nil, err
	}
	res, err := await(ctx, answered)
	if err != nil {
		a.abandon(ctx, err)
		if refused, ok := errors.AsType[*RefusedError](err); ok && refused.Refusal == RefusedSuperseded {
			err = ErrSuperseded
		}
		return nil, err
	}
	attached := Attached{
		Resumed: res.Resumed, Kind: res.Kind, Ordered: res.Ordered, Visibility: res.Visibility.duration(), Settled: res.Settled, Held: res.Held,
		TruncatedBefore: res.Truncated,
	}
	go func() {
		defer p.joined.Done()
		p.labelled("attachment", stageDeliver, func() { a.run(attached) })
	}()
	return a, nil
}

// announce makes the attachment known and hands its command to the proposer, one attachment at a time: of two connections of one
// session the machine and the attachments must take the same one for the later. It is known before the entry is applied, since that entry may
// hold its first grants.
func (p *Partition) announce(ctx context.Context, a *Attachment, s attachSection) (<-chan answer, error) {
	select {
	case p.attaching <- struct{}{}:
		defer func() { <-p.attaching }()
	case <-ctx.Done():
		return nil, errors.Join(ErrBusy, ctx.Err())
	case <-p.closing:
		return nil, ErrUnavailable
	}
	if err := p.attachments.add(a); err != nil {
		return nil, err
	}
	answered, err := p.handControl(ctx, s)
	if err != nil {
		p.attachments.remove(a)
		p.joined.Done()
	}
	return answered, err
}

// abandon ends an attachment that came to nothing. Where the session may be attached all the same, it is detached, so that it is forgotten when
// nobody comes for it.
func (a *Attachment) abandon(ctx context.Context, err error) {
	a.p.attachments.remove(a)
	if _, refused := errors.AsType[*RefusedError](err); refused {
		a.p.joined.Done()
		return
	}
	go func() {
		defer a.p.joined.Done()
		// The caller has left. There is room in the lane some time, or the partition is closing and it doesn't matter.
		_ = a.p.hand(context.WithoutCancel(ctx), a.p.controls, detachOf(a.session, a.connection))
	}()
}

// Credit changes how much the session may hold. Its outlet is told (Credited).
func (a *Attachment) Credit(ctx context.Context, events uint32, bytes uint64) error {
	_, err := a.p.control(ctx, creditSection{Session: a.session, Connection: a.connection, Events: events, Bytes: bytes})
	if err == nil {
		a.mu.Lock()
		a.mu.parked = events == 0
		a.mu.credits++
		a.mu.Unlock()
		a.poke()
	}
	return err
}

// SettleCommand is what became of events that the session holds.
type SettleCommand struct {
	// Sequence is 1, 2, 3, ... within the session. A repeated one is answered again and not done again.
	Sequence uint64
	// Received is the highest delivery number that the consumer has.
	Received  uint64
	Decisions []Decision
}

// Settled answers a SettleCommand.
type Settled struct {
	// Lost wasn't done because the lease was over.
	Lost []Leased
	// Epoch of the leases that were granted when it was done. Earlier ones were granted before.
	Epoch Epoch
}

// Settle carries it out.
func (a *Attachment) Settle(ctx context.Context, c SettleCommand) (Settled, error) {
	began := a.p.now()
	res, err := a.p.control(ctx, settleSection{
		Session: a.session, Sequence: c.Sequence, Received: c.Received, Decisions: c.Decisions,
	})
	if err == nil {
		a.p.since(StageAck, began)
		named := 0
		for _, d := range c.Decisions {
			named += len(d.Leased)
		}
		a.p.options.Observer.Batch(StageAck, named, -1)
	}
	return Settled{res.Lost, res.Epoch}, err
}

// Close ends the session for good: what it never received or began is given back uncounted, the rest as an attempt.
func (a *Attachment) Close(ctx context.Context, received uint64, unstarted []Leased) error {
	a.finish(nil)
	_, err := a.p.control(ctx, closeSection{Session: a.session, Received: received, Unstarted: unstarted})
	return a.join(ctx, err)
}

// Detach says that the connection broke: leases run on, and the session is forgotten when nobody attaches it in time.
func (a *Attachment) Detach(ctx context.Context) error {
	a.finish(nil)
	_, err := a.p.control(ctx, detachSection{Session: a.session, Connection: a.connection})
	return a.join(ctx, err)
}

// join waits until the attachment's goroutine has ended, which it does once the outlet returns.
func (a *Attachment) join(ctx context.Context, err error) error {
	select {
	case <-a.joined:
		return err
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}

// Done is closed when the attachment has ended; Err tells why.
func (a *Attachment) Done() <-chan struct{} { return a.ended }

// Err is what ended the attachment: the outlet's error, ErrSuperseded, ErrUnavailable, or nil after Close and Detach.
func (a *Attachment) Err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mu.err
}

// finish ends the attachment once.
func (a *Attachment) finish(err error) {
	a.mu.Lock()
	first := !a.mu.ended
	if first {
		a.mu.ended, a.mu.err, a.mu.grants = true, err, nil
	}
	a.mu.Unlock()
	if first {
		close(a.ended)
		a.p.attachments.remove(a)
	}
}
