package partition

import (
	"encoding/binary"

	"github.com/freshet-mq/freshet/proto/block"
)

func (g *generation) kind() recordKind { return recordGeneration }
func (g *generation) number() uint64   { return g.ordinal }

func (g *generation) appendTo(b []byte) []byte {
	for _, v := range []uint64{uint64(g.began), uint64(g.ended), uint64(g.through)} {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

func (g *generation) pieces() []*pieces { return []*pieces{&g.idPieces} }

func (g *generation) appendPiece(b []byte, _ recordKind, number uint64) []byte {
	from, to := number<<dedupPieceShift, min((number+1)<<dedupPieceShift, uint64(len(g.ids)))
	for i := range g.ids[min(from, to):to] {
		id := &g.ids[from:to][i]
		b = binary.AppendUvarint(b, uint64(id.key.stream))
		b = append(b, id.key.hash[:]...)
		b = binary.AppendUvarint(b, uint64(id.at))
	}
	return b
}

func (g *generation) eachPiece(_ recordKind, f func(number uint64)) {
	for number := uint64(0); number<<dedupPieceShift < uint64(len(g.ids)); number++ {
		f(number)
	}
}

func (r *restorer) generation(ordinal uint64, d *decoder) {
	of := &r.m.dedup
	g := of.newGeneration(ordinal)
	g.began, g.ended = Tick(d.bounded("began", 1<<62)), Tick(d.bounded("ended", 1<<62))
	g.through = Index(d.uvarint("through"))
	if ordinal > of.lastGeneration {
		d.fail("a generation that wasn't begun")
	}
	of.generations = append(of.generations, g) // by ordinal
	r.generations[ordinal] = g
}

func (r *restorer) dedupIDs(g *generation, number uint64, d *decoder) {
	if g == nil || uint64(len(g.ids)) != number<<dedupPieceShift {
		d.fail("dedup ids out of place")
		return
	}
	for len(d.b) > 0 && len(g.ids)>>dedupPieceShift == int(number) {
		id := dedupID{key: dedupKey{stream: StreamID(d.uvarint("stream"))}}
		copy(id.key.hash[:], d.raw("dedup hash", uint64(len(block.DedupHash{}))))
		if id.at = Offset(d.uvarint("offset")); d.err != nil {
			return
		}
		g.add(id)
		r.m.dedup.count++
	}
}

// appendRepeats writes a piece of the offsets that repeat others as runs, each by the distance from the end of the one before, and its length.
func (st *stream) appendRepeats(b []byte, number uint64) []byte {
	if st.repeats == nil {
		return b
	}
	shift := st.repeatPieces.shift
	var runs []Run
	it := st.repeats.Iterator()
	for it.AdvanceIfNeeded(number << shift); it.HasNext() && it.PeekNext() < (number+1)<<shift; {
		runs = joinRun(runs, Run{Offset(it.Next()), 1})
	}
	last := Offset(number << shift)
	for _, r := range runs {
		b = appendRun(b, Run{r.First - last, r.Count})
		last = r.end()
	}
	return b
}

func (r *restorer) repeats(st *stream, number uint64, d *decoder) {
	if st == nil {
		d.fail("a stream that isn't there")
		return
	}
	if st.repeats == nil {
		st.repeats = newOffsetSet(&st.repeatPieces)
	}
	last := Offset(number << st.repeatPieces.shift)
	limit := min(st.next, Offset((number+1)<<st.repeatPieces.shift))
	for len(d.b) > 0 {
		row := d.run()
		if last > limit || row.First > limit-last || Offset(row.Count) > limit-last-row.First {
			d.fail("repeats beyond the stream")
			return
		}
		row.First += last
		st.repeats.Bitmap.AddRange(uint64(row.First), uint64(row.end()))
		last = row.end()
	}
}
