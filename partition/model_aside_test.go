package partition

import (
	"cmp"
	"slices"
)

// modelAside is an event that the log needn't be kept for, and where it is in the log. Who holds it is found by asking every cursor.
type modelAside struct {
	offset  Offset
	first   Offset
	index   Index
	section uint32
	class   sizeClass
}

// byPlace orders what an entry set aside and let go of: the order among different events says nothing.
func byPlace(a, b AsideChange) int {
	return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Offset, b.Offset))
}

// hasRoomAside tells whether one more event may be set aside.
func (m *model) hasRoomAside(class sizeClass) bool {
	if m.asideEventsMax == AsideEventsMax {
		return true // no story fills that
	}
	events, bytes := uint64(0), class.bytes()+asideOverhead
	for _, st := range m.streams {
		for _, a := range st.asides {
			events++
			bytes += a.class.bytes() + asideOverhead
		}
	}
	return events < m.asideEventsMax && bytes <= m.asideBytesMax
}

// setAside sets an event of a cursor aside, and tells whether there was room.
func (m *model) setAside(c *modelCursor, e *modelCopy) bool {
	st := c.sub.stream
	if _, there := st.asides[e.offset]; !there && !c.aside[e.offset] {
		if !m.hasRoomAside(e.class) {
			return false
		}
		ref := st.refAt(e.offset)
		a := modelAside{e.offset, ref.first, ref.index, ref.section, e.class}
		st.asides[e.offset] = a
		m.asideChanges = append(m.asideChanges, AsideChange{Stream: st.id, Offset: a.offset, First: a.first, Index: a.index, Section: a.section})
	}
	c.aside[e.offset] = true
	return true
}

// offerAside sets those of a block's events aside that are due in more than an hour, for whoever will wait for them.
func (m *model) offerAside(st *modelStream, first Offset, position int) (offered []modelAside) {
	for _, e := range st.events[first:] {
		if e.undue && e.due-m.wall > hourMillis && m.hasRoomAside(e.class) {
			a := modelAside{e.offset, first, m.index, uint32(position), e.class}
			st.asides[e.offset] = a
			offered = append(offered, a)
		}
	}
	return offered
}

// keepAside keeps those that somebody waits for.
func (m *model) keepAside(st *modelStream, offered []modelAside) {
	for _, a := range offered {
		if st.holdersOf(a.offset) > 0 {
			m.asideChanges = append(m.asideChanges, AsideChange{Stream: st.id, Offset: a.offset, First: a.first, Index: a.index, Section: a.section})
		} else {
			delete(st.asides, a.offset)
		}
	}
}

// holdersOf counts the cursors that have an event aside, leaving ones too.
func (st *modelStream) holdersOf(at Offset) (n int) {
	for _, sub := range st.subs {
		for _, c := range sub.cursors {
			if c.aside[at] {
				n++
			}
		}
	}
	return n
}

// takeAside has a cursor that begins to wait for an event have it aside, if it is.
func (c *modelCursor) takeAside(at Offset) {
	if _, there := c.sub.stream.asides[at]; there {
		c.aside[at] = true
	}
}

// doneAside says that a cursor is done with an event.
func (m *model) doneAside(c *modelCursor, at Offset) {
	st := c.sub.stream
	if !c.aside[at] {
		return
	}
	delete(c.aside, at)
	if st.holdersOf(at) == 0 {
		delete(st.asides, at)
		m.asideChanges = append(m.asideChanges, AsideChange{Stream: st.id, Offset: at, Gone: true})
		m.asideRoom = true
	}
}

// dismantle takes over from the machine how far it has come with the cursors that leave: what they still have aside, and which are gone.
func (m *model) dismantle(is *Machine) {
	gone := map[*modelCursor]bool{}
	for _, st := range m.streamList() {
		for _, sub := range st.subList() {
			for _, c := range sub.cursorList() {
				other := is.lookUp(c.id)
				gone[c] = c.leaving && (other == nil || other.ordinal != c.ordinal)
				if !c.leaving {
					continue
				}
				for at := range c.aside {
					if gone[c] || !other.aside.Contains(uint64(at)) {
						m.doneAside(c, at)
					}
				}
			}
		}
	}
	m.sweep(func(c *modelCursor) bool { return gone[c] })
}

// relieve sets dead letters aside that hold the log, the cursors' oldest first, when others made room.
func (m *model) relieve() {
	made := m.asideRoom
	if m.asideRoom = false; !made {
		return
	}
	for _, c := range m.cursors() {
		for _, e := range c.in(stateDead) {
			if !c.aside[e.offset] && !m.setAside(c, e) {
				return
			}
		}
	}
}

// inLog returns the copies in some states that the log is kept for.
func (c *modelCursor) inLog(states ...eventState) []*modelCopy {
	return slices.DeleteFunc(c.in(states...), func(e *modelCopy) bool { return c.aside[e.offset] })
}
