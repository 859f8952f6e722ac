package partition

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
)

func (st *stream) kind() recordKind { return recordStream }
func (st *stream) number() uint64   { return st.age }

func (st *stream) appendTo(b []byte) []byte {
	for _, v := range []uint64{
		uint64(st.id), uint64(st.next), uint64(st.floor), uint64(st.dropped), st.bytes, uint64(st.lastStored), st.refLogBytes, st.setVersion,
	} {
		b = binary.AppendUvarint(b, v)
	}
	b = appendBool(b, st.refDue)
	b = appendBool(b, st.leaving)
	return st.retention.append(b)
}

func (r *restorer) stream(age uint64, d *decoder) {
	st := r.m.newStream(StreamID(d.uvarint("stream")), age)
	st.next, st.floor, st.dropped = Offset(d.bounded("next offset", 1<<62)), Offset(d.uvarint("floor")), Offset(d.uvarint("dropped"))
	st.bytes, st.lastStored = d.uvarint("bytes"), Wall(d.uvarint("last stored"))
	st.refLogBytes, st.setVersion = d.uvarint("log at the last reference"), d.uvarint("set version")
	st.refDue, st.leaving, st.retention = d.bool("reference due"), d.bool("leaving"), d.retention()
	if st.floor > st.next || st.dropped > st.next {
		d.fail("a floor beyond the stream")
	}
	if r.m.streams[st.id] != nil || age > r.m.lastStream {
		d.fail("a stream twice")
		return
	}
	r.streams[age], r.m.streams[st.id] = st, st
	r.m.streamOrder = append(r.m.streamOrder, st) // by age
}

// finishStreams derives what streams know of those who want their events.
func (r *restorer) finishStreams() {
	for _, st := range r.m.streamOrder {
		for _, sub := range st.subscriptions {
			for _, c := range sub.cursors {
				r.m.finishHindering(c)
				if c.leaving {
					r.m.leaving.ReplaceOrInsert(c)
				}
				for _, set := range append(c.sets(), c.later) {
					set.resum()
				}
				r.m.rest(c)
				st.setTaker(c)
				if at, ok := c.oldest(); ok {
					st.pin(c, at)
				}
			}
		}
		if st.repeats != nil {
			st.repeats.resum()
		}
		st.eachAside(func(a *aside) {
			if a.holders == 0 {
				r.mistake.fail("an event aside that nobody has")
			}
		})
		r.m.keep(st)
		r.m.age(st)
		r.m.stale(st)
	}
}

func (st *stream) pieces() []*pieces {
	return []*pieces{&st.refPieces, &st.sizes.pieces, &st.repeatPieces, &st.asidePieces}
}

func (st *stream) appendPiece(b []byte, kind recordKind, number uint64) []byte {
	switch kind { //nolint:exhaustive // a stream's own
	case recordSizes:
		return st.sizes.appendChunk(b, number)
	case recordRepeats:
		return st.appendRepeats(b, number)
	case recordAsides:
		return st.appendAsides(b, number)
	}
	for _, ref := range st.refsIn(number) {
		for _, v := range []uint64{uint64(ref.first), uint64(ref.index), uint64(ref.section), uint64(ref.stored), uint64(ref.prior), ref.bytes} {
			b = binary.AppendUvarint(b, v)
		}
	}
	return b
}

func (st *stream) eachPiece(kind recordKind, f func(number uint64)) {
	if kind == recordRepeats {
		if st.repeats != nil {
			eachPieceOf(st.repeats.Bitmap, st.repeatPieces.shift, f)
		}
		return
	}
	if kind == recordSizes {
		for _, number := range slices.Sorted(maps.Keys(st.sizes.chunks)) { // P9
			f(number)
		}
		return
	}
	last := ^uint64(0)
	if kind == recordAsides {
		st.eachAside(func(a *aside) {
			if number := uint64(a.offset) >> st.asidePieces.shift; number != last {
				f(number)
				last = number
			}
		})
		return
	}
	for i := range st.refs {
		if number := uint64(st.refs[i].first) >> st.refPieces.shift; number != last {
			f(number)
			last = number
		}
	}
}

// refsIn returns the references that begin in a piece.
func (st *stream) refsIn(number uint64) []blockRef {
	search := func(number uint64) int {
		at, _ := slices.BinarySearchFunc(st.refs, Offset(number<<st.refPieces.shift), func(r blockRef, at Offset) int { return cmp.Compare(r.first, at) })
		return at
	}
	return st.refs[search(number):search(number+1)]
}

func (r *restorer) refs(st *stream, number uint64, d *decoder) {
	if st == nil {
		d.fail("a stream that isn't there")
	}
	for len(d.b) > 0 {
		ref := blockRef{
			first: Offset(d.uvarint("first offset")), index: Index(d.uvarint("index")),
			section: uint32(d.bounded("section", 1<<32-1)), stored: Wall(d.uvarint("stored")), prior: Wall(d.uvarint("prior")),
			bytes: d.uvarint("bytes"),
		}
		if n := len(st.refs); ref.first >= st.next || uint64(ref.first)>>r.m.shifts.refs != number ||
			n > 0 && (st.refs[n-1].first >= ref.first || st.refs[n-1].index > ref.index) {
			d.fail("a reference that doesn't follow the one before")
			return
		}
		st.refs = append(st.refs, ref)
	}
}

func (t *sizeTable) appendChunk(b []byte, number uint64) []byte {
	c := t.chunks[number]
	if c == nil {
		return b
	}
	b = append(b, byte(c.class))
	for _, class := range c.sizes {
		b = append(b, byte(class))
	}
	return b
}

// sizes restores a chunk. Who has its events in hand is counted with the cursors.
func (r *restorer) sizes(st *stream, number uint64, d *decoder) {
	if st == nil || number > 1<<62/sizeChunkEvents {
		d.fail("a size chunk of nothing")
		return
	}
	c := st.sizes.add(&r.m.waiting, number, sizeClass(d.byte("size class")))
	if len(d.b) == 0 {
		return
	}
	for _, class := range d.raw("size classes", sizeChunkEvents) {
		c.sizes = append(c.sizes, sizeClass(class))
	}
	r.m.waiting.sizes += sizeChunkEvents
}

func (sub *subscription) kind() recordKind { return recordSubscription }
func (sub *subscription) number() uint64   { return sub.ordinal }

func (sub *subscription) appendTo(b []byte) []byte {
	b = sub.SubscriptionConfig.append(b)
	b = appendBool(b, sub.leaving)
	b = binary.AppendUvarint(b, uint64(len(sub.past)))
	for _, p := range sub.past {
		b = binary.AppendUvarint(b, uint64(p.until))
		b = appendString(b, p.pattern)
	}
	return b
}

func (r *restorer) subscription(ordinal uint64, d *decoder) {
	sub := &subscription{SubscriptionConfig: d.subscriptionConfig(), ordinal: ordinal, leaving: d.bool("leaving")}
	for range d.bounded("past patterns", PatternsMax) {
		sub.past = append(sub.past, pastPattern{Offset(d.uvarint("until")), d.string("pattern")})
	}
	sub.stream = r.m.streams[sub.Stream]
	if sub.stream == nil || r.m.subscriptions[sub.ID] != nil || ordinal > r.m.lastSubscription {
		d.fail("a subscription twice, or on a stream that isn't there")
		return
	}
	_, at := sub.stream.subscription(sub.ID)
	sub.stream.subscriptions = slices.Insert(sub.stream.subscriptions, at, sub)
	r.m.subscriptions[sub.ID] = sub
}
