package partition

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"github.com/freshet-mq/freshet/proto/block"
)

func (st *stream) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(st.id))
	b = binary.AppendUvarint(b, uint64(st.next))
	b = binary.AppendUvarint(b, st.setVersion)
	b = binary.AppendUvarint(b, uint64(len(st.blocks)))
	for i := range st.blocks {
		ref := &st.blocks[i]
		b = appendRun(b, Run{ref.first, ref.count})
		b = binary.AppendUvarint(b, uint64(ref.index))
		b = binary.AppendUvarint(b, uint64(ref.section))
		b = binary.AppendUvarint(b, uint64(ref.stored))
		b = binary.AppendUvarint(b, uint64(len(ref.sizes)))
		for _, c := range ref.sizes {
			b = append(b, byte(c))
		}
	}
	b = binary.AppendUvarint(b, uint64(len(st.subscriptions)))
	for _, sub := range st.subscriptions {
		b = sub.SubscriptionConfig.append(b)
		b = binary.AppendUvarint(b, uint64(len(sub.cursors)))
		for _, c := range sub.cursors {
			b = c.appendTo(b)
		}
	}
	return b
}

func (m *Machine) restoreStream(d *decoder) {
	st := &stream{id: StreamID(d.uvarint("stream")), next: Offset(d.uvarint("next offset")), setVersion: d.uvarint("set version")}
	for range d.count("blocks") {
		r := d.run()
		ref := blockRef{
			first: r.First, count: r.Count, index: Index(d.uvarint("index")),
			section: uint32(d.bounded("section", 1<<32-1)), stored: Wall(d.uvarint("stored")),
		}
		for _, c := range d.bytes("sizes") {
			ref.sizes = append(ref.sizes, sizeClass(c))
		}
		if n := len(ref.sizes); ref.count == 0 || ref.count > block.EventsMax || n != 1 && n != int(ref.count) {
			d.fail("a block's events and sizes")
		}
		if n := len(st.blocks); n > 0 && st.blocks[n-1].end() != ref.first {
			d.fail("a block that doesn't follow the one before")
		}
		st.blocks = append(st.blocks, ref)
	}
	if n := len(st.blocks); n > 0 && st.blocks[n-1].end() != st.next {
		d.fail("the last block and the next offset")
	}
	if m.streams[st.id] != nil {
		d.fail("a stream twice")
		return
	}
	m.streams[st.id] = st
	m.streamOrder = append(m.streamOrder, st)
	for range d.count("subscriptions") {
		sub := &subscription{SubscriptionConfig: d.subscriptionConfig(), stream: st}
		st.subscriptions = append(st.subscriptions, sub)
		m.subscriptions[sub.ID] = sub
		for range d.count("cursors") {
			sub.cursors = append(sub.cursors, m.restoreCursor(d, sub))
		}
	}
}

func (c *cursor) appendTo(b []byte) []byte {
	b = appendString(b, c.member)
	b = binary.AppendUvarint(b, c.ordinal)
	b = binary.AppendUvarint(b, uint64(c.turn))
	b = appendSet(b, c.ready)
	b = appendSet(b, c.held)
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
		b = append(b, byte(l.reason))
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
	return b
}

func (m *Machine) restoreCursor(d *decoder, sub *subscription) *cursor {
	c := newCursor(sub, d.string("member"), d.uvarint("ordinal"))
	c.turn = int(d.bounded("turn", SessionsMax))
	c.ready, c.held = d.set("ready", sub.stream.next), d.set("held", sub.stream.next)
	for range d.count("tries") {
		at := Offset(d.uvarint("offset"))
		c.tries[at] = tries{
			attempts:    uint16(d.bounded("attempts", 1<<16-1)),
			undelivered: uint16(d.bounded("undelivered", 1<<16-1)),
		}
	}
	for range d.count("dead letters") {
		c.dead.ReplaceOrInsert(deadLetter{
			offset: Offset(d.uvarint("offset")), reason: DeadReason(d.byte("reason")),
			attempts: uint16(d.bounded("attempts", 1<<16-1)), died: Wall(d.uvarint("died")), detail: d.string("detail"),
		})
	}
	for range d.count("delayed") {
		e := delayedEvent{notBefore: Tick(d.uvarint("not before")), offset: Offset(d.uvarint("offset"))}
		c.delayed.ReplaceOrInsert(e)
		m.delays.ReplaceOrInsert(cursorDelay{e.notBefore, c.ordinal, c})
	}
	return c
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

// set reads a set whose members are below an offset.
func (d *decoder) set(what string, below Offset) *roaring64.Bitmap {
	set := roaring64.New()
	last := Offset(0)
	for range d.count(what) {
		r := d.run()
		if r.First > below-last || Offset(r.Count) > below-last-r.First {
			d.fail(what + " beyond the stream")
			break
		}
		r.First += last
		set.AddRange(uint64(r.First), uint64(r.end()))
		last = r.end()
	}
	return set
}
