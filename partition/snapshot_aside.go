package partition

import "encoding/binary"

func (st *stream) eachAside(f func(*aside)) {
	if st.asides != nil {
		st.asides.Ascend(func(a *aside) bool {
			f(a)
			return true
		})
	}
}

func (st *stream) appendAsides(b []byte, number uint64) []byte {
	if st.asides == nil {
		return b
	}
	from, to := number<<st.asidePieces.shift, (number+1)<<st.asidePieces.shift
	st.asides.AscendRange(&aside{offset: Offset(from)}, &aside{offset: Offset(to)}, func(a *aside) bool {
		for _, v := range []uint64{uint64(a.offset), uint64(a.first), uint64(a.index), uint64(a.section)} {
			b = binary.AppendUvarint(b, v)
		}
		b = append(b, byte(a.size))
		return true
	})
	return b
}

// asides restores what a stream has aside. Who holds it is counted with the cursors.
func (r *restorer) asides(st *stream, number uint64, d *decoder) {
	if st == nil {
		d.fail("a stream that isn't there")
	}
	for len(d.b) > 0 {
		a := &aside{
			offset: Offset(d.uvarint("offset")), first: Offset(d.uvarint("first offset")), index: Index(d.uvarint("index")),
			section: uint32(d.bounded("section", 1<<32-1)), size: sizeClass(d.byte("size class")),
		}
		if _, twice := st.aside(a.offset); twice || uint64(a.offset)>>r.m.shifts.dead != number || a.offset >= st.next || a.first > a.offset {
			d.fail("an event aside of another place")
			return
		}
		r.m.addAside(st, a)
	}
}

func (r *restorer) aside(c *cursor, number uint64, d *decoder) {
	if c == nil {
		d.fail("a cursor that isn't there")
		return
	}
	st := c.subscription.stream
	r.runs(Offset(number<<r.m.shifts.events), st.next, d, func(row Run) {
		for at := row.First; at < row.end(); at++ {
			a, there := st.aside(at)
			if !there {
				d.fail("has an event aside that the stream hasn't")
				return
			}
			a.holders++
			c.aside.Add(uint64(at))
			c.laterInLog.Remove(uint64(at))
		}
	})
}

// finishHindering derives which dead letters hold the log: those that aren't aside.
func (m *Machine) finishHindering(c *cursor) {
	if c.leaving {
		return
	}
	c.dead.Ascend(func(l deadLetter) bool {
		if !c.aside.Contains(uint64(l.offset)) {
			c.hindering.Add(uint64(l.offset))
			m.hindering.ReplaceOrInsert(c)
		}
		return true
	})
}
