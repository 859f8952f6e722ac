package partition

import (
	"encoding/binary"
	"slices"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/google/btree"
)

// appendOrder writes what an ordered cursor has beside others: of each event in hand, ascending, the hash of its key. Its lines follow from those,
// and from the leases.
func (c *cursor) appendOrder(b []byte) []byte {
	o := c.order
	b = binary.AppendUvarint(b, o.stalls)
	b = appendBool(b, o.stalled)
	b = o.late.appendTo(b)
	for it := roaring64.Or(c.ready, c.held).Iterator(); it.HasNext(); {
		b = binary.LittleEndian.AppendUint64(b, o.of[Offset(it.Next())].key)
	}
	for _, e := range o.ahead {
		b = binary.LittleEndian.AppendUint64(b, e.key)
	}
	return b
}

// restoreOrder reads it, when all else of the cursor is read.
func (m *Machine) restoreOrder(d *decoder, c *cursor) {
	o := c.order
	o.stalls, o.stalled = d.uvarint("stalls"), d.bool("stalled")
	o.late = d.dueRows(c.subscription.stream.next, func(dueRow) {})
	m.due.bytes += uint64(len(o.late.rows))
	for it := roaring64.Or(c.ready, c.held).Iterator(); it.HasNext() && d.err == nil; {
		m.enqueue(c, Offset(it.Next()), d.u64("key hash"))
	}
	if c.ahead == nil {
		return
	}
	for it := c.ahead.Iterator(); it.HasNext() && d.err == nil; {
		o.ahead = append(o.ahead, keyedEvent{Offset(it.Next()), d.u64("key hash")})
	}
}

// restoreLater reads what a cursor noted, as appendSet writes it.
func (m *Machine) restoreLater(d *decoder, c *cursor) {
	last, next := Offset(0), c.subscription.stream.next
	for range d.count("later") {
		r := d.run()
		if r.First > next-last || Offset(r.Count) > next-last-r.First {
			d.fail("later beyond the stream")
			return
		}
		r.First += last
		m.note(c, r)
		last = r.end()
	}
}

// restoreHeld has a restored lease hold events which wait in line so far; false when they don't.
func (c *cursor) restoreHeld(by *lease, r Run) bool {
	for at := r.First; at < r.end(); at++ {
		l := c.order.of[at]
		if l == nil {
			return false
		}
		i, waits := slices.BinarySearch(l.waiting, at)
		if !waits {
			return false
		}
		l.waiting = slices.Delete(l.waiting, i, i+1)
		i, _ = slices.BinarySearchFunc(l.held, at, func(h heldEvent, at Offset) int { return int(h.offset) - int(at) })
		l.held = slices.Insert(l.held, i, heldEvent{at, by})
		c.arrange(l)
	}
	return true
}

func (t *dueTable) appendTo(b []byte) []byte {
	for _, tree := range []*btree.BTreeG[*dueBucket]{t.exact, t.hours} {
		b = binary.AppendUvarint(b, uint64(tree.Len()))
		tree.Ascend(func(bucket *dueBucket) bool {
			b = binary.AppendUvarint(b, uint64(bucket.at))
			b = binary.AppendUvarint(b, uint64(bucket.stream.id))
			b = bucket.dueRows.appendTo(b)
			return true
		})
	}
	return b
}

func (m *Machine) restoreDue(d *decoder) {
	for _, tree := range []*btree.BTreeG[*dueBucket]{m.due.exact, m.due.hours} {
		for range d.count("due buckets") {
			bucket := &dueBucket{at: Wall(d.bounded("due", 1<<62)), stream: m.streams[StreamID(d.uvarint("stream"))]}
			if bucket.stream == nil {
				d.fail("a stream that isn't there")
				return
			}
			st := bucket.stream
			bucket.dueRows = d.dueRows(st.next, func(row dueRow) {
				if row.offset >= st.dropped {
					st.undue.Add(uint64(row.offset))
				}
			})
			if _, twice := tree.ReplaceOrInsert(bucket); twice || bucket.n == 0 {
				d.fail("a due bucket")
				return
			}
			m.due.bytes += dueBucketBytes + uint64(len(bucket.rows)) + uint64(bucket.n)*dueRowBytes
		}
	}
}

// appendTo writes the rows that are left: the offsets before the first and of the last, their number, and their bytes.
func (q *dueRows) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(q.first))
	b = binary.AppendUvarint(b, uint64(q.last))
	b = binary.AppendUvarint(b, uint64(q.n))
	rest := q.rows[q.read:]
	b = binary.AppendUvarint(b, uint64(len(rest)))
	return append(b, rest...)
}

// dueRows reads rows of events below an offset, and shows each.
func (d *decoder) dueRows(below Offset, show func(dueRow)) (q dueRows) {
	q.first, q.last = Offset(d.uvarint("first due")), Offset(d.uvarint("last due"))
	q.n = d.count("due rows")
	q.rows = slices.Clone(d.bytes("due rows"))
	rows, at := decoder{b: q.rows}, q.first
	for range q.n {
		row := rows.dueRow(&at)
		if rows.err != nil || row.offset >= below || row.after > uint64(dueHour/dueGrain) {
			d.fail("a due row")
			return dueRows{}
		}
		show(row)
	}
	if len(rows.b) > 0 || q.n > 0 && at != q.last {
		d.fail("due rows")
		return dueRows{}
	}
	if q.n == 0 {
		q = dueRows{}
	}
	return q
}
