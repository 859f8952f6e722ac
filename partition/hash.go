package partition

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Replicas that applied the same entries must be in the same state and have had the same effects (P9). Whether they do is told by two hashes, so
// that one that differs is found, and stops, before its leases or its answers do harm:
//
//   - effects rolls over everything that Apply returned, entry by entry. It is what consumers and publishers see.
//   - content is over what the machine has: streams, cursors with the sets of their events, sessions, and how much there is of the rest. It
//     goes by what is in a set, never by how it came about, so it is the same after a restore.
//
// A set's part of content isn't counted anew each time. A run of offsets from a up to b has the sum f(b) - f(a), with f a hash: that adds up
// the same however the set is cut into runs, so adding a run to a set or taking one out costs two hashes, whatever its length
// (offsetSet). The machine's hash walks cursors and sessions, every hashEvery entries.
//
// The leader puts its hashes into the log (stateHashSection). A replica that had others at that entry stops with ErrDiffers. So a follower that differs
// stops; and when it is the leader that does, its followers stop, and it can commit nothing any more.

// StateHash is what a replica had after an entry.
type StateHash struct {
	Index            Index
	Effects, Content uint64
}

// hashEvery is how many entries pass between two hashes, and hashesKept how many are remembered: the leader's comes some entries later.
const (
	hashEvery  = 1_024
	hashesKept = 4
)

// fold mixes a number into a hash: the high and the low half of a product, as in wyhash.
func fold(h, v uint64) uint64 {
	high, low := bits.Mul64(h^0x9e3779b97f4a7c15, v^0xe7037ed1a0b428db)
	return high ^ low
}

// spot is f: the hash of a place between two offsets.
func spot(at uint64) uint64 { return fold(at, 0x8ebc6af09c88c6e3) }

// spanSum is the sum of the offsets from one up to another.
func spanSum(from, to uint64) uint64 { return spot(to) - spot(from) }

// sumWithin is the sum of a set's members from one offset up to another.
func (s *offsetSet) sumWithin(from, to uint64) (sum uint64) {
	if s.IsEmpty() || s.Maximum() < from || s.Minimum() >= to {
		return 0
	}
	it := s.Iterator()
	for it.AdvanceIfNeeded(from); it.HasNext() && it.PeekNext() < to; {
		at := it.Next()
		sum += spanSum(at, at+1)
	}
	return sum
}

// resum counts the sum anew, and returns it.
func (s *offsetSet) resum() uint64 {
	s.sum = 0
	rows := rowReader{it: s.ManyIterator()}
	for row := rows.peek(); row.Count > 0; row = rows.peek() {
		s.sum += spanSum(uint64(row.First), uint64(row.end()))
		rows.skip(row.Count)
	}
	return s.sum
}

// sum is a dead letter's part of its cursor's.
func (l *deadLetter) sum() uint64 {
	h := fold(uint64(l.offset), uint64(l.reason)<<32|uint64(l.attempts))
	return fold(fold(h, uint64(l.died)), uint64(len(l.detail)))
}

// hashState adds the machine's hashes to those that are remembered, when it is time for that.
func (m *Machine) hashState(fx *Effects) {
	m.effectsHash = fx.hash(m.effectsHash)
	if m.applied%m.hashEvery != 0 {
		return
	}
	h := StateHash{Index: m.applied, Effects: m.effectsHash, Content: m.contentHash()}
	if len(m.hashes) == hashesKept {
		m.hashes = append(m.hashes[:0], m.hashes[1:]...)
	}
	m.hashes = append(m.hashes, h)
	fx.Hash = h
}

// compareHash compares a leader's hashes with what this replica had then. One that doesn't go back so far has nothing to say.
func (m *Machine) compareHash(s stateHashSection) error {
	for _, own := range m.hashes {
		switch {
		case own.Index != s.Index:
		case own == s.StateHash:
			m.agreed = max(m.agreed, s.Index)
		default:
			return fmt.Errorf("%w: after entry %d its effects are %016x and its content %016x, the leader's %016x and %016x",
				ErrDiffers, s.Index, own.Effects, own.Content, s.Effects, s.Content)
		}
	}
	return nil
}

func (m *Machine) contentHash() uint64 {
	h := uint64(m.applied)
	each := func(values ...uint64) {
		for _, v := range values {
			h = fold(h, v)
		}
	}
	each(uint64(m.term), uint64(m.clock), uint64(m.wall), m.logBytes, m.lastCursor, m.lastLease, m.lastSession, uint64(m.deadlines.Len()), m.expired,
		uint64(m.producers.order.Len()), m.producers.lastUse, uint64(m.dedup.count), m.dedup.lastGeneration, m.due.bytes, uint64(m.level))
	for _, st := range m.streamOrder {
		each(uint64(st.id), uint64(st.next), st.setVersion, st.bytes, uint64(st.dropped))
		if st.repeats != nil && !st.repeats.IsEmpty() {
			each(st.repeats.sum)
		}
		for _, sub := range st.subscriptions {
			each(uint64(sub.ID), uint64(sub.Visibility), uint64(sub.AttemptsMax))
			for _, c := range sub.cursors {
				each(c.ordinal, uint64(c.reach), uint64(c.frontier), uint64(c.resume), c.ready.sum, c.held.sum, c.later.sum, c.aside.sum, c.deadSum, c.leased,
					uint64(c.delayed.Len()), c.dropped, c.unread, uint64(len(c.tries)), uint64(c.patientUntil))
				if c.ahead != nil {
					each(c.ahead.sum)
				}
				for _, s := range c.sessions {
					each(s.ordinal, uint64(s.connection), uint64(s.term), uint64(s.creditEvents), uint64(s.heldEvents), s.heldBytes, s.lastDelivery,
						s.received, s.settled, s.stamp)
				}
			}
		}
	}
	return h
}

// hash rolls over an entry's effects.
func (fx *Effects) hash(h uint64) uint64 {
	h = fold(h, uint64(fx.Index))
	for i := range fx.Results {
		h = fx.Results[i].hash(h)
	}
	for i := range fx.Grants {
		h = fx.Grants[i].hash(h)
	}
	for _, c := range fx.Ready {
		h = c.hash(h)
	}
	for _, b := range fx.Behind {
		h = fold(b.Cursor.hash(h), uint64(b.Events))
	}
	for _, t := range fx.Truncated {
		h = fold(fold(fold(t.Cursor.hash(h), uint64(t.At)), t.Dropped), t.Unread)
	}
	for _, a := range fx.Aside {
		h = fold(fold(h, uint64(a.Stream)), uint64(a.Offset)<<1|boolBit(a.Gone))
	}
	for _, u := range fx.Unused {
		h = fold(fold(u.Cursor.hash(h), u.Unsettled), u.Unread)
	}
	for _, s := range fx.Gone.Sessions {
		h = fold(s.Session.hash(h), uint64(s.Connection))
	}
	return fold(h, uint64(len(fx.Gone.Cursors))<<32|uint64(len(fx.Gone.Streams)))
}

func boolBit(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}

func (c CursorID) hash(h uint64) uint64 {
	h = fold(h, uint64(c.Subscription)<<8|uint64(len(c.Member)))
	for i := range len(c.Member) {
		h = fold(h, uint64(c.Member[i]))
	}
	return h
}

func (s *SessionID) hash(h uint64) uint64 {
	return fold(fold(h, binary.LittleEndian.Uint64(s[:8])), binary.LittleEndian.Uint64(s[8:]))
}

func (r *Result) hash(h uint64) uint64 {
	flags := uint64(r.Refused)<<48 | uint64(r.Count)<<2
	if r.Duplicate {
		flags |= 1
	}
	if r.Resumed {
		flags |= 2
	}
	h = fold(fold(h, flags), uint64(r.First))
	if r.Taken.Epoch != 0 {
		h = r.Taken.hash(h)
	}
	for _, repeat := range r.Repeats {
		h = fold(fold(h, uint64(repeat.Event)), uint64(repeat.First))
	}
	h = leasedHash(leasedHash(h, r.Held), r.Lost)
	for _, i := range r.LostReceipts {
		h = fold(h, uint64(i))
	}
	return fold(fold(h, r.Sequence^r.Settled<<20), uint64(r.Redriven)<<32^uint64(r.Next))
}

func leasedHash(h uint64, list []Leased) uint64 {
	for _, l := range list {
		h = fold(h, l.Delivery)
		if l.ByPosition {
			h = fold(h, 1)
		}
		for _, r := range l.Runs {
			h = fold(fold(h, uint64(r.First)), uint64(r.Count))
		}
	}
	return h
}

func (g *Grant) hash(h uint64) uint64 {
	h = fold(fold(g.Session.hash(h), g.Delivery), uint64(g.Epoch))
	for _, r := range g.Runs {
		h = fold(fold(h, uint64(r.First)), uint64(r.Count)<<16|uint64(r.Attempt))
	}
	return h
}
