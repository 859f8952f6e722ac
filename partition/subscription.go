package partition

import (
	"slices"
	"sort"
	"strings"
)

// subscription is a subscription on a stream. Its events wait on its cursors.
type subscription struct {
	mark
	// ordinal is its place among the subscriptions there ever were.
	ordinal uint64
	SubscriptionConfig
	stream *stream
	// past patterns, the oldest first, that were in force for events which some cursor hasn't looked at yet.
	past []pastPattern
	// cursors by member: a queue has one, without a name.
	cursors []*cursor
	// leaving: it was removed, and goes with its last cursor.
	leaving bool
}

// apply of a subscription section makes it or changes it.
func (m *Machine) putSubscription(c SubscriptionConfig) Refusal {
	st := m.streams[c.Stream]
	if st == nil || st.leaving {
		return RefusedStream
	}
	if other := m.subscriptions[c.ID]; other != nil && other.stream != st {
		return RefusedStream // it is another stream's. The catalog gives each its own id; whoever doesn't mustn't make a state that no checkpoint can have
	}
	sub, at := st.subscription(c.ID)
	if c.Ordered && c.Kind != KindQueue || sub != nil && sub.Ordered != c.Ordered {
		return RefusedOrdered // as below
	}
	if sub != nil && !sub.leaving && !sub.rememberPattern(c.Pattern) {
		// Not even the version changes: blocks that were matched against the refused pattern must find another one than theirs.
		return RefusedTooMany
	}
	st.setVersion++
	m.changed(st)
	if sub != nil && sub.leaving {
		return RefusedLeaving
	}
	if sub == nil {
		if len(st.subscriptions) >= SubscriptionsMax {
			return RefusedTooMany
		}
		m.lastSubscription++
		sub = &subscription{ordinal: m.lastSubscription, stream: st}
		st.subscriptions = slices.Insert(st.subscriptions, at, sub)
		m.subscriptions[c.ID] = sub
	}
	members := c.Members
	c.Members = nil
	sub.SubscriptionConfig = c
	m.changed(sub)
	for _, cur := range sub.cursors {
		st.setTaker(cur)
		m.unrest(cur)
		m.rest(cur)
	}
	if c.Kind == KindQueue {
		members = []string{""}
	}
	for _, name := range members {
		if _, refused := m.member(sub, name); refused != Done {
			return refused
		}
	}
	return Done
}

// member finds or makes a subscription's cursor.
func (m *Machine) member(sub *subscription, name string) (*cursor, Refusal) {
	if (sub.Kind == KindQueue) != (name == "") {
		return nil, RefusedMember
	}
	at := sort.Search(len(sub.cursors), func(i int) bool { return sub.cursors[i].member >= name })
	if at < len(sub.cursors) && sub.cursors[at].member == name {
		if sub.cursors[at].leaving {
			return nil, RefusedLeaving
		}
		return sub.cursors[at], Done
	}
	if len(sub.cursors) >= MembersMax {
		return nil, RefusedTooMany
	}
	m.lastCursor++
	c := m.newCursor(sub, name, m.lastCursor)
	sub.cursors = slices.Insert(sub.cursors, at, c)
	m.begin(c)
	m.used(c)
	return c, Done
}

// pastPattern was in force for the events before an offset, and from the past pattern before it on.
type pastPattern struct {
	until   Offset
	pattern string
}

// rememberPattern keeps the pattern in force, which another is about to replace, while a cursor has yet to look at events that it was in force for:
// what an event matches is decided by the pattern at the time when it was stored (P3). False: too many are kept.
func (sub *subscription) rememberPattern(next string) bool {
	lowest, behind := sub.lowestFrontier()
	until := sub.stream.next
	if next == sub.Pattern || !behind || lowest == until {
		return true
	}
	if n := len(sub.past); n > 0 && sub.past[n-1].until == until {
		return true // no event was stored since the last change
	}
	if len(sub.past) >= PatternsMax {
		return false
	}
	sub.past = append(sub.past, pastPattern{until, sub.Pattern})
	return true
}

// forgetPatterns drops those of which every cursor has looked at all events.
func (sub *subscription) forgetPatterns() {
	lowest, behind := sub.lowestFrontier()
	if !behind {
		sub.past = nil
		return
	}
	sub.past = slices.DeleteFunc(sub.past, func(p pastPattern) bool { return p.until <= lowest })
}

// lowestFrontier returns the lowest frontier of the cursors that aren't near.
func (sub *subscription) lowestFrontier() (lowest Offset, behind bool) {
	lowest = sub.stream.next
	for _, c := range sub.cursors {
		if c.reach != reachNear {
			lowest, behind = min(lowest, c.frontier), true
		}
	}
	return lowest, behind
}

// cursor finds a cursor that is there, or, of a fan-out, makes it.
func (m *Machine) cursor(id CursorID) (*cursor, Refusal) {
	sub := m.subscriptions[id.Subscription]
	if sub == nil || sub.leaving {
		return nil, RefusedSubscription
	}
	return m.member(sub, id.Member)
}

// find returns a cursor, or nil when there is none, or it is leaving.
func (m *Machine) find(id CursorID) *cursor {
	if c := m.lookUp(id); c != nil && !c.leaving {
		return c
	}
	return nil
}

// lookUp is find for who wants leaving cursors as well.
func (m *Machine) lookUp(id CursorID) *cursor {
	sub := m.subscriptions[id.Subscription]
	if sub == nil {
		return nil
	}
	at, found := slices.BinarySearchFunc(sub.cursors, id.Member, func(c *cursor, member string) int { return strings.Compare(c.member, member) })
	if !found {
		return nil
	}
	return sub.cursors[at]
}
