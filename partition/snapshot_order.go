package partition

import (
	"encoding/binary"
	"slices"

	"github.com/google/btree"
)

// keyedRestored is an event of an ordered cursor that is to be put into its line.
type keyedRestored struct {
	cursor *cursor
	offset Offset
	key    uint64
}

// inHand returns the offsets of a piece that an ordered cursor has ready or holds, ascending.
func (c *cursor) inHand(from, to uint64) (offsets []uint64) {
	for _, set := range []*offsetSet{c.ready, c.held} {
		it := set.Iterator()
		for it.AdvanceIfNeeded(from); it.HasNext() && it.PeekNext() < to; {
			offsets = append(offsets, it.Next())
		}
	}
	slices.Sort(offsets)
	return offsets
}

// appendKeys writes the hashes of the keys of what an ordered cursor has in hand of a piece. Its lines follow from those, and from the leases.
func (c *cursor) appendKeys(b []byte, from, to uint64) []byte {
	for _, at := range c.inHand(from, to) {
		b = binary.LittleEndian.AppendUint64(b, c.order.of[Offset(at)].key)
	}
	return b
}

// appendAheadKeys writes those of what is ahead of a gap.
func (c *cursor) appendAheadKeys(b []byte, from, to uint64) []byte {
	for _, e := range c.order.ahead {
		if uint64(e.offset) >= from && uint64(e.offset) < to {
			b = binary.LittleEndian.AppendUint64(b, e.key)
		}
	}
	return b
}

func (r *restorer) keys(c *cursor, from, to uint64, d *decoder) {
	for _, at := range c.inHand(from, to) {
		if d.err != nil {
			return
		}
		r.keyed = append(r.keyed, keyedRestored{c, Offset(at), d.u64("key hash")})
	}
}

func (c *cursor) restoreAheadKeys(from, to uint64, d *decoder) {
	it := c.ahead.Iterator()
	for it.AdvanceIfNeeded(from); it.HasNext() && it.PeekNext() < to && d.err == nil; {
		c.order.ahead = append(c.order.ahead, keyedEvent{Offset(it.Next()), d.u64("key hash")})
	}
}

// appendLater writes what the cursor noted of some offsets; nothing when there is nothing.
func (c *cursor) appendLater(b []byte, from, to uint64) []byte {
	start := len(b)
	if b, some := c.appendSet(b, c.later.Bitmap, from, to); some {
		return b
	}
	return b[:start]
}

func (r *restorer) later(c *cursor, number uint64, d *decoder) {
	if c == nil {
		d.fail("a cursor that isn't there")
		return
	}
	from := Offset(number << c.laterPieces.shift)
	last, limit := from, min(c.subscription.stream.next, from+1<<c.laterPieces.shift)
	for range d.count("later") {
		row := d.run()
		if last > limit || row.First > limit-last || Offset(row.Count) > limit-last-row.First {
			d.fail("later beyond the stream")
			return
		}
		row.First += last
		if c.tried(row) {
			d.fail("later what was tried")
			return
		}
		r.m.note(c, row)
		last = row.end()
	}
	if d.byte("tries") != 0 { // what was never given wasn't tried
		d.fail("tries of what is later")
	}
}

// tried tells whether any event of a row was given to somebody before.
func (c *cursor) tried(row Run) bool {
	if len(c.tries) == 0 {
		return false
	}
	for at := row.First; at < row.end(); at++ {
		if _, tried := c.tries[at]; tried {
			return true
		}
	}
	return false
}

func (r *restorer) late(c *cursor, d *decoder) {
	if c == nil || c.order == nil {
		d.fail("a cursor that isn't there, or isn't ordered")
		return
	}
	c.order.late = d.dueRows(c.subscription.stream.next, func(dueRow) {})
	r.m.due.bytes += uint64(len(c.order.late.rows))
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

func (b *dueBucket) kind() recordKind { return recordDue }
func (b *dueBucket) number() uint64   { return b.ordinal }

func (b *dueBucket) appendTo(to []byte) []byte {
	to = binary.AppendUvarint(to, uint64(b.at))
	to = binary.AppendUvarint(to, b.stream.age)
	to = appendBool(to, b.hour)
	return b.dueRows.appendTo(to)
}

// each calls f for every bucket.
func (t *dueTable) each(f func(*dueBucket)) {
	for _, tree := range []*btree.BTreeG[*dueBucket]{t.exact, t.hours} {
		tree.Ascend(func(b *dueBucket) bool {
			f(b)
			return true
		})
	}
}

func (r *restorer) due(ordinal uint64, d *decoder) {
	t := &r.m.due
	b := &dueBucket{ordinal: ordinal, at: Wall(d.bounded("due", 1<<62)), stream: r.streams[d.uvarint("stream")]}
	if b.stream == nil || ordinal > t.lastBucket {
		d.fail("a stream that isn't there")
		return
	}
	tree := t.exact
	if b.hour = d.bool("hour"); b.hour {
		tree = t.hours
	}
	st := b.stream
	b.dueRows = d.dueRows(st.next, func(row dueRow) {
		if row.offset >= st.dropped {
			st.undue.Add(uint64(row.offset))
		}
	})
	if _, twice := tree.ReplaceOrInsert(b); twice || b.n == 0 {
		d.fail("a due bucket")
		return
	}
	t.bytes += dueBucketBytes + uint64(len(b.rows)) + uint64(b.n)*dueRowBytes
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
