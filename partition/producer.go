package partition

import (
	"container/list"

	"github.com/freshet-mq/freshet/proto/block"
)

// producerKey is a producer on a stream.
type producerKey struct {
	stream StreamID
	id     block.ProducerID
}

// producer is what the partition remembers of one, so that a block that is sent again is stored once.
//
// Sequences within an epoch are 1, 2, 3, ... A producer that isn't known and doesn't begin at 1 has been forgotten: whether its
// block was stored can't be told, and it is refused rather than perhaps stored twice.
type producer struct {
	mark
	key   producerKey
	epoch uint32
	last  uint64
	// answers to the last blocks, by ascending sequence and without gaps.
	answers []producerAnswer
	// element in the order of use; used is the number of its last use, and ordinal its place among the producers there ever were.
	element       *list.Element
	used, ordinal uint64
}

// producerAnswer is where a block went.
type producerAnswer struct {
	first Offset
	count uint32
}

// producers of a partition, bounded: the one that has been silent for longest goes first.
type producers struct {
	byKey map[producerKey]*producer
	// order from the most to the least recently used. It is walked, the map never is (P9).
	order *list.List
	// lastUse and lastOrdinal were given last.
	lastUse, lastOrdinal uint64
	changes              *changes
}

func newProducers() producers {
	return producers{byKey: map[producerKey]*producer{}, order: list.New()}
}

// check tells whether a block may be stored: Done, or the answer that it gets instead.
func (ps *producers) check(st StreamID, p block.Producer) (Result, bool) {
	if p.ID == (block.ProducerID{}) {
		return Result{}, true
	}
	known := ps.byKey[producerKey{st, p.ID}]
	switch {
	case known == nil || p.Epoch > known.epoch:
		if p.Sequence != 1 {
			return Result{Refused: RefusedExpired, Sequence: 1}, false
		}
		return Result{}, true
	case p.Epoch < known.epoch:
		return Result{Refused: RefusedFenced}, false
	case p.Sequence == known.last+1:
		return Result{}, true
	case p.Sequence > known.last:
		return Result{Refused: RefusedSequence, Sequence: known.last + 1}, false
	}
	ps.use(known)
	back := known.last - p.Sequence
	if p.Sequence == 0 || back >= uint64(len(known.answers)) {
		return Result{Refused: RefusedExpired, Sequence: known.last + 1}, false
	}
	a := known.answers[uint64(len(known.answers))-1-back]
	return Result{First: a.first, Count: a.count, Duplicate: true}, false
}

// stored remembers where a block went.
func (ps *producers) stored(st StreamID, p block.Producer, first Offset, count uint32) {
	if p.ID == (block.ProducerID{}) {
		return
	}
	key := producerKey{st, p.ID}
	known := ps.byKey[key]
	if known == nil {
		known = &producer{key: key}
		ps.add(known)
	}
	if p.Epoch != known.epoch {
		known.epoch, known.answers = p.Epoch, nil
	}
	known.last = p.Sequence
	if len(known.answers) == AnswersMax {
		known.answers = append(known.answers[:0], known.answers[1:]...)
	}
	known.answers = append(known.answers, producerAnswer{first, count})
	ps.use(known)
}

// use makes a producer the one that was used last.
func (ps *producers) use(p *producer) {
	ps.lastUse++
	p.used = ps.lastUse
	ps.order.MoveToFront(p.element)
	ps.changes.add(p)
}

func (ps *producers) add(p *producer) {
	if len(ps.byKey) >= ProducersMax {
		oldest := ps.order.Remove(ps.order.Back()).(*producer) //nolint:forcetypeassert // the list holds nothing else
		delete(ps.byKey, oldest.key)
		ps.changes.drop(oldest)
	}
	ps.lastOrdinal++
	p.ordinal = ps.lastOrdinal
	p.element = ps.order.PushFront(p)
	ps.byKey[p.key] = p
}
