package partition

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"github.com/freshet-mq/freshet/raftlog"
)

// What changed since the last checkpoint is known here, so that the next one costs what changed and not what there is.
//
// The state is a set of records (snapshot.go has the table). A part is a thing with a record of its own: a stream, a cursor, a session, a lease.
// What is large about a part is cut into pieces by number, of which each has a record too: a cursor's waiting events by offsets, say.
// Whoever changes a part says m.changed(part), and whoever changes something in a piece says pieces.mark(number); that is all.
//
//	changed, mark            Checkpoint                      raftlog
//	----------------> list ---------------> records -------------------> durable, added to those before
//	   ended          + gone                (nil: gone)
//
// To add a kind of state: a number in recordKind; the type's number, kind, appendTo and a mark field, so that it is a part, or a pieces field
// in the part that it belongs to, with its case in that one's appendPiece and eachPiece; a line in Machine.eachPart; a case in
// restorer.record. TestRandom compares, all the time, what is gathered from changes with the whole state: what isn't marked, it finds.

// recordKind is the first byte of a record's key. Records are restored in the order of their keys: a kind is above those that it refers to.
type recordKind byte

const (
	recordMachine      recordKind = 0x01
	recordStream       recordKind = 0x10
	recordRefs         recordKind = 0x11
	recordSizes        recordKind = 0x12
	recordRepeats      recordKind = 0x13
	recordDue          recordKind = 0x18
	recordAsides       recordKind = 0x19
	recordSubscription recordKind = 0x20
	recordCursor       recordKind = 0x30
	recordEvents       recordKind = 0x31
	recordDelayed      recordKind = 0x32
	recordDead         recordKind = 0x33
	recordLater        recordKind = 0x34
	recordLate         recordKind = 0x35
	recordAside        recordKind = 0x36
	recordSession      recordKind = 0x40
	recordLease        recordKind = 0x48
	recordProducer     recordKind = 0x50
	recordGeneration   recordKind = 0x58
	recordDedupIDs     recordKind = 0x59
	// recordCopy isn't of the state: a replica keeps its copies of events beside it (copier.go).
	recordCopy recordKind = 0x70
)

// part is something of the state that has a record.
type part interface {
	marked() *mark
	kind() recordKind
	// number tells it from others of its kind. It never returns.
	number() uint64
	appendTo(b []byte) []byte
}

// pieced is a part of which something is recorded piece by piece.
type pieced interface {
	part
	pieces() []*pieces
	// appendPiece writes what there is in a piece; nothing when it is empty.
	appendPiece(b []byte, kind recordKind, number uint64) []byte
	// eachPiece calls f for the pieces that aren't empty, in ascending order.
	eachPiece(kind recordKind, f func(number uint64))
}

// mark is a part's place in the list of changes.
type mark struct {
	at int32 // one more than its position; 0: it isn't in it
	// saved: the last checkpoint has a record of it.
	saved bool
}

func (k *mark) marked() *mark { return k }

// changes since the last checkpoint.
type changes struct {
	parts []part
	// gone has the keys of records whose parts are gone; those of leases, which may be very many, by number.
	gone       [][]byte
	goneLeases roaring64.Bitmap
}

// changed has the next checkpoint record a part anew.
func (m *Machine) changed(p part) { m.changes.add(p) }

func (c *changes) add(p part) {
	if k := p.marked(); k.at == 0 {
		c.parts = append(c.parts, p)
		k.at = int32(len(c.parts))
	}
}

// ended has the next checkpoint remove a part that is no more, with all of its pieces.
func (m *Machine) ended(p part) { m.changes.drop(p) }

func (c *changes) drop(p part) {
	k := p.marked()
	c.remove(k)
	if k.saved {
		if p.kind() == recordLease {
			c.goneLeases.Add(p.number())
		} else {
			c.gone = append(c.gone, appendRecordKey(nil, p.kind(), p.number()))
		}
	}
	if p, ok := p.(pieced); ok {
		for _, ps := range p.pieces() {
			ps.saved.each(func(number uint64) { c.gone = append(c.gone, appendPieceKey(nil, ps.kind, p.number(), number)) })
		}
	}
}

// remove takes a part out of the list: its place is filled by the last one.
func (c *changes) remove(k *mark) {
	if k.at == 0 {
		return
	}
	last := len(c.parts) - 1
	c.parts[k.at-1] = c.parts[last]
	c.parts[k.at-1].marked().at = k.at
	c.parts[last] = nil
	c.parts = c.parts[:last]
	k.at = 0
}

// pieces notes which pieces of a part changed. A piece is what belongs to 1<<shift numbers in a row.
type pieces struct {
	changes *changes
	owner   pieced
	kind    recordKind
	shift   uint8
	// last is one more than the piece that was marked last: the same one is marked again and again.
	last uint64
	// dirty pieces changed, and saved ones have a record in the last checkpoint.
	dirty, saved numbers
}

// numbers is a set that takes no memory while it is empty.
type numbers struct{ set *roaring64.Bitmap }

func (n *numbers) add(number uint64) {
	if n.set == nil {
		n.set = roaring64.New()
	}
	n.set.Add(number)
}

// take takes a number out, and tells whether it was in.
func (n *numbers) take(number uint64) bool {
	if n.set == nil || !n.set.CheckedRemove(number) {
		return false
	}
	if n.set.IsEmpty() {
		n.set = nil
	}
	return true
}

func (n *numbers) each(f func(uint64)) {
	if n.set != nil {
		for it := n.set.Iterator(); it.HasNext(); {
			f(it.Next())
		}
	}
}

// mark says that something changed at a number.
func (p *pieces) mark(at uint64) {
	if at >>= p.shift; at+1 == p.last {
		return
	}
	p.last = at + 1
	p.dirty.add(at)
	p.changes.add(p.owner)
}

// markRange says that something changed from a number up to another.
func (p *pieces) markRange(from, to uint64) {
	if from >= to {
		return
	}
	first, last := from>>p.shift, (to-1)>>p.shift
	if first == last {
		p.mark(from)
		return
	}
	for ; first < last; first++ { // of a run: few
		p.dirty.add(first)
	}
	p.mark(to - 1)
}

// offsetSet is a set of offsets that marks what changes in it, and keeps a sum of what it has (hash.go).
type offsetSet struct {
	// Bitmap is for reading, and for functions that only read.
	*roaring64.Bitmap
	pieces *pieces
	sum    uint64
}

func newOffsetSet(p *pieces) *offsetSet { return &offsetSet{Bitmap: roaring64.New(), pieces: p} }

// Add puts an offset in.
func (s *offsetSet) Add(at uint64) {
	s.pieces.mark(at)
	if s.CheckedAdd(at) {
		s.sum += spanSum(at, at+1)
	}
}

// AddRange puts offsets from one up to another in.
func (s *offsetSet) AddRange(from, to uint64) {
	s.pieces.markRange(from, to)
	s.sum += spanSum(from, to) - s.sumWithin(from, to)
	s.Bitmap.AddRange(from, to)
}

// Remove takes an offset out.
func (s *offsetSet) Remove(at uint64) {
	s.pieces.mark(at)
	if s.CheckedRemove(at) {
		s.sum -= spanSum(at, at+1)
	}
}

// RemoveRange takes offsets from one up to another out.
func (s *offsetSet) RemoveRange(from, to uint64) {
	if s.IsEmpty() {
		return
	}
	s.pieces.markRange(max(from, s.Minimum()), min(to, s.Maximum()+1))
	s.sum -= s.sumWithin(from, to)
	s.Bitmap.RemoveRange(from, to)
}

// Or puts another set's offsets in.
func (s *offsetSet) Or(other *offsetSet) {
	other.touch()
	s.Bitmap.Or(other.Bitmap)
	s.resum()
}

// addRun is AddRange for offsets of which none is in the set.
func (s *offsetSet) addRun(r Run) {
	from, to := uint64(r.First), uint64(r.end())
	s.pieces.markRange(from, to)
	s.sum += spanSum(from, to)
	if r.Count > shortRun {
		s.Bitmap.AddRange(from, to)
		return
	}
	for at := from; at < to; at++ {
		s.Bitmap.Add(at)
	}
}

// moveAll puts all that is in the set into another of the same pieces, which has none of it.
func (s *offsetSet) moveAll(to *offsetSet) {
	s.pieces.markRange(s.Minimum(), s.Maximum()+1)
	to.sum, s.sum = to.sum+s.sum, 0
	if to.IsEmpty() {
		s.Bitmap, to.Bitmap = to.Bitmap, s.Bitmap
		return
	}
	to.Bitmap.Or(s.Bitmap)
	s.Bitmap.Clear()
}

// removeRun is RemoveRange for offsets that are all in the set.
func (s *offsetSet) removeRun(r Run) {
	from, to := uint64(r.First), uint64(r.end())
	s.pieces.markRange(from, to)
	s.sum -= spanSum(from, to)
	if r.Count > shortRun {
		s.Bitmap.RemoveRange(from, to)
		return
	}
	for at := from; at < to; at++ {
		s.Bitmap.Remove(at)
	}
}

// addRuns is addRun for runs in order, which is quicker than each by itself where they are short.
func (s *offsetSet) addRuns(runs []Run, scratch []uint64) []uint64 {
	scratch = scratch[:0]
	for _, r := range runs {
		if r.Count > shortRun {
			s.addRun(r)
			continue
		}
		from, to := uint64(r.First), uint64(r.end())
		s.pieces.markRange(from, to)
		s.sum += spanSum(from, to)
		for at := from; at < to; at++ {
			scratch = append(scratch, at)
		}
	}
	s.AddMany(scratch)
	return scratch
}

// removeRuns is removeRun for runs in order that have so many events. Mostly a cursor's events are leased and settled in the order in which they came: then
// the set has nothing else between the first and the last of them, and all of that goes at once.
func (s *offsetSet) removeRuns(runs []Run, events uint64) {
	if len(runs) == 1 {
		s.removeRun(runs[0])
		return
	}
	from, to := uint64(runs[0].First), uint64(runs[len(runs)-1].end())
	if s.Rank(to-1)-s.rankBefore(from) != events {
		for _, r := range runs {
			s.removeRun(r)
		}
		return
	}
	for _, r := range runs {
		s.pieces.markRange(uint64(r.First), uint64(r.end()))
		s.sum -= spanSum(uint64(r.First), uint64(r.end()))
	}
	s.Bitmap.RemoveRange(from, to)
}

// rankBefore is how many members lie before an offset.
func (s *offsetSet) rankBefore(at uint64) uint64 {
	if at == 0 {
		return 0
	}
	return s.Rank(at - 1)
}

// shortRun is how many events in a row are put into a set one by one, which is quicker than as a range.
const shortRun = 3

// touch marks all that is in the set, which is about to go.
func (s *offsetSet) touch() {
	eachPieceOf(s.Bitmap, s.pieces.shift, func(number uint64) { s.pieces.mark(number << s.pieces.shift) })
}

// eachPieceOf calls f for the pieces in which a set has members.
func eachPieceOf(set *roaring64.Bitmap, shift uint8, f func(number uint64)) {
	for it := set.Iterator(); it.HasNext(); {
		number := it.Next() >> shift
		f(number)
		it.AdvanceIfNeeded((number + 1) << shift)
	}
}

// Keys are the kind, the part's number and, of a piece, that of the piece; big endian, so that they sort by them.
func appendRecordKey(b []byte, kind recordKind, number uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, byte(kind)), number)
}

func appendPieceKey(b []byte, kind recordKind, number, piece uint64) []byte {
	return binary.BigEndian.AppendUint64(appendRecordKey(b, kind, number), piece)
}

// recordWriter gathers records, whose bytes lie one behind the other in a few large slices.
type recordWriter struct {
	records []raftlog.Record
	arena   []byte
}

const arenaBytes = 256 << 10

// room returns the arena, with enough room that most records don't make it grow.
func (w *recordWriter) room() []byte {
	if cap(w.arena)-len(w.arena) < 4<<10 {
		w.arena = make([]byte, 0, arenaBytes)
	}
	return w.arena
}

// add cuts a record off the arena: the key begins at start and ends where the value begins.
func (w *recordWriter) add(arena []byte, start, value int) {
	w.arena = arena
	w.records = append(w.records, raftlog.Record{
		Key: arena[start:value:value], Value: arena[value:len(arena):len(arena)],
	})
}

func (w *recordWriter) part(p part) {
	b := w.room()
	start := len(b)
	b = appendRecordKey(b, p.kind(), p.number())
	value := len(b)
	w.add(p.appendTo(b), start, value)
}

// piece adds a piece's record, if there is anything in it, and tells whether there was.
func (w *recordWriter) piece(p pieced, kind recordKind, number uint64) bool {
	b := w.room()
	start := len(b)
	b = appendPieceKey(b, kind, p.number(), number)
	value := len(b)
	if b = p.appendPiece(b, kind, number); len(b) == value {
		w.arena = b[:start]
		return false
	}
	w.add(b, start, value)
	return true
}

func (w *recordWriter) gone(key []byte) {
	w.records = append(w.records, raftlog.Record{Key: key})
}

// take returns records of what changed, and forgets that it did.
func (c *changes) take() []raftlog.Record {
	w := recordWriter{records: make([]raftlog.Record, 0, len(c.parts)+len(c.gone))}
	for _, p := range c.parts {
		w.part(p)
		*p.marked() = mark{saved: true}
		if p, ok := p.(pieced); ok {
			for _, ps := range p.pieces() {
				w.changedPieces(p, ps)
			}
		}
	}
	for _, key := range c.gone {
		w.gone(key)
	}
	for it := c.goneLeases.Iterator(); it.HasNext(); {
		w.gone(appendRecordKey(nil, recordLease, it.Next()))
	}
	c.forget()
	return w.records
}

func (w *recordWriter) changedPieces(p pieced, ps *pieces) {
	ps.dirty.each(func(number uint64) {
		switch {
		case w.piece(p, ps.kind, number):
			ps.saved.add(number)
		case ps.saved.take(number):
			w.gone(appendPieceKey(nil, ps.kind, p.number(), number))
		}
	})
	ps.last, ps.dirty = 0, numbers{}
}

// forget empties the lists.
func (c *changes) forget() {
	clear(c.parts)
	c.parts, c.gone = c.parts[:0], nil
	if cap(c.parts) > changesKept {
		c.parts = nil
	}
	c.goneLeases = roaring64.Bitmap{}
}

// changesKept is how long a list of changes is kept for the next time.
const changesKept = 1 << 16

// saved says that a whole state was just made into records, or restored from them: nothing has changed since.
func (m *Machine) saved() {
	m.eachPart(func(p part) {
		*p.marked() = mark{saved: true}
		owner, ok := p.(pieced)
		if !ok {
			return
		}
		for _, ps := range owner.pieces() {
			ps.last, ps.dirty, ps.saved = 0, numbers{}, numbers{}
			owner.eachPiece(ps.kind, func(number uint64) { ps.saved.add(number) })
		}
	})
	m.changes.forget()
}

// records returns the whole state, in the order of the keys.
func (m *Machine) records() []raftlog.Record {
	var w recordWriter
	m.eachPart(func(p part) {
		w.part(p)
		if p, ok := p.(pieced); ok {
			for _, ps := range p.pieces() {
				p.eachPiece(ps.kind, func(number uint64) { w.piece(p, ps.kind, number) })
			}
		}
	})
	slices.SortFunc(w.records, func(a, b raftlog.Record) int { return bytes.Compare(a.Key, b.Key) })
	return w.records
}
