package partition

import "github.com/google/btree"

// aside is an event that the log needn't be kept for: every replica copies it out of the log (copier.go). Dead letters would otherwise hold what came
// after them for as long as nobody looks, and so would an event that is to be delivered in more than an hour.
//
//	               dies, or is due much later
//	in the log -----------------------------------> aside, and copied: a replica that has its copy lets the log go
//	    |        there is no room                     |
//	    +------> it holds the log, by its name        | settled by all who had it so: forgotten, and the copy goes with the
//	                                                  v next checkpoint
//	                                                (gone)
//
// A cursor that let an event die, or waits for it, has it aside until it is settled: also when it is redriven, leased and dies again, since by then the log may have
// let go of it. What to set aside is the machine's to decide, from the entries alone; whether a copy was made is each replica's own business.
type aside struct {
	offset Offset
	// first is the offset of the block at index and section, from where on reading finds the event's.
	first   Offset
	index   Index
	section uint32
	size    sizeClass
	// holders counts the cursors that have it aside.
	holders uint32
}

// asideOverhead is what an event that is set aside is counted with beside its size.
const asideOverhead = 256

func (a *aside) bytes() uint64 { return a.size.bytes() + asideOverhead }

func asideLess(a, b *aside) bool { return a.offset < b.offset }

// AsideChange tells a replica that an event is to be copied out of the log, or that its copy has no use any more.
type AsideChange struct {
	Stream StreamID
	Offset Offset
	// Gone: nobody wants it. Otherwise reading the log from Index and Section on, where the block at First is, finds it.
	Gone    bool
	First   Offset
	Index   Index
	Section uint32
}

// setAside sets an event of a cursor aside, and tells whether there was room.
func (m *Machine) setAside(c *cursor, at Offset, size sizeClass) bool {
	if c.aside.Contains(uint64(at)) {
		return true
	}
	st := c.subscription.stream
	a, there := st.aside(at)
	if !there {
		i := st.refAt(at)
		a = &aside{offset: at, size: size}
		if i < 0 || m.asideEvents >= m.asideEventsMax || m.asideBytes+a.bytes() > m.asideBytesMax {
			return false
		}
		a.first, a.index, a.section = st.refs[i].first, st.refs[i].index, st.refs[i].section
		m.addAside(st, a)
		m.asideChanges = append(m.asideChanges, AsideChange{Stream: st.id, Offset: at, First: a.first, Index: a.index, Section: a.section})
	}
	a.holders++
	c.aside.Add(uint64(at))
	return true
}

// offerAside sets an event of the block that is being stored aside, if there is room, for the cursors that will take it.
func (m *Machine) offerAside(st *stream, a *aside) {
	if m.asideEvents < m.asideEventsMax && m.asideBytes+a.bytes() <= m.asideBytesMax {
		m.addAside(st, a)
		m.farOff = append(m.farOff, a)
	}
}

// takeAside has a cursor take those of the events that it waits for aside which are.
func (m *Machine) takeAside(c *cursor, r Run) {
	st := c.subscription.stream
	if st.asides == nil {
		return
	}
	st.asides.AscendRange(&aside{offset: r.First}, &aside{offset: r.end()}, func(a *aside) bool {
		if !c.aside.Contains(uint64(a.offset)) {
			a.holders++
			c.aside.Add(uint64(a.offset))
			c.laterInLog.Remove(uint64(a.offset))
		}
		return true
	})
}

// keepFar keeps those aside of the block that somebody took.
func (m *Machine) keepFar(st *stream) {
	for _, a := range m.farOff {
		if a.holders > 0 {
			m.asideChanges = append(m.asideChanges, AsideChange{Stream: st.id, Offset: a.offset, First: a.first, Index: a.index, Section: a.section})
		} else {
			m.removeAside(st, a)
		}
	}
	clear(m.farOff)
	m.farOff = m.farOff[:0]
}

func (m *Machine) removeAside(st *stream, a *aside) {
	st.asides.Delete(a)
	st.asidePieces.mark(uint64(a.offset))
	m.asideEvents--
	m.asideBytes -= a.bytes()
}

// nextAside returns the first event that is aside, from an offset on.
func (st *stream) nextAside(from Offset) (at Offset, ok bool) {
	if st.asides != nil {
		st.asides.AscendGreaterOrEqual(&aside{offset: from}, func(a *aside) bool {
			at, ok = a.offset, true
			return false
		})
	}
	return at, ok
}

func (m *Machine) addAside(st *stream, a *aside) {
	if st.asides == nil {
		st.asides = btree.NewG(btreeDegree, asideLess)
	}
	st.asides.ReplaceOrInsert(a)
	st.asidePieces.mark(uint64(a.offset))
	m.asideEvents++
	m.asideBytes += a.bytes()
}

// aside finds an event that is set aside.
func (st *stream) aside(at Offset) (*aside, bool) {
	if st.asides == nil {
		return nil, false
	}
	return st.asides.Get(&aside{offset: at})
}

// takeBack says that a cursor is done with events, some of which it may have aside.
func (m *Machine) takeBack(c *cursor, r Run) {
	if c.aside.IsEmpty() {
		return
	}
	st := c.subscription.stream
	for at := r.First; at < r.end(); at++ {
		if !c.aside.Contains(uint64(at)) {
			continue
		}
		c.aside.Remove(uint64(at))
		a, _ := st.aside(at)
		if a.holders--; a.holders > 0 {
			continue
		}
		m.removeAside(st, a)
		m.asideChanges = append(m.asideChanges, AsideChange{Stream: st.id, Offset: at, Gone: true})
		m.asideRoom = true
	}
}

// hinder says that a dead letter holds the log, since there was no room aside.
func (m *Machine) hinder(c *cursor, at Offset) {
	c.hindering.Add(uint64(at))
	m.hindering.ReplaceOrInsert(c)
	c.subscription.stream.pin(c, at)
}

// unhinder says that it doesn't any more.
func (m *Machine) unhinder(c *cursor, at Offset) {
	c.hindering.Remove(uint64(at))
	if c.hindering.IsEmpty() {
		m.hindering.Delete(c)
	}
}

// relieve sets dead letters aside that hold the log, when others made room in this entry: the cursors' oldest first, a bounded number.
func (m *Machine) relieve() {
	if !m.asideRoom {
		return
	}
	m.asideRoom = false
	for range relieveMax {
		c, ok := m.hindering.Min()
		if !ok {
			return
		}
		d, _ := c.dead.Get(deadLetter{offset: Offset(c.hindering.Minimum())})
		if !m.setAside(c, d.offset, d.size) {
			return
		}
		m.unhinder(c, d.offset)
		m.stale(c.subscription.stream)
	}
}
