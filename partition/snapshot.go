package partition

import (
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/freshet-mq/freshet/raftlog"
)

// A checkpoint is the state of a machine as a set of records, by which a replica starts again without the entries before. Keys are drawn in
// changes.go. Values, whose numbers are varints and whose lists begin with their length:
//
//	machine 0              version, applied, term, clock, wall, expired, log bytes; the last number given of streams, subscriptions, cursors, leases,
//	                       sessions, producers and their uses, due buckets, generations; state level, the last hashes
//	stream age             id, next, floor, dropped, bytes, last stored, log at the last reference, set version, reference due, leaving,
//	                       retention
//	  references first     first, index, section, stored, prior, bytes; of those that begin in 1,024 offsets
//	  sizes chunk          class, classes; of 1,024 offsets
//	  repeats offset       as runs; of 16,384 offsets
//	due ordinal            at, stream, whether of an hour, rows
//	  asides offset        offset, first, index, section, size class of what is aside; of 256 offsets
//	subscription ordinal   config, leaving, past patterns
//	cursor ordinal         subscription, member, turn, leaving, used, reach, frontier, resume, what it lost, until when it is patient; in an ordered queue also: stalls
//	  events offset        ready, held, ahead as runs; tries; in an ordered queue also: keys; of 16,384 offsets
//	  later offset         later as runs; of 16,384 offsets
//	  late 0               rows of an ordered queue
//	  delayed time         offsets that are ready at a time
//	  dead offset          dead letters of 256 offsets
//	  aside offset         runs of what it has aside; of 16,384 offsets
//	session ordinal        id, cursor, ...
//	lease id               cursor, session, ...
//	producer ordinal       stream, id, when it was last used, answers
//	generation ordinal     of dedup ids: began, ended, through
//	  ids position         stream, hash, offset; of 4,096 in the order in which they came
//
// What follows from the rest isn't written: who has how much in hand, orders by time and by need, lists of those who want all events.
const (
	snapshotMagic0  = 'F'
	snapshotMagic1  = 'P'
	snapshotVersion = 4
)

// shifts say how many offsets a piece is of: 1 << so many.
type shifts struct{ refs, events, dead uint8 }

// usualShifts are for pieces that are written anew in a moment when one thing in them changes, and of which a million events take a hundred. A dead
// letter may have a few hundred bytes.
var usualShifts = shifts{refs: 10, events: 14, dead: 8}

// Checkpoint returns a record of each thing that changed since the last Checkpoint or Restore, one without a value where it is gone; or of everything,
// in the order of the keys. Applied to what was returned before they give the same set of records, always: those of the whole state.
func (m *Machine) Checkpoint(whole bool) []raftlog.Record {
	if !whole {
		m.changed(m)
		return m.changes.take()
	}
	records := m.records()
	m.saved()
	return records
}

// Snapshot returns the whole state in one piece: length and bytes of each record's key and value, in the order of the keys. Two machines that applied
// the same entries return the same bytes (P9). It changes nothing, so what the next Checkpoint returns is the same with it and without.
func (m *Machine) Snapshot() []byte {
	b := []byte{snapshotMagic0, snapshotMagic1, snapshotVersion}
	for _, r := range m.records() {
		b = appendString(b, r.Key)
		b = appendString(b, r.Value)
	}
	return b
}

// Restore returns the machine that a Snapshot is of.
func Restore(snapshot []byte) (*Machine, error) {
	if len(snapshot) < 3 || snapshot[0] != snapshotMagic0 || snapshot[1] != snapshotMagic1 {
		return nil, fmt.Errorf("%w: a snapshot of %d bytes doesn't begin with 'F' 'P'", ErrCorrupt, len(snapshot))
	}
	if v := snapshot[2]; v != snapshotVersion {
		return nil, fmt.Errorf("%w: snapshot version %d, known is %d", ErrCorrupt, v, snapshotVersion)
	}
	return RestoreRecords(func(yield func(raftlog.Record, error) bool) {
		for d := (decoder{b: snapshot[3:]}); len(d.b) > 0; {
			r := raftlog.Record{Key: d.bytes("key"), Value: d.bytes("value")}
			if !yield(r, d.err) {
				return
			}
		}
	})
}

// RestoreRecords returns the machine that a checkpoint's records are of, which come in the order of their keys. It keeps none of their bytes. Of no
// records it makes a new partition.
func RestoreRecords(records iter.Seq2[raftlog.Record, error]) (*Machine, error) {
	return NewMachine().restore(records)
}

// restore makes a new machine one that a checkpoint's records are of.
func (m *Machine) restore(records iter.Seq2[raftlog.Record, error]) (*Machine, error) {
	r := restorer{m: m, cursors: map[uint64]*cursor{}, sessions: map[uint64]*session{}, streams: map[uint64]*stream{}, generations: map[uint64]*generation{}}
	for record, err := range records {
		if err != nil {
			return nil, err
		}
		d := decoder{b: record.Value}
		r.record(record.Key, &d)
		if err := d.done("its record"); err != nil {
			return nil, fmt.Errorf("restoring %x: %w", record.Key, err)
		}
	}
	return r.finish()
}

// restorer puts a machine together.
type restorer struct {
	m        *Machine
	streams  map[uint64]*stream // by age
	cursors  map[uint64]*cursor // by ordinal
	sessions map[uint64]*session
	// generations of dedup ids by ordinal.
	generations map[uint64]*generation

	begun     bool
	last      []byte
	producers []*producer
	// keyed are the events of ordered cursors with their keys. They are put into lines when it is known which are delayed.
	keyed []keyedRestored
	// mistake that only shows when everything is there.
	mistake decoder
}

// record restores one.
func (r *restorer) record(key []byte, d *decoder) {
	k := decoder{b: key}
	kind := recordKind(k.byte("kind"))
	number, piece := k.fixed("number"), uint64(0)
	if len(k.b) > 0 {
		piece = k.fixed("piece")
	}
	if k.done("key") != nil || string(r.last) >= string(key) || r.begun == (kind == recordMachine) {
		d.fail("a key out of place")
		return
	}
	r.last, r.begun = append(r.last[:0], key...), true
	switch kind {
	case recordMachine:
		r.machine(d)
	case recordStream:
		r.stream(number, d)
	case recordRefs:
		r.refs(r.streams[number], piece, d)
	case recordSizes:
		r.sizes(r.streams[number], piece, d)
	case recordRepeats:
		r.repeats(r.streams[number], piece, d)
	case recordGeneration:
		r.generation(number, d)
	case recordDedupIDs:
		r.dedupIDs(r.generations[number], piece, d)
	case recordDue:
		r.due(number, d)
	case recordAsides:
		r.asides(r.streams[number], piece, d)
	case recordSubscription:
		r.subscription(number, d)
	case recordCursor:
		r.cursor(number, d)
	case recordEvents:
		r.events(r.cursors[number], piece, d)
	case recordDelayed:
		r.delayed(r.cursors[number], piece, d)
	case recordDead:
		r.dead(r.cursors[number], piece, d)
	case recordLater:
		r.later(r.cursors[number], piece, d)
	case recordLate:
		r.late(r.cursors[number], d)
	case recordAside:
		r.aside(r.cursors[number], piece, d)
	case recordSession:
		r.session(number, d)
	case recordLease:
		r.lease(number, d)
	case recordProducer:
		r.producer(number, d)
	default:
		d.fail("this release doesn't know the kind of record")
	}
}

// finish derives what isn't recorded.
func (r *restorer) finish() (*Machine, error) {
	if !r.begun {
		return r.m, nil
	}
	for _, k := range r.keyed {
		r.m.enqueue(k.cursor, k.offset, k.key)
	}
	r.finishStreams()
	r.finishSessions()
	r.finishProducers()
	if err := r.mistake.err; err != nil {
		return nil, err
	}
	r.m.saved()
	return r.m, nil
}

func (m *Machine) kind() recordKind { return recordMachine }
func (m *Machine) number() uint64   { return 0 }

func (m *Machine) appendTo(b []byte) []byte {
	b = append(b, snapshotVersion)
	for _, v := range []uint64{
		uint64(m.applied), uint64(m.term), uint64(m.clock), uint64(m.wall), m.expired, m.logBytes,
		m.lastStream, m.lastSubscription, m.lastCursor, m.lastLease, m.lastSession, m.producers.lastOrdinal, m.producers.lastUse,
		m.due.lastBucket, m.dedup.lastGeneration, uint64(m.level), m.effectsHash, uint64(len(m.hashes)),
	} {
		b = binary.AppendUvarint(b, v)
	}
	for _, h := range m.hashes {
		b = stateHashSection{h}.appendBody(b)
	}
	return b
}

func (r *restorer) machine(d *decoder) {
	m := r.m
	if v := d.byte("version"); v != snapshotVersion {
		d.fail(fmt.Sprintf("snapshot version %d, known is %d", v, snapshotVersion))
		return
	}
	m.applied, m.term = Index(d.uvarint("applied")), Term(d.uvarint("term"))
	m.clock, m.wall = Tick(d.uvarint("clock")), Wall(d.uvarint("wall"))
	m.expired, m.logBytes = d.uvarint("expired"), d.uvarint("log bytes")
	m.lastStream, m.lastSubscription = d.uvarint("last stream"), d.uvarint("last subscription")
	m.lastCursor, m.lastLease = d.uvarint("last cursor"), d.uvarint("last lease")
	m.lastSession = d.uvarint("last session")
	m.producers.lastOrdinal, m.producers.lastUse = d.uvarint("last producer"), d.uvarint("last use")
	m.due.lastBucket, m.dedup.lastGeneration = d.uvarint("last due bucket"), d.uvarint("last generation")
	m.level, m.effectsHash = uint32(d.bounded("state level", StateLevel)), d.uvarint("effects")
	for range d.bounded("hashes", hashesKept) {
		m.hashes = append(m.hashes, StateHash{Index: Index(d.uvarint("index")), Effects: d.u64("effects"), Content: d.u64("content")})
	}
}

// eachPart calls f for every part of the state.
func (m *Machine) eachPart(f func(part)) {
	f(m)
	for _, st := range m.streamOrder {
		f(st)
		for _, sub := range st.subscriptions {
			f(sub)
			for _, c := range sub.cursors {
				f(c)
				for _, s := range c.sessions {
					f(s)
				}
			}
		}
	}
	m.due.each(func(b *dueBucket) { f(b) })
	m.deadlines.Ascend(func(l *lease) bool {
		f(l)
		return true
	})
	for e := m.producers.order.Back(); e != nil; e = e.Prev() {
		f(e.Value.(*producer)) //nolint:forcetypeassert // the list holds nothing else
	}
	for _, g := range m.dedup.generations {
		f(g)
	}
}
