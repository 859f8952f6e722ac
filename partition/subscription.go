package partition

import (
	"slices"
	"sort"
	"strings"
)

// subscription is a subscription on a stream. Its events wait on its cursors.
type subscription struct {
	SubscriptionConfig
	stream *stream
	// cursors by member: a queue has one, without a name.
	cursors []*cursor
}

// apply of a subscription section makes it or changes it.
func (m *Machine) putSubscription(c SubscriptionConfig) Refusal {
	st := m.streams[c.Stream]
	if st == nil {
		return RefusedStream
	}
	st.setVersion++
	sub, at := st.subscription(c.ID)
	if sub == nil {
		if len(st.subscriptions) >= SubscriptionsMax {
			return RefusedTooMany
		}
		sub = &subscription{stream: st}
		st.subscriptions = slices.Insert(st.subscriptions, at, sub)
		m.subscriptions[c.ID] = sub
	}
	members := c.Members
	c.Members = nil
	sub.SubscriptionConfig = c
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
		return sub.cursors[at], Done
	}
	if len(sub.cursors) >= MembersMax {
		return nil, RefusedTooMany
	}
	m.lastCursor++
	c := newCursor(sub, name, m.lastCursor)
	sub.cursors = slices.Insert(sub.cursors, at, c)
	return c, Done
}

// cursor finds a cursor that is there, or, of a fan-out, makes it.
func (m *Machine) cursor(id CursorID) (*cursor, Refusal) {
	sub := m.subscriptions[id.Subscription]
	if sub == nil {
		return nil, RefusedSubscription
	}
	return m.member(sub, id.Member)
}

// find returns a cursor, or nil.
func (m *Machine) find(id CursorID) *cursor {
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
