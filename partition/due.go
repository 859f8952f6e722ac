package partition

import (
	"encoding/binary"
	"slices"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/google/btree"

	"github.com/freshet-mq/freshet/proto/block"
)

// dueTable keeps the events whose deliver-at lies ahead, by wall time W, until it is reached.
//
// Who gets an event is decided when it is stored, like any other's; only it doesn't become ready. It goes into the table once, for its
// whole stream, and every cursor that matches it notes its offset (cursor.later): a bit or two, however many cursors there are. A
// cursor that reads it from the log while it isn't due does the same (stream.undue tells), so fills needn't know about time.
//
//	  more than an hour ahead           up to an hour ahead                                  W reaches the time
//	hours: a bucket an hour ----> exact: a bucket a tenth of a second ----> for each cursor that noted the offset: ready
//	       opened 10 min before                                             (an ordered one without room: late, until it has)
//
// Within a bucket an event is a row of 4 to 16 bytes, with all that the machine must know of it when it is due: its size, and its key's
// hash. So nothing is read from the log for it, and a million events due within a week take some 10 MB. When the table has taken its
// bytes (DelayedBytesMax), blocks with such events are refused. At most so much falls due in an entry (dueWorkMax); the rest does in the next,
// which is due at once.
//
// No event is given to anybody before W has reached its deliver-at, rounded up to a tenth of a second. W is the leader's wall
// clock as entries have it (readClock): it may run late, never early by more than the leader's does.
type dueTable struct {
	exact, hours *btree.BTreeG[*dueBucket]
	// changes is the machine's, and lastBucket the number of the bucket that was made last.
	changes    *changes
	lastBucket uint64
	// bytes that all buckets and late rows take, and what cursors noted.
	bytes uint64
}

// dueGrain is the grain of deliver-at, in milliseconds. Coarser has fewer buckets and fewer entries that only carry time, finer is prompter.
const dueGrain Wall = 100

const (
	dueHour Wall = 60 * 60 * 1000
	// dueOpenAhead is how long before its hour a bucket of an hour is sorted into exact ones.
	dueOpenAhead = 10 * 60 * 1000
	// dueBucketBytes is what a bucket is counted with beside its rows, dueRowBytes an event's bit in stream.undue, and dueNoteBytes one in cursor.later.
	dueBucketBytes = 192
	dueRowBytes    = 4
	dueNoteBytes   = 2
)

// dueBucket is a stream's events that are due at a time, or within the hour that begins then.
type dueBucket struct {
	mark
	ordinal uint64
	at      Wall
	stream  *stream
	// hour: it is one of hours.
	hour bool
	dueRows
}

func dueLess(a, b *dueBucket) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	return a.stream.id < b.stream.id
}

func newDueTable(changes *changes) dueTable {
	return dueTable{changes: changes, exact: btree.NewG(btreeDegree, dueLess), hours: btree.NewG(btreeDegree, dueLess)}
}

// dueAt returns when an event may be delivered, by W; 0 for at once.
func dueAt(deliverAtMillis int64) Wall {
	return (Wall(deliverAtMillis) + dueGrain - 1) / dueGrain * dueGrain
}

// isLater tells whether a block has events that aren't due.
func (m *Machine) isLater(b *block.Block) bool {
	for i := 0; b.HasDeliverAt() && i < b.Len(); i++ {
		if dueAt(b.DeliverAtMillis(i)) > m.wall {
			return true
		}
	}
	return false
}

// postpone puts the events of a block that aren't due into the table.
func (m *Machine) postpone(st *stream, a *arrival, position uint32) {
	if !a.block.HasDeliverAt() {
		return
	}
	for i := range a.block.Len() {
		at := dueAt(a.block.DeliverAtMillis(i))
		if at <= m.wall || len(a.words) > 0 && a.words[i/64]>>(i%64)&1 == 0 {
			continue
		}
		row := dueRow{offset: a.first + Offset(i), class: classOf(a.block.EventSize(i)), key: a.block.KeyHash(i)}
		st.undue.Add(uint64(row.offset))
		m.due.add(st, at, row, m.wall)
		if at-m.wall > dueHour { // the log needn't wait for it
			m.offerAside(st, &aside{offset: row.offset, first: a.first, index: m.applied, section: position, size: row.class})
		}
	}
}

// undueOf counts those of a block's events that aren't due; words as in offer.
func (st *stream) undueOf(a *arrival, words []uint64) (n uint64) {
	it := st.undue.Iterator()
	for it.AdvanceIfNeeded(uint64(a.first)); it.HasNext(); {
		i := it.Next() - uint64(a.first)
		if all := words == nil; all || words[i/64]>>(i%64)&1 == 1 {
			n++
		}
	}
	return n
}

// add puts an event into the bucket of its time.
func (t *dueTable) add(st *stream, at Wall, row dueRow, now Wall) {
	tree, bucket := t.exact, at
	if at-now > dueHour {
		tree, bucket = t.hours, at/dueHour*dueHour
	}
	row.after = uint64((at - bucket) / dueGrain)
	b, ok := tree.Get(&dueBucket{at: bucket, stream: st})
	if !ok {
		t.lastBucket++
		b = &dueBucket{ordinal: t.lastBucket, at: bucket, stream: st, hour: tree == t.hours}
		tree.ReplaceOrInsert(b)
		t.bytes += dueBucketBytes
	}
	t.bytes += b.push(row) + dueRowBytes
	t.changes.add(b)
}

// pop takes the first event out of a bucket that isn't empty, and the bucket out of its tree when it is the last.
func (t *dueTable) pop(tree *btree.BTreeG[*dueBucket], b *dueBucket) dueRow {
	row, size := b.pop()
	t.bytes -= size + dueRowBytes
	if t.changes.add(b); b.n == 0 {
		tree.Delete(b)
		t.bytes -= dueBucketBytes
		t.changes.drop(b)
	}
	return row
}

// fallDue makes the events ready whose time W has reached. What it does in one entry is bounded (P10: the rest is due at once).
func (m *Machine) fallDue() {
	t := &m.due
	for range dueMovedMax {
		b, ok := t.hours.Min()
		if !ok || b.at-dueOpenAhead > m.wall {
			break
		}
		row := t.pop(t.hours, b)
		t.add(b.stream, b.at+Wall(row.after)*dueGrain, row, b.at+dueHour) // an exact one
	}
	for work := 0; work < dueWorkMax; {
		b, ok := t.exact.Min()
		if !ok || b.at > m.wall {
			break
		}
		work += 1 + len(b.stream.laters)
		row := t.pop(t.exact, b)
		b.stream.undue.Remove(uint64(row.offset))
		for i := 0; i < len(b.stream.laters); {
			c := b.stream.laters[i]
			if c.later.Contains(uint64(row.offset)) {
				m.fellDue(c, row)
			}
			if i < len(b.stream.laters) && b.stream.laters[i] == c { // it may have left the list
				i++
			}
		}
	}
}

// fellDue makes an event ready for a cursor that noted it. When an ordered one's look-ahead is full, it stays noted.
func (m *Machine) fellDue(c *cursor, row dueRow) {
	m.touch(c)
	if c.order != nil && c.order.used() >= m.lookAheadMax {
		m.due.bytes += c.order.late.push(row)
		c.latePieces.mark(0)
		return
	}
	m.bringDue(c, row)
}

func (m *Machine) bringDue(c *cursor, row dueRow) {
	c.later.Remove(uint64(row.offset)) // not by unnote, which counts all
	c.laterInLog.Remove(uint64(row.offset))
	m.due.bytes -= dueNoteBytes
	c.subscription.stream.setLater(c)
	m.add(c, sizedRun{Run: Run{row.offset, 1}, Classes: []sizeClass{row.class}, Keys: []uint64{row.key}})
}

// pullLate makes late events ready for which there is room now. Those that were dropped meanwhile aren't noted any more.
func (m *Machine) pullLate(c *cursor) {
	for c.order.late.n > 0 && c.order.used() < m.lookAheadMax {
		row, size := c.order.late.pop()
		c.latePieces.mark(0)
		m.due.bytes -= size
		if c.later.Contains(uint64(row.offset)) {
			m.bringDue(c, row)
		}
	}
}

// dueFull tells whether so much waits to be due that nobody reads on: fills might bring more of it. Blocks with such events are refused long before.
func (m *Machine) dueFull() bool { return m.due.bytes > 2*m.delayedBytesMax }

// readOn has late events join their lines, and has the far cursors looked at when, by that or before in this entry, there is room again for what they
// may find.
func (m *Machine) readOn(wasFull bool) {
	for _, d := range m.dirty {
		if c := d.cursor; c.order != nil && !c.leaving {
			m.pullLate(c)
		}
	}
	if !wasFull || m.dueFull() {
		return
	}
	for _, st := range m.streamOrder {
		for _, sub := range st.subscriptions {
			for _, c := range sub.cursors {
				if c.reach != reachNear && !c.leaving {
					m.touch(c)
				}
			}
		}
	}
}

// note has a cursor get events when they are due.
func (m *Machine) note(c *cursor, r Run) {
	c.later.addRun(r)
	m.due.bytes += uint64(r.Count) * dueNoteBytes
	c.laterInLog.AddRange(uint64(r.First), uint64(r.end()))
	c.subscription.stream.setLater(c)
}

// unnote has a cursor not wait for events any more, from one offset to another, and says how many it waited for.
func (m *Machine) unnote(c *cursor, from, to Offset) (n uint64) {
	if c.later.IsEmpty() {
		return 0
	}
	before := c.later.GetCardinality()
	c.later.RemoveRange(uint64(from), uint64(to))
	c.laterInLog.RemoveRange(uint64(from), uint64(to))
	n = before - c.later.GetCardinality()
	m.due.bytes -= n * dueNoteBytes
	c.subscription.stream.setLater(c)
	return n
}

// forgetLater has a cursor that leaves wait for nothing.
func (m *Machine) forgetLater(c *cursor) { m.unnote(c, 0, ^Offset(0)) }

// removeStream takes out what a stream has. It looks at every bucket, of which there are as many as DelayedBytesMax has room for.
func (t *dueTable) removeStream(st *stream) {
	for _, tree := range []*btree.BTreeG[*dueBucket]{t.exact, t.hours} {
		var going []*dueBucket
		tree.Ascend(func(b *dueBucket) bool {
			if b.stream == st {
				going = append(going, b)
			}
			return true
		})
		for _, b := range going {
			tree.Delete(b)
			t.bytes -= dueBucketBytes + b.size() + uint64(b.n)*dueRowBytes
			t.changes.drop(b)
		}
	}
}

// setLater keeps the list of cursors that noted events.
func (st *stream) setLater(c *cursor) {
	at, is := slices.BinarySearchFunc(st.laters, c, compareOrdinal)
	switch wanted := !c.later.IsEmpty(); {
	case wanted && !is:
		st.laters = slices.Insert(st.laters, at, c)
	case !wanted && is:
		st.laters = slices.Delete(st.laters, at, at+1)
	}
}

// bring has a cursor get matching events, which it looks at for the first time: those that aren't due are noted, the others become ready.
func (m *Machine) bring(c *cursor, r sizedRun) {
	undue := c.subscription.stream.undue
	if undue.IsEmpty() || undue.Maximum() < uint64(r.First) {
		m.add(c, r)
		return
	}
	for from := uint32(0); from < r.Count; {
		later, to := undue.Contains(uint64(r.First)+uint64(from)), from+1
		for to < r.Count && undue.Contains(uint64(r.First)+uint64(to)) == later {
			to++
		}
		if part := r.part(from, to-from); later {
			m.note(c, part.Run)
			m.takeAside(c, part.Run)
		} else {
			m.add(c, part)
		}
		from = to
	}
}

// joinAhead makes what is ahead of a gap that has closed ready, or notes it.
func (m *Machine) joinAhead(c *cursor) {
	ahead, undue := c.ahead, c.subscription.stream.undue
	c.ahead = nil
	ahead.touch()
	if later := roaring64.And(ahead.Bitmap, undue); !later.IsEmpty() {
		ahead.AndNot(later)
		m.letGo(c, later)
		rows := rowReader{it: later.ManyIterator()}
		for row := rows.peek(); row.Count > 0; row = rows.peek() {
			m.note(c, row)
			m.takeAside(c, row)
			rows.skip(row.Count)
		}
	}
	c.ready.Or(ahead)
	if c.order == nil {
		return
	}
	keyed := c.order.ahead
	c.order.ahead = nil
	for _, e := range keyed {
		if ahead.Contains(uint64(e.offset)) {
			m.enqueue(c, e.offset, e.key)
		}
	}
}

// next returns the wall time at which something falls due, or is to be sorted.
func (t *dueTable) next() (at Wall, ok bool) {
	if b, some := t.exact.Min(); some {
		at, ok = b.at, true
	}
	if b, some := t.hours.Min(); some && (!ok || b.at-dueOpenAhead < at) {
		at, ok = b.at-dueOpenAhead, true
	}
	return at, ok
}

// tickOf returns the partition clock's reading when W reaches a time, if W goes on as T does. While W stands still it is asked for no more than
// ten times a second.
func (m *Machine) tickOf(at Wall) Tick {
	switch {
	case at <= m.wall:
		return m.clock
	case m.lagging:
		return m.clock.deadlineAfter(Tick(at - m.wall))
	}
	return m.clock + Tick(at-m.wall)
}

// dueRow is an event that isn't due yet.
type dueRow struct {
	offset Offset
	// after the bucket's time, in dueGrain.
	after uint64
	class sizeClass
	key   uint64
}

// dueRows is a queue of rows. A row is
//
//	varint offset - offset of the row before | uvarint after × 2 + has a key | u8 size class | u64 key hash, if it has one
type dueRows struct {
	rows []byte
	// read bytes of rows are of rows that went; n rows are left.
	read, n int
	// first and last are the offsets before the first row that is left, and of the last.
	first, last Offset
}

// size returns the bytes of the rows that are left.
func (q *dueRows) size() uint64 { return uint64(len(q.rows) - q.read) }

// push adds a row, and says how many bytes it takes.
func (q *dueRows) push(row dueRow) uint64 {
	before := len(q.rows)
	q.rows = binary.AppendVarint(q.rows, int64(row.offset-q.last))
	q.last = row.offset
	if row.key == 0 {
		q.rows = binary.AppendUvarint(q.rows, row.after*2)
		q.rows = append(q.rows, byte(row.class))
	} else {
		q.rows = binary.AppendUvarint(q.rows, row.after*2+1)
		q.rows = append(q.rows, byte(row.class))
		q.rows = binary.LittleEndian.AppendUint64(q.rows, row.key)
	}
	q.n++
	return uint64(len(q.rows) - before)
}

// pop takes the first row. There must be one.
func (q *dueRows) pop() (row dueRow, size uint64) {
	d := decoder{b: q.rows[q.read:]}
	row = d.dueRow(&q.first)
	size = uint64(len(q.rows) - q.read - len(d.b))
	q.read += int(size)
	if q.n--; q.n == 0 {
		*q = dueRows{}
	} else if q.read > len(q.rows)/2 { // give the memory back
		q.rows, q.read = slices.Clone(q.rows[q.read:]), 0
	}
	return row, size
}

func (d *decoder) dueRow(last *Offset) (row dueRow) {
	*last += Offset(d.varint("distance"))
	row.offset = *last
	after := d.uvarint("time in the hour")
	row.after = after / 2
	row.class = sizeClass(d.byte("size class"))
	if after%2 == 1 {
		row.key = d.u64("key hash")
	}
	return row
}
