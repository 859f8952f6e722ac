package partition

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/google/btree"

	"github.com/freshet-mq/freshet/proto/block"
)

// eventsBlock makes a block of events.
func eventsBlock(tb testing.TB, producer block.Producer, events []block.Event) []byte {
	tb.Helper()
	var w block.Writer
	if err := w.Reset(block.Options{Producer: producer}); err != nil {
		tb.Fatal(err)
	}
	for i := range events {
		if err := w.Append(&events[i]); err != nil {
			tb.Fatal(err)
		}
	}
	b, err := w.Finish(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// checkOrder asserts that an ordered cursor's lines have what it has in hand, that each is held by one holder (P8), and that it stands where those
// find it who may have its next event.
func checkOrder(c *cursor) error {
	o := c.order
	inHand, free, lines := roaring64.Or(c.ready.Bitmap, c.held.Bitmap), 0, map[*line]bool{}
	if n := len(o.of); uint64(n) != inHand.GetCardinality() {
		return fmt.Errorf("%d events are in line, %d in hand", n, inHand.GetCardinality())
	}
	for at, l := range o.of {
		if lines[l] = true; !inHand.Contains(uint64(at)) || slices.Contains(l.waiting, at) == slices.ContainsFunc(l.held, func(h heldEvent) bool { return h.offset == at }) {
			return fmt.Errorf("offset %d isn't in its line: %v", at, l)
		}
	}
	for l := range lines {
		if err := checkLine(c, l); err != nil {
			return fmt.Errorf("line %x, waiting %v, held %v: %w", l.key, l.waiting, l.held, err)
		}
		if l.in == &o.free {
			free++
		}
	}
	if free != len(o.free.lines) {
		return fmt.Errorf("%d lines are free, %d are listed", free, len(o.free.lines))
	}
	for key, l := range o.lines {
		if key != l.key || !lines[l] {
			return fmt.Errorf("a line of key %x that nothing is in: %v", key, l)
		}
	}
	var ahead []Offset
	for _, e := range o.ahead {
		ahead = append(ahead, e.offset)
	}
	if c.ahead != nil && !slices.Equal(ahead, offsetsOf(c.ahead)) || c.ahead == nil && len(ahead) > 0 {
		return fmt.Errorf("the keys of %v are kept, %v is ahead", ahead, c.ahead)
	}
	return nil
}

func checkLine(c *cursor, l *line) error {
	if !slices.IsSorted(l.waiting) || !slices.IsSortedFunc(l.held, func(a, b heldEvent) int { return int(a.offset) - int(b.offset) }) {
		return fmt.Errorf("not sorted")
	}
	if l.key != 0 && c.order.lines[l.key] != l {
		return fmt.Errorf("isn't found by its key")
	}
	for _, at := range l.waiting {
		if c.delayed.Len() == 0 && !c.ready.Contains(uint64(at)) {
			return fmt.Errorf("offset %d waits and isn't ready", at)
		}
	}
	for _, h := range l.held {
		if h.lease.session != l.held[0].lease.session || h.lease.session == nil && h.lease.epoch != l.held[0].lease.epoch && h.lease.delivery == 0 {
			return fmt.Errorf("P8: is held by two")
		}
		if !slices.ContainsFunc(h.lease.runs, func(r EventRun) bool { return r.First <= h.offset && h.offset < r.end() }) {
			return fmt.Errorf("offset %d isn't under its lease", h.offset)
		}
	}
	if len(l.held) > OrderedHeldMax {
		return fmt.Errorf("%d events are held", len(l.held))
	}
	var in *lineHeap
	if len(l.waiting) > 0 && c.ready.Contains(uint64(l.waiting[0])) {
		switch n := len(l.held); {
		case n == 0:
			in = &c.order.free
		case n < OrderedHeldMax && l.held[n-1].lease.session != nil && l.held[n-1].offset < l.waiting[0]:
			in = &l.held[0].lease.session.more
		}
	}
	if l.in != in || in != nil && in.lines[l.at] != l {
		return fmt.Errorf("is offered to the wrong ones")
	}
	return nil
}

// checkDue asserts that the table has every event that isn't due, that nothing else is noted, and counts its bytes.
func checkDue(m *Machine) error {
	bytes := uint64(0)
	undue, due := map[*stream]*roaring64.Bitmap{}, map[*stream]*roaring64.Bitmap{}
	for _, st := range m.streamOrder {
		undue[st], due[st] = roaring64.New(), roaring64.New()
	}
	rows := func(q dueRows, show func(dueRow)) {
		for q.n > 0 {
			row, size := q.pop()
			bytes += size
			show(row)
		}
	}
	for _, tree := range []*btree.BTreeG[*dueBucket]{m.due.exact, m.due.hours} {
		tree.Ascend(func(b *dueBucket) bool {
			bytes += dueBucketBytes + uint64(b.n)*dueRowBytes
			rows(b.dueRows, func(row dueRow) {
				due[b.stream].Add(uint64(row.offset)) // also what is aside, which a retention doesn't drop
				if row.offset >= b.stream.dropped {
					undue[b.stream].Add(uint64(row.offset))
				}
			})
			return true
		})
	}
	for _, st := range m.streamOrder {
		if !undue[st].Equals(st.undue) {
			return fmt.Errorf("stream %d: %v aren't due, %v are in the table", st.id, st.undue, undue[st])
		}
		laters := 0
		for _, sub := range st.subscriptions {
			for _, c := range sub.cursors {
				noted := due[st].Clone()
				if c.order != nil {
					rows(c.order.late, func(row dueRow) { noted.Add(uint64(row.offset)) })
				}
				bytes += c.later.GetCardinality() * dueNoteBytes
				if !c.later.IsEmpty() {
					laters++
				}
				if roaring64.AndNot(c.later.Bitmap, noted).GetCardinality() > 0 {
					return fmt.Errorf("cursor %v waits for %v, of which %v are to come", c.id(), c.later, noted)
				}
				if !c.leaving && (c.ready.Intersects(st.undue) || c.held.Intersects(st.undue)) { // one that leaves gives to nobody
					return fmt.Errorf("cursor %v has events in hand that aren't due: ready %v, held %v, undue %v", c.id(), c.ready, c.held, st.undue)
				}
			}
		}
		if laters != len(st.laters) {
			return fmt.Errorf("stream %d: %d cursors wait for events to be due, %d are listed", st.id, laters, len(st.laters))
		}
	}
	if bytes != m.due.bytes {
		return fmt.Errorf("what isn't due is booked with %d bytes, and takes %d", m.due.bytes, bytes)
	}
	return nil
}

func offsetsOf(set *offsetSet) (list []Offset) {
	for it := set.Iterator(); it.HasNext(); {
		list = append(list, Offset(it.Next()))
	}
	return list
}

// TestOrderedReadsTheLog: an ordered queue that begins with the oldest event is filled from the log, no further than it may look ahead, and its consumers get
// each key in order; an event that isn't due waits, though it is read from the log.
func TestOrderedReadsTheLog(t *testing.T) {
	const total, keys = 300, 7
	p := openPartition(t, t.TempDir())
	p.replica.look(func(m *Machine) { m.lookAheadMax = 16 })
	for from := 0; from < total; from += 60 {
		list := make([]block.Event, 60)
		for i := range list {
			list[i] = block.Event{Data: fmt.Appendf(nil, `{"key":%d,"n":%d}`, (from+i)%keys, from+i), Key: fmt.Sprint((from + i) % keys)}
		}
		if from == 60 {
			list[3].DeliverAtMillis = time.Now().Add(200 * time.Millisecond).UnixMilli()
		}
		if _, err := p.Publish(t.Context(), Publication{Stream: 1, Block: eventsBlock(t, block.Producer{}, list)}); err != nil {
			t.Fatal(err)
		}
	}
	c := earliest("")
	c.Ordered = true
	if err := p.PutSubscription(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	one := consume(t, p, "ana", CursorID{Subscription: 11}, 5)
	one.take(total)
	last := map[int]int{}
	for _, e := range one.got {
		var key, n int
		if _, err := fmt.Sscanf(e, `{"key":%d,"n":%d}`, &key, &n); err != nil {
			t.Fatal(err)
		}
		if n == 63 {
			continue // the one that was to be delivered later
		}
		if before, some := last[key]; some && n != before+keys && n != before+2*keys {
			t.Errorf("P8: key %d: event %d after %d", key, n, before)
		}
		last[key] = n
	}
	if len(one.got) != total {
		t.Errorf("%d events came", len(one.got))
	}
	if n := p.Counts(11); n.Delayed+n.Blocked+n.Ready+n.Leased != 0 {
		t.Errorf("left: %+v", n)
	}
}
