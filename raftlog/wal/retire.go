package wal

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/raft"
)

// A segment goes when it is the oldest one and nothing in it is wanted. What is still wanted keeps it:
//
//   - retained: the owner wants to read it (Retain). Nothing helps but that the owner lets go.
//   - checkpoint: it has to be replayed after a crash, or the library has not let go of it. A checkpoint helps, and is asked
//     for when the log is half full, or has so many segments that one of them is better used again than another made: each
//     that is made is written once more, with zeros.
//   - a few records, at most an eighth of the segment: they are appended anew, with the same index and term, when that frees
//     the segment behind as well, or the log is half full. So no idle group pins the log, and a segment that is on its way
//     out by itself costs nothing.
//   - anything, in a log that is three quarters full and of which much isn't wanted, but stands behind what is: a round.
const (
	moveShare      = 8       // which part of a segment may be appended anew
	moveBatchBytes = 1 << 20 // how much of it at once
	// checkpointShare is which part of the log may be full before checkpoints are asked for, and checkpointSegments how many segments it has to
	// have at least. With less, a follower that was away for a moment could not go on from the log, and needs a checkpoint.
	checkpointShare    = 16
	checkpointSegments = 4
)

// gauge counts the bytes of a group in a segment, from an index on that only rises.
type gauge struct {
	counted bool
	next    uint64
	bytes   int64
}

// read returns the bytes of the entries from floor to high that are in the segment. The group's lock is held.
func (m *gauge) read(x *index, segment uint32, low, high, floor uint64) int64 {
	if floor > high {
		// Not by counting down: an entry that was moved here from an older segment leaves the index with that segment's, and
		// would stay counted.
		return 0
	}
	if !m.counted {
		m.counted, m.next = true, low
		for i := low; i <= high; i++ {
			if at, there := x.find(i); there && at.segment == segment {
				m.bytes += int64(at.bytes)
			}
		}
	}
	for ; m.next < floor && m.next <= high; m.next++ {
		if at, there := x.find(m.next); there && at.segment == segment {
			m.bytes -= int64(at.bytes)
		}
	}
	return m.bytes
}

// weight is what keeps a segment.
type weight struct {
	retained int64 // bytes that owners want
	wanted   int64 // bytes that anybody wants
	groups   []groupWeight
}

type groupWeight struct {
	group            *Group
	retained, wanted int64
}

// weigh adds up what of a sealed segment is wanted.
func (l *Log) weigh(s *segment) (w weight) {
	l.weighing.Lock()
	defer l.weighing.Unlock()
	for _, g := range l.groupsIn(s) {
		span := l.segments.span(s, g)
		// Before the marks are read: whoever moves one that is not seen here sees this.
		g.pin.Store(max(g.pin.Load(), span.high))
		retained, floor := g.retained.Load(), g.floor()
		g.mu.RLock()
		if g.mu.removed {
			g.mu.RUnlock()
			continue
		}
		if g.mu.truncations != span.truncations {
			span.retained, span.wanted, span.truncations = gauge{}, gauge{}, g.mu.truncations
		}
		gw := groupWeight{
			group:    g,
			retained: span.retained.read(&g.mu.index, s.number(), span.low, span.high, retained),
			wanted:   span.wanted.read(&g.mu.index, s.number(), span.low, span.high, floor),
		}
		g.mu.RUnlock()
		w.retained += gw.retained
		w.wanted += gw.wanted
		w.groups = append(w.groups, gw)
	}
	return w
}

// groupsIn returns the groups with entries in a segment, by number.
func (l *Log) groupsIn(s *segment) []*Group {
	l.segments.mu.RLock()
	defer l.segments.mu.RUnlock()
	return slices.SortedFunc(maps.Keys(s.spans), func(a, b *Group) int { return compare(uint32(a.id), uint32(b.id)) })
}

func (l *Log) tellRetirable() { tell(l.retirable) }

// runRetirement retires segments as they may go.
func (l *Log) runRetirement() {
	defer l.passed.close()
	for {
		select {
		case <-l.retirable:
		case <-l.stop:
			return
		}
		began := l.passed.begin()
		for more := true; more; {
			more = l.retireOne()
		}
		l.passed.end(began)
	}
}

// passes lets appends wait for retirement.
type passes struct {
	mu struct {
		sync.Mutex
		begun, ended uint64
		closed       bool
		changed      sync.Cond
	}
}

func (p *passes) begin() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.begun++
	return p.mu.begun
}

func (p *passes) end(pass uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.ended = pass
	p.mu.changed.Broadcast()
}

func (p *passes) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.closed = true
	p.mu.changed.Broadcast()
}

// awaitRetirement holds entries back while there is neither a spare segment nor a way to make one, until what may go has
// gone: a fast writer must not use up the reserve only because nobody has come to retire anything. No lock may be held.
func (l *Log) awaitRetirement() {
	if l.options.manual || !l.spares.exhausted() {
		return
	}
	p := &l.passed
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.mu.begun + 1
	l.tellRetirable()
	for p.mu.ended < next && !p.mu.closed {
		p.mu.changed.Wait()
	}
}

// retireOne retires the oldest segment if it may go, and says whether it did.
func (l *Log) retireOne() bool {
	if l.usable() != nil {
		return false
	}
	sealed := l.segments.sealed(2)
	if len(sealed) == 0 {
		return false
	}
	oldest := sealed[0]
	w := l.weigh(oldest)
	pressed := l.pressed()
	movable := oldest.segmentBytes / moveShare
	if w.wanted > 0 {
		switch {
		case w.wanted > movable && l.round.takes(l, oldest, &w):
		case w.retained > movable:
			if pressed {
				l.askForRelease(&w)
			}
			return false
		case w.wanted > movable:
			if pressed || int64(l.segments.count()) >= l.checkpointsFrom() {
				l.askForCheckpoints(&w)
			}
			return false
		case !pressed && (len(sealed) < 2 || l.weigh(sealed[1]).wanted > movable):
			return false // it will be empty before it stands in anybody's way
		}
	}
	if err := l.retire(oldest, &w); err != nil {
		if !errors.Is(err, ErrClosed) {
			err = l.fail(err)
			l.options.Logger.Error("a segment can't be retired", "segment", oldest.path, "error", err)
		}
		return false
	}
	return true
}

// checkpointsFrom is how many segments the log has when checkpoints are asked for.
func (l *Log) checkpointsFrom() int64 {
	return max(checkpointSegments, l.options.BytesMax/l.options.SegmentBytes/checkpointShare)
}

// round appends the log's beginning anew, segment by segment, up to where the log ended when it began. Segments go in their order, so one
// event that nobody takes keeps everything behind it: what others have long settled, and the unused ends of blocks, of which many
// small batches leave much. In a log that has no room any more that would be for ever, since what settles the event needs room
// too. A round leaves of it all what is wanted.
//
//	before  ██░░ ░░█░ ░░░░ ██░░ ████    full of what isn't wanted (░); the first segment is kept, and so are all
//	after                       ████ ██░░ ██
//
// It costs as many bytes as are wanted, at most the log's, and frees at least roundShare of the log, which the owner has to write
// before the next one begins. retirement's alone.
type round struct {
	until uint64 // the last segment of the present round
	from  uint64 // how many bytes the owner has written when the next one may begin
}

const (
	roundPressure = 4 // rounds begin when all but one part in so many is in use
	roundShare    = 8 // and when at least one part in so many of it isn't wanted
)

// takes says whether a segment is appended anew, however much of it is wanted.
func (r *round) takes(l *Log, oldest *segment, w *weight) bool {
	u := l.Usage()
	if u.BytesMax-u.Bytes < w.wanted+l.options.SegmentBytes/2 {
		return false // others write meanwhile
	}
	if oldest.serial <= r.until && l.pressed() {
		return true
	}
	if u.Bytes < u.BytesMax/roundPressure*(roundPressure-1) {
		return false
	}
	written := l.counters.bytesOwned.Load()
	if written < r.from {
		return false
	}
	l.askForCheckpoints(w)
	unwanted := int64(0)
	sealed := l.segments.sealed(l.segments.count())
	for _, s := range sealed {
		unwanted += s.segmentBytes - l.weigh(s).wanted
	}
	if unwanted < max(u.BytesMax/roundShare, 2*l.options.SegmentBytes) {
		return false
	}
	l.counters.rounds.Add(1)
	r.until, r.from = sealed[len(sealed)-1].serial, written+uint64(u.BytesMax/roundShare)
	l.options.Logger.Info("the log is nearly full of what isn't wanted any more, behind what is; writing what is wanted anew",
		"bytes", u.Bytes, "unwanted", unwanted, "segments", len(sealed))
	return true
}

// pressed says whether the log has so much that it should be made smaller.
func (l *Log) pressed() bool {
	u := l.Usage()
	return u.Bytes >= u.BytesMax/2
}

// askForCheckpoints asks for those that would let entries go which no owner wants.
func (l *Log) askForCheckpoints(w *weight) {
	for _, gw := range w.groups {
		if gw.wanted > gw.retained {
			l.options.CheckpointWanted(gw.group.id)
		}
	}
}

// askForRelease asks the owners who want entries whether they still do. One whose group has nothing to do any more has no other reason to look.
func (l *Log) askForRelease(w *weight) {
	for _, gw := range w.groups {
		if gw.retained > 0 {
			l.options.ReleaseWanted(gw.group.id)
		}
	}
}

// retire appends anew what is wanted of a segment, makes sure that a crash can't bring back what Raft has let go of, and
// gives the file away.
func (l *Log) retire(s *segment, w *weight) error {
	for _, gw := range w.groups {
		if err := l.move(s, gw.group); err != nil {
			return err
		}
	}
	if err := l.logRetirement(s, w); err != nil {
		return err
	}
	for _, gw := range w.groups {
		gw.group.forget(s)
	}
	l.segments.removeOldest()
	if err := l.spares.recycle(s); err != nil {
		return err
	}
	l.counters.segmentsRetired.Add(1)
	return nil
}

// move appends anew what is wanted of a group's entries in a segment.
func (l *Log) move(s *segment, g *Group) error {
	for from := uint64(0); ; {
		next, more, err := g.moveSome(s, from)
		if err != nil || !more {
			return err
		}
		from = next
	}
}

// moveSome moves some of a group's entries, those from an index on. It returns where to go on, or that nothing is left. The
// group's own changes wait meanwhile, so none of these entries can be truncated between being read and being synced:
// appended behind its truncation, an entry would come back with the next start.
func (g *Group) moveSome(s *segment, from uint64) (next uint64, more bool, err error) {
	l := g.log
	if err := g.begin(); err != nil {
		return 0, false, err
	}
	defer g.writing.Unlock()
	switch err := g.usable(); {
	case errors.Is(err, ErrRemoved):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	}
	span := l.segments.span(s, g)
	high := span.high
	next = max(from, span.low, g.floor())
	var entries []*raft.Log
	bytes := int64(0)
	for ; next <= high && bytes < moveBatchBytes; next++ {
		g.mu.RLock()
		at, there := g.mu.index.find(next)
		g.mu.RUnlock()
		if !there || at.segment != s.number() {
			continue
		}
		entry := new(raft.Log)
		if err := g.read(next, entry, true, false); err != nil {
			return 0, false, fmt.Errorf("wal: moving entry %d of group %d: %w", next, g.id, err)
		}
		entries = append(entries, entry)
		bytes += int64(at.bytes)
	}
	if len(entries) > 0 {
		last, err := g.addEntries(entries, flagMoved, false)
		if err != nil {
			return 0, false, err
		}
		if err := l.await(last); err != nil {
			return 0, false, err
		}
		l.counters.bytesMoved.Add(uint64(bytes))
	}
	return next, next <= high, nil
}

// logRetirement writes down that a segment goes, so that one that is missing otherwise is missed, and, for groups with
// entries in it, what the library has let go of: after a crash it must not miss what is in that segment.
func (l *Log) logRetirement(s *segment, w *weight) error {
	for _, gw := range w.groups {
		if err := gw.group.logFirst(); err != nil {
			return err
		}
	}
	l.mu.Lock()
	h := recordHeader{kind: kindRetired, index: s.serial}
	b, err := l.roomLocked(h.bytes())
	if err == nil {
		b.add(&l.arenas, change{kind: kindRetired, index: s.serial}, &h, nil, nil)
	}
	l.mu.Unlock()
	if err != nil {
		return err
	}
	return l.await(b) // and with it those before
}

// logFirst puts a record of what the library has let go of into the open batch, unless there is one.
func (g *Group) logFirst() error {
	if err := g.begin(); err != nil {
		return err
	}
	defer g.writing.Unlock()
	if err := g.usable(); errors.Is(err, ErrRemoved) {
		return nil
	}
	g.mu.RLock()
	first, logged := g.mu.first, g.mu.firstLogged == g.mu.first
	g.mu.RUnlock()
	if logged {
		return nil
	}
	_, err := g.add(recordHeader{kind: kindFirst, index: first}, nil, nil)
	return err
}

// forget takes the group's entries in a segment out of the index: all are before the floor.
func (g *Group) forget(s *segment) {
	high := g.log.segments.span(s, g).high
	floor := g.floor()
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.mu.removed {
		g.mu.index.dropBelow(min(floor, high+1))
	}
}
