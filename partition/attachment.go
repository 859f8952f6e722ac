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
	// Stamp is the consumer's own clock, or 0.
	Stamp uint64
}

// Attached answers an AttachCommand.
type Attached struct {
	// Resumed: the session was known, and keeps what it holds.
	Resumed    bool
	Kind       Kind
	Visibility time.Duration
	// Settled is the highest settle sequence that is done.
	Settled uint64
	// Held is what the session holds.
	Held []Leased
}

// Outlet is a consumer's connection as the partition sees it. Its methods are called by the attachment's goroutine, one at a time; they may
// block for as long as the consumer doesn't read, and an error ends the attachment.
type Outlet interface {
	// Attached is called first.
	Attached(Attached) error
	// Deliver sends leased events.
	Deliver(Delivery) error
	// Hint tells a parked session whether there are events for it: when that changes, and every second while there are.
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
	// Blocks hold the events of Runs in their order, and nobody else's.
	Blocks [][]byte
	Runs   []EventRun
}

// Attachment is a session on a connection to this leader.
type Attachment struct {
	p          *Partition
	session    SessionID
	cursor     CursorID
	connection ConnectionID
	outlet     Outlet

	mu struct {
		sync.Mutex
		grants []granted
		stamps []stamp
		parked bool
		err    error
		ended  bool
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

// stamp is a consumer's reading of its clock, and when it came.
type stamp struct {
	at time.Time
	ns uint64
}

// stampsMax bounds how many stamps are kept. Beyond it the newest but one goes, so that an older one, with which a lease looks
// shorter, is taken in its place.
const stampsMax = 64

// Attach attaches a session. It returns once that is stored; deliveries may have begun by then.
func (p *Partition) Attach(ctx context.Context, c AttachCommand, outlet Outlet) (*Attachment, error) {
	a := &Attachment{
		p: p, session: c.Session, cursor: c.Cursor, outlet: outlet,
		connection: ConnectionID(p.connection.Add(1)),
		changed:    make(chan struct{}, 1),
		ended:      make(chan struct{}),
		joined:     make(chan struct{}),
	}
	a.mu.parked = c.CreditEvents == 0
	a.Stamp(c.Stamp)
	if err := p.Ready(ctx); err != nil {
		return nil, err
	}
	answered, err := p.announce(ctx, a, attachSection{
		Session: c.Session, Connection: a.connection, Cursor: c.Cursor, Received: c.Received,
		CreditEvents: c.CreditEvents, CreditBytes: c.CreditBytes, VisibilityOwn: ticks(c.Visibility),
	})
	if err != nil {
		return nil, err
	}
	res, err := await(ctx, answered)
	if err != nil {
		a.abandon(ctx, err)
		return nil, err
	}
	attached := Attached{
		Resumed: res.Resumed, Kind: res.Kind, Visibility: res.Visibility.duration(), Settled: res.Settled, Held: res.Held,
	}
	go func() {
		defer p.joined.Done()
		labelled("attachment", func() { a.run(attached) })
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
	if !p.attachments.add(a) {
		return nil, ErrUnavailable
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

// Stamp notes a reading of the consumer's clock. It must be called before what came with it is handed on.
func (a *Attachment) Stamp(ns uint64) {
	if ns == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(a.mu.stamps); n >= stampsMax {
		a.mu.stamps = a.mu.stamps[:n-1]
	}
	a.mu.stamps = append(a.mu.stamps, stamp{a.p.now(), ns})
}

// stampBefore returns the latest stamp that was known at a time, and forgets those before it.
func (a *Attachment) stampBefore(read time.Time) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.mu.stamps
	for len(s) > 1 && !s[1].at.After(read) {
		s = s[1:]
	}
	a.mu.stamps = s
	if len(s) == 0 {
		return 0
	}
	return s[0].ns
}

// Credit changes how much the session may hold.
func (a *Attachment) Credit(ctx context.Context, events uint32, bytes uint64) error {
	_, err := a.p.control(ctx, creditSection{Session: a.session, Connection: a.connection, Events: events, Bytes: bytes})
	if err == nil {
		a.mu.Lock()
		a.mu.parked = events == 0
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

// Settle carries it out, and returns what wasn't done because the lease was over.
func (a *Attachment) Settle(ctx context.Context, c SettleCommand) (lost []Leased, err error) {
	res, err := a.p.control(ctx, settleSection{
		Session: a.session, Sequence: c.Sequence, Received: c.Received, Decisions: c.Decisions,
	})
	return res.Lost, err
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

func (a *Attachment) push(g Grant, read time.Time) {
	a.mu.Lock()
	a.mu.grants = append(a.mu.grants, granted{g, read})
	a.mu.Unlock()
	a.poke()
}

func (a *Attachment) poke() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// run sends what the session is granted, until the attachment ends.
func (a *Attachment) run(attached Attached) {
	defer close(a.joined)
	if err := a.outlet.Attached(attached); err != nil {
		a.finish(err)
		return
	}
	hints := hinter{a: a}
	for {
		grants, parked := a.next()
		for i := range grants {
			if err := a.send(&grants[i]); err != nil {
				a.finish(err)
				return
			}
		}
		if len(grants) > 0 {
			continue
		}
		if err := hints.wait(parked); err != nil {
			a.finish(err)
			return
		}
		select {
		case <-a.ended:
			return
		default:
		}
	}
}

func (a *Attachment) next() ([]granted, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	grants := a.mu.grants
	a.mu.grants = nil
	return grants, a.mu.parked
}

// send delivers one grant.
func (a *Attachment) send(g *granted) error {
	select {
	case <-a.ended:
		return nil
	default:
	}
	d, err := a.p.pack(&g.grant)
	if err != nil {
		return err
	}
	if len(d.Runs) == 0 {
		return nil // the lease was over before it could be sent
	}
	d.Stamp = a.stampBefore(g.read)
	return a.outlet.Deliver(d)
}

// hinter tells a parked session about events.
type hinter struct {
	a     *Attachment
	ready bool
}

const hintEvery = time.Second

// wait waits until the attachment's state changes; for a parked session, also until a hint is due, which it then sends.
func (h *hinter) wait(parked bool) error {
	a := h.a
	if !parked {
		h.ready = false
		select {
		case <-a.changed:
		case <-a.ended:
		}
		return nil
	}
	var woken <-chan struct{}
	if !h.ready { // who has been told waits for the timer alone, and mustn't be woken in another's place
		one := a.p.ready.join(a.cursor)
		defer a.p.ready.leave(a.cursor, one)
		woken = one.woken
	}
	if ready := a.p.readyCount(a.cursor) > 0; ready != h.ready {
		h.ready = ready
		return a.outlet.Hint(ready)
	}
	timer, stop := a.p.options.Clock.NewTimer(hintEvery)
	defer stop()
	select {
	case <-a.changed:
	case <-a.ended:
	case <-woken:
		// Others may wait for the same event, and this session takes none.
		a.p.ready.wake(a.cursor, 1)
	case <-timer:
		if h.ready && a.p.readyCount(a.cursor) > 0 {
			return a.outlet.Hint(true)
		}
	}
	return nil
}

// attachments finds the attachment of a session.
type attachments struct {
	mu struct {
		sync.Mutex
		bySession map[SessionID]*Attachment
		closed    bool
	}
}

func (as *attachments) init() { as.mu.bySession = map[SessionID]*Attachment{} }

// add puts an attachment in the place of the one that its session had before, which ends. Close joins it: whoever added it sees to it that joined
// is told, by its goroutine or at once.
func (as *attachments) add(a *Attachment) bool {
	as.mu.Lock()
	if as.mu.closed {
		as.mu.Unlock()
		return false
	}
	a.p.joined.Add(1)
	before := as.mu.bySession[a.session]
	as.mu.bySession[a.session] = a
	as.mu.Unlock()
	if before != nil {
		before.finish(ErrSuperseded)
	}
	return true
}

func (as *attachments) remove(a *Attachment) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.mu.bySession[a.session] == a {
		delete(as.mu.bySession, a.session)
	}
}

func (as *attachments) find(s SessionID, c ConnectionID) *Attachment {
	as.mu.Lock()
	defer as.mu.Unlock()
	if a := as.mu.bySession[s]; a != nil && a.connection == c {
		return a
	}
	return nil
}

// endAll ends every attachment, when leadership does, and lets none be added any more when the replica does.
func (as *attachments) endAll(err error, closed bool) {
	as.mu.Lock()
	as.mu.closed = as.mu.closed || closed
	var all []*Attachment
	for _, a := range as.mu.bySession {
		all = append(all, a)
	}
	as.mu.Unlock()
	for _, a := range all {
		a.finish(err)
	}
}
