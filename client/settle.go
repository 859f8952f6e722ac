package client

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// settleRunsMax bounds what one Settle names.
const settleRunsMax = 16_384

// settling is the Settle that is under way (S3).
type settling struct {
	request    *freshetv1.Settle
	items      []*Delivery
	extensions []*extension
	// extendsAll says that leases are extended as the keeper wanted: those of extended, which are all that the session holds unless some were
	// given longer ones.
	extendsAll bool
	extended   []*Delivery
	// began is when it was first sent: the node extends from then on at the earliest.
	began time.Duration
	// sent says that it was sent on the connection at hand.
	sent bool
	// notBefore is when it may be sent again after a node was too busy.
	notBefore time.Duration
	retry     retry
}

// extension is a lease that somebody wants extended by hand.
type extension struct {
	delivery *Delivery
	by       time.Duration
	done     chan struct{}
	err      error
}

func (e *extension) finish(err error) {
	e.err = err
	close(e.done)
}

// extend is Delivery's way to extend.
func (s *session) extend(ctx context.Context, d *Delivery, by time.Duration) error {
	e := &extension{delivery: d, by: by, done: make(chan struct{})}
	s.mu.Lock()
	switch {
	case d.lease.state == leaseDone && d.lease.err != nil, d.lease.stuck:
		s.mu.Unlock()
		return ErrLeaseLost
	case d.lease.state != leaseHeld:
		s.mu.Unlock()
		return ErrSettled
	}
	s.mu.extensions = append(s.mu.extensions, e)
	s.mu.Unlock()
	poke(s.talkAgain)
	select {
	case <-e.done:
		return e.err
	case <-ctx.Done():
		return unknown(fmt.Errorf("extension, not confirmed yet: %w", ctx.Err()))
	}
}

// nextSettle makes the next Settle, or returns nil when there is nothing to settle. mu is held.
func (s *session) nextSettle(now time.Duration) *settling {
	if len(s.mu.pending) == 0 && len(s.mu.extensions) == 0 && !s.mu.extendAll {
		return nil
	}
	f := &settling{
		request: &freshetv1.Settle{Sequence: s.mu.settled + 1, Received: s.mu.received},
		began:   now,
	}
	// Explicit extensions come first, and take no more than half of the room.
	n := min(len(s.mu.extensions), settleRunsMax/2)
	f.extensions, s.mu.extensions = s.mu.extensions[:n:n], s.mu.extensions[n:]
	room := settleRunsMax - n
	if s.mu.extendAll {
		s.mu.extendAll = false
		room -= f.extendAll(s, now, room/2)
	}
	for _, e := range f.extensions {
		f.request.Extends = append(f.request.Extends, &freshetv1.Extend{
			Leased: []*freshetv1.Leased{leasedOf(e.delivery)}, VisibilityMs: millis(e.by),
		})
	}
	n = min(len(s.mu.pending), room)
	f.items, s.mu.pending = s.mu.pending[:n:n], s.mu.pending[n:]
	if len(s.mu.pending) == 0 {
		s.mu.pending, s.mu.spare = s.mu.spare, nil // so that the array isn't kept by its end
	}
	for _, d := range f.items {
		d.lease.state = leaseSent
	}
	f.putDecisions()
	return f
}

// extendAll asks for what the keeper wants, and returns how many runs it names. If somebody gave a lease a longer time than this
// would, all others are named; else the whole session is extended by one word. s.mu is held.
func (f *settling) extendAll(s *session, now time.Duration, room int) int {
	f.extendsAll = true
	until := now + s.mu.visibility
	longer := false
	for d := range s.mu.held.all() {
		switch {
		case d.lease.state != leaseHeld || d.lease.expired:
		case d.lease.deadline > until:
			longer = true
		default:
			f.extended = append(f.extended, d)
		}
	}
	if !longer {
		f.request.Extends = append(f.request.Extends, &freshetv1.Extend{})
		return 1
	}
	if len(f.extended) > room { // those that end first; the keeper asks for the others at once
		slices.SortFunc(f.extended, func(a, b *Delivery) int { return cmp.Compare(a.lease.deadline, b.lease.deadline) })
		f.extended = f.extended[:room]
	}
	if len(f.extended) == 0 {
		return 0
	}
	f.request.Extends = append(f.request.Extends, &freshetv1.Extend{Leased: leasedRuns(f.extended)})
	return len(f.extended)
}

// putDecisions writes the decisions down: acks by runs, the others by what they share.
func (f *settling) putDecisions() {
	acks := f.items
	if i := slices.IndexFunc(acks, func(d *Delivery) bool { return d.lease.taken != &acked }); i >= 0 {
		acks = acks[:i:i]
		f.putRest(f.items[i:], &acks)
	}
	f.request.Acks = leasedRuns(acks)
}

// putRest writes down what isn't an ack, and adds the acks that are among it to others.
func (f *settling) putRest(items []*Delivery, acks *[]*Delivery) {
	rest := map[decision][]*Delivery{}
	var order []decision
	for _, d := range items {
		dec := *d.lease.taken
		if dec.verb == verbAck {
			*acks = append(*acks, d)
			continue
		}
		if rest[dec] == nil {
			order = append(order, dec)
		}
		rest[dec] = append(rest[dec], d)
	}
	// What nobody began goes back first: of an ordered queue it would go back with what is released before it, and be answered as lost.
	slices.SortStableFunc(order, func(a, b decision) int {
		if a.unstarted == b.unstarted {
			return 0
		}
		if a.unstarted {
			return -1
		}
		return 1
	})
	for _, dec := range order {
		for _, leased := range leasedRuns(rest[dec]) {
			if dec.verb == verbReject {
				f.request.Rejects = append(f.request.Rejects, &freshetv1.Reject{Leased: leased, Reason: dec.reason})
				continue
			}
			f.request.Releases = append(f.request.Releases, &freshetv1.Release{
				Leased: leased, AfterMs: millis(dec.after), Reason: dec.reason, Unstarted: dec.unstarted,
			})
		}
	}
}

// leasedRuns names events by delivery and runs of positions, sorted: what is decided together is mostly one run, also where its offsets lie apart.
func leasedRuns(ds []*Delivery) []*freshetv1.Leased {
	if !slices.IsSortedFunc(ds, byPlace) { // they mostly are
		ds = slices.Clone(ds)
		slices.SortFunc(ds, byPlace)
	}
	var list []*freshetv1.Leased
	var of *parcel // the last of list
	var to *freshetv1.Leased
	var last *freshetv1.PositionRun
	for _, d := range ds {
		switch {
		case of == d.lease.parcel && last.First+last.Count == uint32(d.lease.position): //nolint:protogetter // of each event
			last.Count++
		case of == nil || of.number != d.lease.parcel.number:
			of, to = d.lease.parcel, leasedOf(d)
			last = to.GetPositions()[0]
			list = append(list, to)
		default:
			last = &freshetv1.PositionRun{First: uint32(d.lease.position), Count: 1}
			to.Positions = append(to.Positions, last)
		}
	}
	return list
}

// byPlace compares events by delivery and position.
func byPlace(a, b *Delivery) int {
	if a.lease.parcel == b.lease.parcel {
		return cmp.Compare(a.lease.position, b.lease.position)
	}
	return cmp.Or(cmp.Compare(a.lease.parcel.number, b.lease.parcel.number), cmp.Compare(a.lease.position, b.lease.position))
}

func leasedOf(d *Delivery) *freshetv1.Leased {
	return &freshetv1.Leased{Delivery: d.lease.parcel.number, Positions: []*freshetv1.PositionRun{{First: uint32(d.lease.position), Count: 1}}}
}

// answered takes in a Settled. It returns an error when the node refused the whole of it for good.
func (s *session) answered(r *freshetv1.Settled) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.mu.inFlight
	if f == nil || r.GetSequence() != f.request.GetSequence() {
		return nil // an answer to what was sent twice
	}
	if r.GetError() != nil {
		return s.refused(f, errorOfProto(r.GetError()))
	}
	s.mu.inFlight = nil
	s.mu.settled = r.GetSequence()
	now := s.consumer.client.now()
	lost := lostLeases(r.GetLost())
	confirmed := 0
	for _, d := range f.items {
		if lost.has(d) {
			s.lost(d)
		} else {
			if d.lease.taken == &acked {
				confirmed++
			}
			s.finish(d, nil)
		}
		s.settledInLine(d, r.GetEpoch(), d.lease.err)
	}
	clear(f.items)
	s.mu.spare = f.items[:0]
	for _, d := range f.extended {
		if lost.has(d) {
			s.lost(d)
		} else {
			d.lease.extended(f.began+s.mu.visibility, now)
		}
	}
	for _, e := range f.extensions { // after those of all, as the node does it
		if lost.has(e.delivery) {
			s.lost(e.delivery)
			e.finish(ErrLeaseLost)
			continue
		}
		e.delivery.lease.extended(f.began+e.by, now)
		e.finish(nil)
	}
	if confirmed > 0 {
		s.consumer.options.acked(confirmed)
	}
	s.noteHeld(now)
	s.consumer.moveCredit(now)
	s.consumer.checkMilestones()
	if f.extendsAll || len(f.extensions) > 0 {
		s.consumer.pokeKeep() // deadlines moved; that others vanished it need not know
	}
	poke(s.talkAgain)
	return nil
}

// refused keeps a Settle that may be sent again. mu is held.
func (s *session) refused(f *settling, err *Error) error {
	if !err.Retryable && !err.OutcomeUnknown {
		return err
	}
	f.sent = false
	f.notBefore = s.consumer.client.now() + f.retry.next()
	poke(s.talkAgain)
	return nil
}

// extended moves the deadline, unless the confirmation came after it: the lease may have been over before it was extended.
func (l *lease) extended(until, now time.Duration) {
	if now < l.deadline {
		l.deadline = min(until, l.parcel.began+leaseLongest)
	}
}

// lost takes out of the books what the node says we no longer hold. mu is held.
func (s *session) lost(d *Delivery) {
	s.consumer.client.options.logger.Info("a lease was lost", "subscription", s.consumer.name.subscription, "partition", d.Partition, "offset", d.Offset, "attempt", d.Attempt)
	s.finish(d, ErrLeaseLost)
}

// leaseSet is leases by delivery, and of each what names its events.
type leaseSet map[uint64][]*freshetv1.Leased

func lostLeases(list []*freshetv1.Leased) leaseSet {
	if len(list) == 0 {
		return nil
	}
	set := leaseSet{}
	for _, l := range list {
		set[l.GetDelivery()] = append(set[l.GetDelivery()], l)
	}
	return set
}

func (s leaseSet) has(d *Delivery) bool {
	for _, l := range s[d.lease.parcel.number] {
		if len(l.GetRuns()) == 0 && len(l.GetPositions()) == 0 { // all of it
			return true
		}
		for _, r := range l.GetRuns() {
			if r.GetFirst() <= d.Offset && d.Offset-r.GetFirst() < uint64(r.GetCount()) {
				return true
			}
		}
		at := uint32(d.lease.position)
		for _, r := range l.GetPositions() {
			if r.GetFirst() <= at && at-r.GetFirst() < r.GetCount() {
				return true
			}
		}
	}
	return false
}
