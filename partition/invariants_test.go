package partition

import (
	"fmt"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
)

// checkInvariants recounts what the machine keeps books of, and asserts that no event is in two places at once (P2, P4).
func checkInvariants(m *Machine) error {
	if len(m.dirty) > 0 {
		return fmt.Errorf("P9: %d cursors still want looking at after the entry, and a snapshot doesn't say so", len(m.dirty))
	}
	leasedBy := map[*cursor]*roaring64.Bitmap{}
	events := map[*session]uint32{}
	bytes := map[*session]uint64{}
	var err error
	m.deadlines.Ascend(func(l *lease) bool {
		set := leasedBy[l.cursor]
		if set == nil {
			set = roaring64.New()
			leasedBy[l.cursor] = set
		}
		st := l.cursor.subscription.stream
		for _, r := range l.runs {
			for at := r.First; at < r.end(); at++ {
				if set.Contains(uint64(at)) {
					err = fmt.Errorf("P4: offset %d of cursor %v is under two leases", at, l.cursor.id())
				}
				set.Add(uint64(at))
				if l.session != nil {
					events[l.session]++
					bytes[l.session] += st.bytesOf(Run{at, 1})
				}
			}
			if r.Attempt == 0 || r.Attempt > l.cursor.subscription.AttemptsMax {
				err = fmt.Errorf("P7: offset %d is leased for attempt %d of %d", r.First, r.Attempt, l.cursor.subscription.AttemptsMax)
			}
		}
		if len(l.runs) == 0 {
			err = fmt.Errorf("lease %d holds nothing", l.id)
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, st := range m.streamOrder {
		if err := checkStream(st); err != nil {
			return fmt.Errorf("stream %d: %w", st.id, err)
		}
		for _, sub := range st.subscriptions {
			for _, c := range sub.cursors {
				if err := checkCursor(c, leasedBy[c]); err != nil {
					return fmt.Errorf("cursor %v: %w", c.id(), err)
				}
				for _, s := range c.sessions {
					if s.heldEvents != events[s] || s.heldBytes != bytes[s] {
						return fmt.Errorf("session %v is booked with %d events of %d bytes, and holds %d of %d",
							s.id, s.heldEvents, s.heldBytes, events[s], bytes[s])
					}
				}
			}
		}
	}
	if err := checkPatience(m); err != nil {
		return err
	}
	if err := checkAside(m); err != nil {
		return err
	}
	if err := checkDue(m); err != nil {
		return err
	}
	return checkWaiting(m)
}

// checkPatience asserts that the cursors whose events wait for more are those that the time is kept of, and that it lies ahead (P10).
func checkPatience(m *Machine) error {
	patient := 0
	for _, sub := range m.subscriptions {
		for _, c := range sub.cursors {
			if c.offered && !c.leaving || c.impatient && !c.leaving {
				return fmt.Errorf("P9: cursor %v is marked after the entry", c.id())
			}
			if c.patientUntil == 0 {
				continue
			}
			patient++
			if p, ok := m.patient.Get(patience{until: c.patientUntil, ordinal: c.ordinal}); !ok || p.cursor != c || p.until <= m.clock {
				return fmt.Errorf("P10: cursor %v is patient until %v, now is %v", c.id(), c.patientUntil, m.clock)
			}
		}
	}
	if patient != m.patient.Len() {
		return fmt.Errorf("P10: %d cursors are patient, the time of %d is kept", patient, m.patient.Len())
	}
	return nil
}

// checkStream asserts that references follow each other, and that the floor lies below all that is needed.
func checkStream(st *stream) error {
	for i, ref := range st.refs {
		if i > 0 && (ref.first <= st.refs[i-1].first || ref.index < st.refs[i-1].index) {
			return fmt.Errorf("P1: the reference to %d in entry %d follows one to %d in %d", ref.first, ref.index, st.refs[i-1].first, st.refs[i-1].index)
		}
		if ref.first >= st.next {
			return fmt.Errorf("P1: a reference to %d, the next offset is %d", ref.first, st.next)
		}
	}
	if st.floor < st.next && st.refAt(st.floor) < 0 {
		return fmt.Errorf("P2: offset %d is kept, and no reference leads to it", st.floor)
	}
	takers := 0
	for _, sub := range st.subscriptions {
		for _, c := range sub.cursors {
			at, ok := c.oldest()
			if ok && at < st.floor {
				return fmt.Errorf("P2: cursor %v needs offset %d, the floor is %d", c.id(), at, st.floor)
			}
			if ok && (!c.pinned || c.pinnedAt > at) {
				return fmt.Errorf("P2: cursor %v needs offset %d, pinned %v at %d", c.id(), at, c.pinned, c.pinnedAt)
			}
			if c.takes() && sub.Pattern == "" {
				takers++
			}
		}
	}
	if takers != len(st.takers) {
		return fmt.Errorf("%d cursors take every block, %d are listed", takers, len(st.takers))
	}
	return nil
}

// checkWaiting recounts what events in hand take.
func checkWaiting(m *Machine) error {
	var want waiting
	for _, st := range m.streamOrder {
		refs := map[uint64]uint64{}
		for _, sub := range st.subscriptions {
			for _, c := range sub.cursors {
				if c.order != nil {
					want.keyed += uint64(len(c.order.of))
				}
				for _, set := range c.sets() {
					want.events += set.GetCardinality()
					for it := set.Iterator(); it.HasNext(); {
						refs[it.Next()/sizeChunkEvents]++
					}
				}
			}
		}
		if len(refs) != len(st.sizes.chunks) {
			return fmt.Errorf("stream %d has %d size chunks, events in hand are of %d", st.id, len(st.sizes.chunks), len(refs))
		}
		for key, c := range st.sizes.chunks {
			if c.refs != refs[key] {
				return fmt.Errorf("stream %d: size chunk %d counts %d events in hand, there are %d", st.id, key, c.refs, refs[key])
			}
			want.sizes += sizeChunkBytes + uint64(len(c.sizes))
		}
	}
	if m.waiting != want {
		return fmt.Errorf("events in hand are booked with %+v, they take %+v", m.waiting, want)
	}
	return nil
}

// checkAside recounts what is aside, and asserts that whatever isn't is still in the log.
func checkAside(m *Machine) error {
	events, bytes, hindering := uint64(0), uint64(0), 0
	for _, st := range m.streamOrder {
		holders := map[Offset]uint32{}
		for _, sub := range st.subscriptions {
			for _, c := range sub.cursors {
				for it := c.aside.Iterator(); it.HasNext(); {
					at := it.Next()
					holders[Offset(at)]++
					_, dead := c.dead.Get(deadLetter{offset: Offset(at)})
					if !dead && !c.ready.Contains(at) && !c.held.Contains(at) && !c.later.Contains(at) && !c.leaving {
						return fmt.Errorf("cursor %v has offset %d aside, and is done with it", c.id(), at)
					}
				}
				if c.leaving {
					continue
				}
				if !c.hindering.IsEmpty() {
					hindering++
				}
				if err := checkInLog(c, st); err != nil {
					return err
				}
			}
		}
		st.eachAside(func(a *aside) {
			events++
			bytes += a.bytes()
			if holders[a.offset] == a.holders {
				delete(holders, a.offset)
			} else {
				holders[a.offset] -= a.holders
			}
		})
		if len(holders) > 0 {
			return fmt.Errorf("cursors have offsets %v of stream %d aside, which hasn't", holders, st.id)
		}
	}
	if events != m.asideEvents || bytes != m.asideBytes || events > m.asideEventsMax || hindering != m.hindering.Len() {
		return fmt.Errorf("%d events of %d bytes are aside and %d cursors hinder, booked are %d, %d and %d",
			events, bytes, hindering, m.asideEvents, m.asideBytes, m.hindering.Len())
	}
	return nil
}

// checkInLog asserts that the log is kept for every event of a cursor that isn't aside (P2).
func checkInLog(c *cursor, st *stream) (err error) {
	c.dead.Ascend(func(d deadLetter) bool {
		if is := c.aside.Contains(uint64(d.offset)); is == c.hindering.Contains(uint64(d.offset)) || !is && d.offset < st.floor {
			err = fmt.Errorf("cursor %v: dead letter %d is aside: %v, hinders: %v, the log is kept from %d on",
				c.id(), d.offset, is, c.hindering.Contains(uint64(d.offset)), st.floor)
		}
		return err == nil
	})
	if want := roaring64.AndNot(c.later.Bitmap, c.aside.Bitmap); !want.Equals(&c.laterInLog) {
		return fmt.Errorf("cursor %v waits for %v in the log, booked is %v", c.id(), want, &c.laterInLog)
	}
	for _, set := range []*offsetSet{c.ready, c.held, c.later} {
		for it := set.Iterator(); it.HasNext() && Offset(it.PeekNext()) < st.floor; it.Next() {
			if at := it.PeekNext(); !c.aside.Contains(at) && Offset(at) >= st.dropped {
				err = fmt.Errorf("cursor %v has offset %d in hand, which isn't aside, and the log is kept from %d on", c.id(), at, st.floor)
			}
		}
	}
	return err
}

func checkCursor(c *cursor, leased *roaring64.Bitmap) error {
	if leased == nil {
		leased = roaring64.New()
	}
	for _, set := range append(c.sets(), c.later) {
		if was := set.sum; set.resum() != was {
			return fmt.Errorf("the sum of %v is kept as %x, it is %x", set.Bitmap, was, set.sum)
		}
	}
	deadSum := uint64(0)
	c.dead.Ascend(func(d deadLetter) bool {
		deadSum += d.sum()
		return true
	})
	if c.deadSum != deadSum {
		return fmt.Errorf("the sum of the dead letters is kept as %x, it is %x", c.deadSum, deadSum)
	}
	if c.leased != leased.GetCardinality() {
		return fmt.Errorf("%d events are booked as leased, %d are", c.leased, leased.GetCardinality())
	}
	held := leased.Clone()
	c.delayed.Ascend(func(d delayedEvent) bool {
		held.Add(uint64(d.offset))
		return true
	})
	if !held.Equals(c.held.Bitmap) {
		return fmt.Errorf("held is %v, leased or delayed is %v", c.held, held)
	}
	dead := roaring64.New()
	c.dead.Ascend(func(d deadLetter) bool {
		dead.Add(uint64(d.offset))
		return true
	})
	if c.ready.Intersects(c.held.Bitmap) || c.ready.Intersects(dead) || c.held.Intersects(dead) {
		return fmt.Errorf("an event is in two places: ready %v, held %v, dead %v", c.ready, c.held, dead)
	}
	for at := range c.tries { // they are recorded with what is in hand
		if !c.ready.Contains(uint64(at)) && !c.held.Contains(uint64(at)) {
			return fmt.Errorf("tries of offset %d are kept, which isn't in hand", at)
		}
	}
	st := c.subscription.stream
	if c.reach == reachClosing && (c.frontier >= c.resume || c.resume > st.next) || c.looked() > st.next || (c.reach == reachClosing) != (c.ahead != nil) {
		return fmt.Errorf("%v, frontier %d, resume %d, in a stream of %d", c.reach, c.frontier, c.resume, st.next)
	}
	if c.reach != reachNear && (beyond(c.ready.Bitmap, c.frontier) || beyond(c.held.Bitmap, c.frontier) || beyond(dead, c.frontier)) {
		return fmt.Errorf("has events beyond its frontier, %d", c.frontier)
	}
	if c.later.Intersects(c.ready.Bitmap) || c.later.Intersects(c.held.Bitmap) || c.later.Intersects(dead) {
		return fmt.Errorf("an event is in two places: later %v, ready %v, held %v, dead %v", c.later, c.ready, c.held, dead)
	}
	if c.order != nil {
		return checkOrder(c)
	}
	return nil
}

func beyond(set *roaring64.Bitmap, at Offset) bool {
	return !set.IsEmpty() && Offset(set.Maximum()) >= at
}
