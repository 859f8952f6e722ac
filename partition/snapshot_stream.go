package partition

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
)

func (st *stream) appendTo(b []byte) []byte {
	for _, v := range []uint64{
		uint64(st.id), uint64(st.next), uint64(st.floor), uint64(st.dropped), st.bytes, uint64(st.lastStored), st.refLogBytes, st.setVersion,
	} {
		b = binary.AppendUvarint(b, v)
	}
	b = appendBool(b, st.refDue)
	b = appendBool(b, st.leaving)
	b = st.retention.append(b)
	b = binary.AppendUvarint(b, uint64(len(st.refs)))
	for i := range st.refs {
		ref := &st.refs[i]
		for _, v := range []uint64{uint64(ref.first), uint64(ref.index), uint64(ref.section), uint64(ref.stored), uint64(ref.prior), ref.bytes} {
			b = binary.AppendUvarint(b, v)
		}
	}
	b = st.sizes.appendTo(b)
	b = binary.AppendUvarint(b, uint64(len(st.subscriptions)))
	for _, sub := range st.subscriptions {
		b = sub.SubscriptionConfig.append(b)
		b = appendBool(b, sub.leaving)
		b = binary.AppendUvarint(b, uint64(len(sub.past)))
		for _, p := range sub.past {
			b = binary.AppendUvarint(b, uint64(p.until))
			b = appendString(b, p.pattern)
		}
		b = binary.AppendUvarint(b, uint64(len(sub.cursors)))
		for _, c := range sub.cursors {
			b = c.appendTo(b)
		}
	}
	return b
}

func (m *Machine) restoreStream(d *decoder) {
	st := &stream{
		id: StreamID(d.uvarint("stream")), next: Offset(d.bounded("next offset", 1<<62)),
		floor: Offset(d.uvarint("floor")), dropped: Offset(d.uvarint("dropped")),
		bytes: d.uvarint("bytes"), lastStored: Wall(d.uvarint("last stored")),
		refLogBytes: d.uvarint("log at the last reference"), setVersion: d.uvarint("set version"),
		refDue: d.bool("reference due"), leaving: d.bool("leaving"), retention: d.retention(), undue: roaring64.New(),
	}
	if st.floor > st.next || st.dropped > st.next {
		d.fail("a floor beyond the stream")
	}
	for range d.count("references") {
		ref := blockRef{
			first: Offset(d.uvarint("first offset")), index: Index(d.uvarint("index")),
			section: uint32(d.bounded("section", 1<<32-1)), stored: Wall(d.uvarint("stored")), prior: Wall(d.uvarint("prior")),
			bytes: d.uvarint("bytes"),
		}
		if n := len(st.refs); ref.first >= st.next || n > 0 && (st.refs[n-1].first >= ref.first || st.refs[n-1].index > ref.index) {
			d.fail("a reference that doesn't follow the one before")
		}
		st.refs = append(st.refs, ref)
	}
	st.sizes.restore(d, &m.waiting)
	if m.streams[st.id] != nil {
		d.fail("a stream twice")
		return
	}
	m.streams[st.id] = st
	m.streamOrder = append(m.streamOrder, st)
	for range d.count("subscriptions") {
		m.restoreSubscription(d, st)
	}
	m.keep(st)
	m.age(st)
	m.stale(st)
}

func (m *Machine) restoreSubscription(d *decoder, st *stream) {
	sub := &subscription{SubscriptionConfig: d.subscriptionConfig(), stream: st, leaving: d.bool("leaving")}
	for range d.bounded("past patterns", PatternsMax) {
		sub.past = append(sub.past, pastPattern{Offset(d.uvarint("until")), d.string("pattern")})
	}
	st.subscriptions = append(st.subscriptions, sub)
	m.subscriptions[sub.ID] = sub
	for range d.count("cursors") {
		c := m.restoreCursor(d, sub)
		sub.cursors = append(sub.cursors, c)
		if d.err != nil {
			return
		}
		st.setTaker(c)
		if at, ok := c.oldest(); ok {
			st.pin(c, at)
		}
	}
}

func (c *cursor) appendTo(b []byte) []byte {
	b = appendString(b, c.member)
	b = binary.AppendUvarint(b, c.ordinal)
	b = binary.AppendUvarint(b, uint64(c.turn))
	b = appendBool(b, c.leaving)
	b = binary.AppendUvarint(b, uint64(c.used))
	b = append(b, byte(c.reach))
	for _, v := range []uint64{uint64(c.frontier), uint64(c.resume), c.dropped, c.unread, uint64(c.truncatedAt)} {
		b = binary.AppendUvarint(b, v)
	}
	b = appendSet(b, c.ready)
	b = appendSet(b, c.held)
	if c.reach == reachClosing {
		b = appendSet(b, c.ahead)
	}
	b = appendSet(b, c.later)
	b = binary.AppendUvarint(b, uint64(len(c.tries)))
	for _, at := range slices.Sorted(maps.Keys(c.tries)) { // P9
		t := c.tries[at]
		b = binary.AppendUvarint(b, uint64(at))
		b = binary.AppendUvarint(b, uint64(t.attempts))
		b = binary.AppendUvarint(b, uint64(t.undelivered))
	}
	b = binary.AppendUvarint(b, uint64(c.dead.Len()))
	c.dead.Ascend(func(l deadLetter) bool {
		b = binary.AppendUvarint(b, uint64(l.offset))
		b = append(b, byte(l.reason), byte(l.size))
		if c.order != nil {
			b = binary.LittleEndian.AppendUint64(b, l.key)
		}
		b = binary.AppendUvarint(b, uint64(l.attempts))
		b = binary.AppendUvarint(b, uint64(l.died))
		b = appendString(b, l.detail)
		return true
	})
	b = binary.AppendUvarint(b, uint64(c.delayed.Len()))
	c.delayed.Ascend(func(e delayedEvent) bool {
		b = binary.AppendUvarint(b, uint64(e.notBefore))
		b = binary.AppendUvarint(b, uint64(e.offset))
		return true
	})
	if c.order != nil {
		b = c.appendOrder(b)
	}
	return b
}

func (m *Machine) restoreCursor(d *decoder, sub *subscription) *cursor {
	c := newCursor(sub, d.string("member"), d.uvarint("ordinal"))
	c.turn = int(d.bounded("turn", SessionsMax))
	if c.leaving, c.used = d.bool("leaving"), Wall(d.bounded("used", 1<<60)); c.leaving {
		c.order = nil
	}
	if c.reach = reach(d.byte("reach")); c.reach > reachClosing {
		d.fail("reach")
	}
	c.frontier, c.resume = Offset(d.uvarint("frontier")), Offset(d.uvarint("resume"))
	c.dropped, c.unread, c.truncatedAt = d.uvarint("dropped"), d.uvarint("unread"), Offset(d.uvarint("truncated at"))
	if max(c.frontier, c.resume) > sub.stream.next || c.reach == reachClosing && c.frontier >= c.resume {
		d.fail("a frontier beyond the stream")
	}
	c.ready, c.held = m.restoreSet(d, "ready", sub.stream), m.restoreSet(d, "held", sub.stream)
	if c.reach == reachClosing {
		c.ahead = m.restoreSet(d, "ahead", sub.stream)
	}
	m.restoreLater(d, c)
	for range d.count("tries") {
		at := Offset(d.uvarint("offset"))
		c.tries[at] = tries{
			attempts:    uint16(d.bounded("attempts", 1<<16-1)),
			undelivered: uint16(d.bounded("undelivered", 1<<16-1)),
		}
	}
	for range d.count("dead letters") {
		l := deadLetter{offset: Offset(d.uvarint("offset")), reason: DeadReason(d.byte("reason")), size: sizeClass(d.byte("size class"))}
		if c.order != nil {
			l.key = d.u64("key hash")
		}
		l.attempts, l.died, l.detail = uint16(d.bounded("attempts", 1<<16-1)), Wall(d.uvarint("died")), d.string("detail")
		c.dead.ReplaceOrInsert(l)
	}
	for range d.count("delayed") {
		e := delayedEvent{notBefore: Tick(d.uvarint("not before")), offset: Offset(d.uvarint("offset"))}
		c.delayed.ReplaceOrInsert(e)
		m.delays.ReplaceOrInsert(cursorDelay{e.notBefore, c.ordinal, c})
	}
	if c.order != nil {
		m.restoreOrder(d, c)
	}
	return c
}

// appendTo writes a table's chunks: their number, then for each its own number, the class, and the classes if they differ.
func (t *sizeTable) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(t.chunks)))
	for _, key := range slices.Sorted(maps.Keys(t.chunks)) { // P9
		c := t.chunks[key]
		b = binary.AppendUvarint(b, key)
		b = append(b, byte(c.class))
		b = binary.AppendUvarint(b, uint64(len(c.sizes)))
		for _, class := range c.sizes {
			b = append(b, byte(class))
		}
	}
	return b
}

// restore reads a table. Who has its events in hand is counted with the cursors.
func (t *sizeTable) restore(d *decoder, w *waiting) {
	for range d.count("size chunks") {
		key := d.bounded("size chunk", 1<<62/sizeChunkEvents)
		class := sizeClass(d.byte("size class"))
		sizes := d.bytes("size classes")
		if n := len(sizes); n != 0 && n != sizeChunkEvents || t.chunks[key] != nil {
			d.fail("a size chunk")
			return
		}
		c := t.add(w, key, class)
		for _, class := range sizes {
			c.sizes = append(c.sizes, sizeClass(class))
		}
		w.sizes += uint64(len(sizes))
	}
}

// appendSet writes a set of offsets as runs: their number, then for each the distance from the end of the one before, and its length. A bitmap's
// own form depends on how it came about, this one only on what is in it (P9).
func appendSet(b []byte, set *roaring64.Bitmap) []byte {
	var runs []Run
	rows := rowReader{it: set.ManyIterator()}
	for row := rows.peek(); row.Count > 0; row = rows.peek() {
		runs = joinRun(runs, row)
		rows.skip(row.Count)
	}
	b = binary.AppendUvarint(b, uint64(len(runs)))
	last := Offset(0)
	for _, r := range runs {
		b = appendRun(b, Run{r.First - last, r.Count})
		last = r.end()
	}
	return b
}

// restoreSet reads a set of events that a cursor has in hand, and counts them. Their sizes must be known.
func (m *Machine) restoreSet(d *decoder, what string, st *stream) *roaring64.Bitmap {
	set := roaring64.New()
	last := Offset(0)
	for range d.count(what) {
		r := d.run()
		if r.First > st.next-last || Offset(r.Count) > st.next-last-r.First {
			d.fail(what + " beyond the stream")
			break
		}
		r.First += last
		if !st.sizes.has(r) {
			d.fail(what + " has events whose sizes aren't known")
			break
		}
		set.AddRange(uint64(r.First), uint64(r.end()))
		st.sizes.recount(&m.waiting, r)
		last = r.end()
	}
	return set
}
