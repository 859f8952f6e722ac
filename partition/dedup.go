package partition

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/freshet-mq/freshet/proto/block"
)

// An event with a dedup id repeats the first that was stored with the same id on its stream within the window, and is answered with that
// one's offset. It is stored like any event, since its block is one piece and offsets are dense (P1), and is settled from the
// start: no subscription gets it, near or far.
//
// The ids of a window may be many, and most publishes ask for ids that nobody has seen. So who asks first is the leader, before it proposes, off
// the apply path; what it found goes along with the block (Repeats), and through which entry it had looked (Checked). When the
// block is applied only ids of later entries are looked for. Ids are therefore kept by generations:
//
//	oldest                                               newest
//	+------------+------------+-- ... --+------------+------------+
//	| frozen     | frozen     |         | frozen     | growing    |
//	+------------+------------+-- ... --+------------+------------+
//	 \__ the leader looks here, without a lock, __/   \_ applying looks here, and in what
//	     since they never change                          froze after the leader looked
//
// A generation is frozen at the end of the entry with which it is full, or a sixteenth of the window old, and goes as a whole when the newest
// of its ids is out of the window. So an id is remembered for the window, and for at most a sixteenth longer.
//
// The keys are half a SHA-256 each: nobody makes two ids that are taken for one another.
type dedupIDs struct {
	// generations, the oldest first. The last grows; there is none until the first id comes.
	generations []*generation
	// count of ids in all of them.
	count int
	// changes is the machine's, and lastGeneration the number of the generation that was begun last.
	changes        *changes
	lastGeneration uint64
	// idsMax is DedupIDsMax, and generationIDs how many fill a generation; tests make them small.
	idsMax, generationIDs int
}

// generation is the ids of some entries in a row.
type generation struct {
	mark
	ordinal uint64
	// idPieces by positions in ids: what froze isn't recorded again.
	idPieces pieces
	// began is when its first id came, and ended its last, by the partition clock; through is the entry that brought the last.
	began, ended Tick
	through      Index
	// ids in the order in which they came.
	ids []dedupID
	// places finds an id by a part of its hash; more has those whose part another has taken.
	places map[uint64]uint32
	more   map[dedupKey]uint32
}

// dedupKey is a dedup id on a stream.
type dedupKey struct {
	stream StreamID
	hash   block.DedupHash
}

// dedupID is an id, and where the event that brought it is.
type dedupID struct {
	key dedupKey
	at  Offset
}

// part is what places goes by. A stream's number is spread so that the same id on two streams has two places.
func (k *dedupKey) part() uint64 {
	high, low := bits.Mul64(uint64(k.stream), 0x9e3779b97f4a7c15)
	return binary.LittleEndian.Uint64(k.hash[:8]) ^ low ^ high
}

func (g *generation) find(k *dedupKey) (at Offset, found bool) {
	i, found := g.places[k.part()]
	if found && g.ids[i].key != *k {
		i, found = g.more[*k]
	}
	if !found {
		return 0, false
	}
	return g.ids[i].at, true
}

func (g *generation) add(id dedupID) {
	part := id.key.part()
	if _, taken := g.places[part]; !taken {
		g.places[part] = uint32(len(g.ids))
	} else {
		if g.more == nil {
			g.more = map[dedupKey]uint32{}
		}
		g.more[id.key] = uint32(len(g.ids))
	}
	g.ids = append(g.ids, id)
}

// frozen returns the generations that don't change any more, which may be looked into without a lock, and through which entry they go.
func (d *dedupIDs) frozen() (list []*generation, through Index) {
	if n := len(d.generations); n > 1 {
		list = append(list, d.generations[:n-1]...)
		through = list[n-2].through
	}
	return list, through
}

// findIn looks for an id, the newest generation first.
func findIn(generations []*generation, k *dedupKey) (at Offset, found bool) {
	for _, g := range slices.Backward(generations) {
		if at, found = g.find(k); found {
			return at, true
		}
	}
	return 0, false
}

// since returns the generations with ids of later entries, and in any case the one that grows; false when they are more than applying looks into.
func (d *dedupIDs) since(checked Index) ([]*generation, bool) {
	list := d.generations
	for len(list) > 1 && list[0].through <= checked {
		list = list[1:]
	}
	return list, len(list) <= dedupLiveMax
}

// check tells whether the ids of a block can be settled: RefusedUnchecked and RefusedDedupFull, or Done.
func (d *dedupIDs) check(b *block.Block, checked Index) Refusal {
	if !b.HasDedupIDs() {
		return Done
	}
	if _, ok := d.since(checked); !ok {
		return RefusedUnchecked
	}
	if d.count+b.Len() > d.idsMax {
		return RefusedDedupFull
	}
	return Done
}

// repeats returns which events of a block repeat another: by the leader's verdict, by what came after it had looked, or by an event before them in
// the block. With add, the ids of the others are remembered.
func (m *Machine) repeats(st *stream, b *block.Block, s *blockSection, first Offset, add bool) (list []Repeat) {
	if !b.HasDedupIDs() {
		return nil
	}
	if add && len(m.dedup.generations) == 0 {
		m.dedup.begin()
	}
	later, _ := m.dedup.since(s.Checked) // with it the generation that grows
	verdict := s.Repeats
	for i := range b.Len() {
		key := dedupKey{stream: st.id, hash: b.DedupHash(i)}
		if key.hash == (block.DedupHash{}) {
			continue
		}
		for len(verdict) > 0 && verdict[0].Event < uint32(i) {
			verdict = verdict[1:]
		}
		var at Offset
		found := len(verdict) > 0 && verdict[0].Event == uint32(i)
		if found {
			at = verdict[0].First
		} else {
			at, found = findIn(later, &key)
		}
		switch own := first + Offset(i); {
		case found && at != own:
			list = append(list, Repeat{uint32(i), at})
		case !found && add:
			m.dedup.remember(dedupID{key, own}, m.clock, m.applied)
		}
	}
	return list
}

func (d *dedupIDs) begin() {
	d.lastGeneration++
	g := d.newGeneration(d.lastGeneration)
	d.changes.add(g)
	d.generations = append(d.generations, g)
}

func (d *dedupIDs) newGeneration(ordinal uint64) *generation {
	g := &generation{ordinal: ordinal, places: map[uint64]uint32{}}
	g.idPieces = pieces{changes: d.changes, owner: g, kind: recordDedupIDs, shift: dedupPieceShift}
	return g
}

func (d *dedupIDs) remember(id dedupID, now Tick, index Index) {
	g := d.generations[len(d.generations)-1]
	if len(g.ids) == 0 {
		g.began = now
	}
	g.add(id)
	g.ended, g.through = now, index
	g.idPieces.mark(uint64(len(g.ids) - 1))
	d.count++
}

// turn freezes the generation that grows when it is time for that. It has nothing yet of the entry that is being applied, or all, so that
// generations part at entries.
func (d *dedupIDs) turn(now Tick) {
	if n := len(d.generations); n > 0 {
		g := d.generations[n-1]
		if len(g.ids) >= d.generationIDs || len(g.ids) > 0 && now-g.began >= dedupWindow/dedupGenerations {
			d.begin()
		}
	}
}

// expire forgets the generations that are out of the window. The one that grows takes no more ids than in its time, however long nothing came.
func (d *dedupIDs) expire(now Tick, applying Index) {
	if n := len(d.generations); n > 0 && d.generations[n-1].through != applying {
		d.turn(now)
	}
	for len(d.generations) > 1 && d.generations[0].over(now) {
		d.count -= len(d.generations[0].ids)
		d.changes.drop(d.generations[0])
		d.generations[0] = nil
		d.generations = d.generations[1:] // beginning one moves the rest to a new array at times
	}
}

func (g *generation) over(now Tick) bool { return g.ended+dedupWindow <= now }

// keptBack is which of a block's n events are to be offered, a bit each; nil for all.
func keptBack(list []Repeat, n int) []uint64 {
	if len(list) == 0 {
		return nil
	}
	words := make([]uint64, (n+63)/64)
	for i := range n {
		words[i/64] |= 1 << (i % 64)
	}
	for _, r := range list {
		words[r.Event/64] &^= 1 << (r.Event % 64)
	}
	return words
}

// note remembers which offsets are repeats, for as long as the log may be read for a fill.
func (st *stream) note(list []Repeat, first Offset) {
	if len(list) == 0 {
		return
	}
	if st.repeats == nil {
		st.repeats = newOffsetSet(&st.repeatPieces)
	}
	for _, r := range list {
		st.repeats.Add(uint64(first) + uint64(r.Event))
	}
}

// fresh appends the parts of a run that repeat nothing.
func (st *stream) fresh(list []sizedRun, r *sizedRun) []sizedRun {
	from := r.First
	part := func(to Offset) {
		if from < to {
			list = append(list, r.part(uint32(from-r.First), uint32(to-from)))
		}
	}
	if st.repeats != nil {
		it := st.repeats.Iterator()
		for it.AdvanceIfNeeded(uint64(from)); it.HasNext() && it.PeekNext() < uint64(r.end()); {
			at := Offset(it.Next())
			part(at)
			from = at + 1
		}
	}
	part(r.end())
	return list
}
