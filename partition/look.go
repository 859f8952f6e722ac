package partition

import (
	"context"
	"time"
)

// Counts are a subscription's events that aren't settled; of a fan-out, over all members.
type Counts struct {
	Ready, Leased, Delayed, Dead uint64
	// Blocked events of an ordered queue wait for an earlier one of their key. They aren't among those that are ready.
	Blocked uint64
	// Stalls counts how often an ordered queue's look-ahead became full of blocked events while there was more to look at; Stalled: it is now.
	Stalls  uint64
	Stalled bool
	// Unread events are stored, and yet to be looked at: far cursors get at them when their consumers have room. Some may not match.
	Unread uint64
	// Dropped events waited when the topic's retention dropped them; Skipped were dropped before anybody looked whether they match.
	Dropped, Skipped uint64
	// Sessions that are attached.
	Sessions int
	// Oldest is when the oldest event was stored that isn't settled, dead letters and what was copied out of the log left aside, or up to some
	// blocks before; zero for none.
	Oldest time.Time
}

// Counts counts a subscription's events.
func (p *Partition) Counts(id SubscriptionID) (n Counts) {
	p.replica.look(func(m *Machine) {
		sub := m.subscriptions[id]
		if sub == nil || sub.leaving {
			return
		}
		for _, c := range sub.cursors {
			if c.leaving {
				continue
			}
			if at, some := c.oldest(); some && at < sub.stream.next {
				if stored := sub.stream.storedAbout(at); n.Oldest.IsZero() || stored.Before(n.Oldest) {
					n.Oldest = stored
				}
			}
			n.Ready += c.ready.GetCardinality()
			n.Unread += uint64(sub.stream.next - c.looked())
			n.Dropped += c.dropped
			n.Skipped += c.unread
			n.Leased += c.leased
			n.Delayed += uint64(c.delayed.Len()) + c.later.GetCardinality()
			if c.order != nil {
				n.Blocked, n.Stalls, n.Stalled = c.blocked(), c.order.stalls, c.order.stalled
				n.Ready -= n.Blocked
			}
			n.Dead += uint64(c.dead.Len())
			for _, s := range c.sessions {
				if s.live(m.term) {
					n.Sessions++
				}
			}
		}
	})
	return n
}

// Members returns the names of a fan-out's members, sorted.
func (p *Partition) Members(id SubscriptionID) (names []string) {
	p.replica.look(func(m *Machine) {
		if sub := m.subscriptions[id]; sub != nil && sub.Kind == KindFanout {
			names = sub.members()
		}
	})
	return names
}

// Streams returns the streams that the partition holds, the oldest first.
func (p *Partition) Streams() (ids []StreamID) {
	p.replica.look(func(m *Machine) {
		for _, st := range m.streamOrder {
			if !st.leaving {
				ids = append(ids, st.id)
			}
		}
	})
	return ids
}

// Subscriptions returns a stream's subscriptions by id, with their members.
func (p *Partition) Subscriptions(id StreamID) (configs []SubscriptionConfig) {
	p.replica.look(func(m *Machine) {
		st := m.streams[id]
		if st == nil || st.leaving {
			return
		}
		for _, sub := range st.subscriptions {
			if sub.leaving {
				continue
			}
			c := sub.SubscriptionConfig
			if c.Kind == KindFanout {
				c.Members = sub.members()
			}
			configs = append(configs, c)
		}
	})
	return configs
}

// members returns the names of those that aren't leaving.
func (sub *subscription) members() (names []string) {
	for _, c := range sub.cursors {
		if !c.leaving {
			names = append(names, c.member)
		}
	}
	return names
}

// readyCount returns how many events of a cursor could be leased now: none while as many are as may be.
func (p *Partition) readyCount(id CursorID) (n uint64) {
	p.replica.look(func(m *Machine) {
		if c := m.find(id); c != nil {
			n = min(c.assignable(), m.leasable(c))
		}
	})
	return n
}

// has tells whether a cursor is there.
func (p *Partition) has(id CursorID) (there bool) {
	p.replica.look(func(m *Machine) { there = m.find(id) != nil })
	return there
}

// isReady tells whether a cursor has an event that could be leased. When it doesn't, and the log may have one for it, that is looked for: whoever
// asks must have joined those who wait for it.
func (p *Partition) isReady(id CursorID) bool {
	if p.readyCount(id) > 0 {
		return true
	}
	p.askIfFar(id)
	return false
}

// WaitReady waits until the cursor has an event that could be leased. Waiting costs no entry. By the time the caller asks for it, another may
// have taken it. Nothing is waited for when the cursor isn't there, or is removed. Only the leader knows; ErrUnavailable: this replica isn't, or
// not any more.
func (p *Partition) WaitReady(ctx context.Context, id CursorID) error {
	return p.ready.wait(ctx, p.Follows(), id, func() bool { return !p.has(id) || p.isReady(id) })
}

// StateHash returns what the replica has now. Replicas that have applied the same entries have the same (P9).
func (p *Partition) StateHash() (h StateHash) {
	p.replica.look(func(m *Machine) { h = StateHash{Index: m.applied, Effects: m.effectsHash, Content: m.contentHash()} })
	return h
}

// Status is what a partition says of itself.
type Status struct {
	// Leading: this replica leads, and takes on commands.
	Leading bool
	// Leader is who leads, as far as the replica knows.
	Leader Leader
	// Term of the last entry that was applied, and its index.
	Term    Term
	Applied Index
	// Last is the index of the last entry in the replica's log, and Debt how many entries it has yet to fetch of the first run that it lacks.
	Last Index
	Debt uint64
	// Level is the state level, and Hash the last of the state's hashes; zero before the first.
	Level uint32
	Hash  StateHash
	// Agreed is the last entry behind which the replica's hashes were compared with the leader's, and are the same; 0: none since it was opened.
	Agreed Index
	// Expired counts the events whose lease ran out.
	Expired uint64
	// LogBytes of LogBytesMax are used.
	LogBytes, LogBytesMax int64
	// Publications and Controls are how many commands wait for an entry; InFlight is how many entries are proposed and not yet carried out, and
	// InFlightBytes what they take.
	Publications, Controls, InFlight int
	InFlightBytes                    int64
	// Held tells whether any event is held; the others say which is the oldest, and by whom.
	Held         bool
	OldestStream StreamID
	OldestHolder CursorID
	OldestOffset Offset
}

// Status looks at the partition.
func (p *Partition) Status() Status {
	u := p.group.Usage()
	s := Status{Leading: p.leading.Load(), Leader: p.Leader(), Last: Index(u.Last), LogBytes: u.Bytes, LogBytesMax: u.BytesMax}
	s.Publications, s.Controls, s.InFlight, s.InFlightBytes = len(p.publications), len(p.controls), len(p.inFlight), p.flying.Load()
	if from, to, owed := p.group.Debt(); owed {
		s.Debt = to - from + 1
	}
	p.replica.look(func(m *Machine) {
		s.Term, s.Applied, s.Level, s.Expired = m.term, m.applied, m.level, m.expired
		s.Agreed = m.agreed
		if n := len(m.hashes); n > 0 {
			s.Hash = m.hashes[n-1]
		}
		index := m.applied + 1
		m.kept.Ascend(func(k kept) bool { // a stream that only its retention keeps has no holder
			floor, holder := k.stream.holder()
			if holder == nil {
				return true
			}
			s.Held, s.OldestStream, s.OldestHolder, s.OldestOffset = true, k.stream.id, holder.id(), floor
			index = k.index
			return false
		})
		if at, copying, ok := p.replica.copies.holding(); ok && (copying < index || copying == index && at.offset < s.OldestOffset) { // nobody needs the log for it, once it is copied
			if holder := m.asideHolder(at); holder != nil {
				s.Held, s.OldestStream, s.OldestHolder, s.OldestOffset = true, at.stream, holder.id(), at.offset
			}
		}
	})
	return s
}

// storedAbout returns when an event was stored, or up to a reference's width before; when it is before all references, when the first was.
func (st *stream) storedAbout(at Offset) time.Time {
	if len(st.refs) == 0 {
		return time.UnixMilli(int64(st.lastStored))
	}
	return time.UnixMilli(int64(st.refs[max(st.refAt(at), 0)].stored))
}
