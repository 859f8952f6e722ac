package partition

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/google/btree"
)

// Retention says how long a stream's events are kept beside what is always so: until every subscription has settled them. The zero value
// keeps no event longer than that, and a stream without subscriptions nothing.
type Retention struct {
	// Age in milliseconds, by the partition's wall time: what is older isn't kept by this rule, from the next full second on. 0: no limit of age.
	Age Wall
	// Bytes of the stream's blocks: what lies further back isn't kept by this rule. 0: no limit of bytes. With both, the nearer one holds.
	Bytes uint64
	// Drop: what the rule doesn't keep goes although it isn't settled, and each cursor counts what it lost by that (P2). Otherwise
	// the rule only keeps settled events for those who read again.
	Drop bool
}

// retentionMax bounds both of a retention's numbers: far more than there can be, and safe to reckon with.
const retentionMax = 1 << 60

// Validate names the field that makes no sense.
func (r *Retention) Validate() error {
	switch {
	case r.Age < 0 || r.Age > retentionMax:
		return fmt.Errorf("partition: retention: Age is %d ms, 0 to %d", r.Age, int64(retentionMax))
	case r.Bytes > retentionMax:
		return fmt.Errorf("partition: retention: Bytes is %d, at most %d", r.Bytes, int64(retentionMax))
	case r.Drop && !r.set():
		return errors.New("partition: retention: Drop is set, with neither Age nor Bytes")
	}
	return nil
}

func (r *Retention) set() bool { return r.Age > 0 || r.Bytes > 0 }

// Truncation says that a cursor lost events to its stream's retention.
type Truncation struct {
	Cursor CursorID
	// At is the offset of the first event that is still kept.
	At Offset
	// Dropped events waited for the cursor's consumers. Unread ones lay between its frontier and At: how many of them match isn't known.
	Dropped, Unread uint64
}

// boundary returns the offset before which the retention's rule keeps nothing.
func (st *stream) boundary(now Wall) Offset {
	rule, at := &st.retention, Offset(0)
	if rule.Age > 0 {
		if n := sort.Search(len(st.refs), func(i int) bool { return rule.agesAt(st.refs[i].prior) > now }); n > 0 {
			at = st.refs[n-1].first
		}
		if rule.agesAt(st.lastStored) <= now {
			return st.next
		}
	}
	if rule.Bytes > 0 {
		if n := sort.Search(len(st.refs), func(i int) bool { return st.bytes-st.refs[i].bytes < rule.Bytes }); n > 0 {
			at = max(at, st.refs[n-1].first)
		}
	}
	return at
}

// agingGrain is the grain of events coming of age, in milliseconds: so that a partition in which nothing else happens has at most an entry a second for it.
const agingGrain Wall = 1_000

// agesAt is when events that were stored by a time come of age.
func (r *Retention) agesAt(stored Wall) Wall {
	return (stored + r.Age + agingGrain - 1) / agingGrain * agingGrain
}

// ages returns when the boundary next moves by time alone, and something goes by that. It depends on nothing that changes before then but by trimming, storing
// and setting the retention, each of which asks again: a replica that is restored meanwhile comes to the same (P9).
func (st *stream) ages(now Wall) (at Wall, ok bool) {
	rule := &st.retention
	if rule.Age == 0 || st.floor == st.next {
		return 0, false
	}
	aged := sort.Search(len(st.refs), func(i int) bool { return rule.agesAt(st.refs[i].prior) > now })
	if !rule.Drop && aged > 0 && st.refs[aged-1].first > st.floor {
		return 0, false // somebody still needs what is of age
	}
	if aged = max(aged, st.refAt(st.floor)+1); aged < len(st.refs) {
		return rule.agesAt(st.refs[aged].prior), true
	}
	at = rule.agesAt(st.lastStored)
	return at, at > now
}

// pin is a cursor that needs events of its stream from an offset on, or from a later one: it is corrected when it matters.
type pin struct {
	at     Offset
	cursor *cursor
}

func pinLess(a, b pin) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	if a.cursor == nil || b.cursor == nil { // a bound to look from
		return a.cursor == nil && b.cursor != nil
	}
	return a.cursor.ordinal < b.cursor.ordinal
}

// pin says that a cursor needs events from an offset on.
func (st *stream) pin(c *cursor, at Offset) {
	if c.pinned {
		if c.pinnedAt <= at {
			return
		}
		st.pins.Delete(pin{c.pinnedAt, c})
	}
	if st.pins == nil {
		st.pins = btree.NewG(btreeDegree, pinLess)
	}
	c.pinned, c.pinnedAt = true, at
	st.pins.ReplaceOrInsert(pin{at, c})
}

// needed returns the lowest offset that some cursor needs. It corrects the pins that stand lower than their
// cursors do, each once for all that it has moved: what it costs, somebody's settling has paid for.
func (st *stream) needed() Offset {
	for st.pins != nil {
		lowest, ok := st.pins.Min()
		if !ok {
			break
		}
		c := lowest.cursor
		at, ok := c.oldest()
		if ok && at == lowest.at {
			return at
		}
		st.pins.DeleteMin()
		if c.pinned = ok; ok {
			c.pinnedAt = at
			st.pins.ReplaceOrInsert(pin{at, c})
		}
	}
	return st.next
}

// holder is needed for those who may only look: it corrects nothing, so it looks at every pin that stands below the lowest need.
func (st *stream) holder() (at Offset, holder *cursor) {
	at = st.next
	if st.pins == nil {
		return at, nil
	}
	st.pins.Ascend(func(p pin) bool {
		if p.at >= at {
			return false
		}
		if o, ok := p.cursor.oldest(); ok && o < at {
			at, holder = o, p.cursor
		}
		return true
	})
	return at, holder
}

// stale has a stream's floor looked at when it is next time for that.
func (m *Machine) stale(st *stream) {
	m.changed(st)
	if !st.stale {
		st.stale = true
		m.staleStreams = append(m.staleStreams, st)
	}
}

// trimAged moves the floors of the streams whose events have come of age, in the entry in which they do: where nothing else happens there is no other for long.
func (m *Machine) trimAged(fx *Effects) {
	var aged []*stream
	for {
		a, ok := m.aging.Min()
		if !ok || a.at > m.wall {
			break
		}
		m.aging.DeleteMin()
		a.stream.agesAt = 0
		aged = append(aged, a.stream)
	}
	slices.SortFunc(aged, func(a, b *stream) int { return cmp.Compare(a.age, b.age) })
	for _, st := range aged {
		m.trimStream(st, fx)
	}
}

// trim moves the floors of the streams that something happened to, or whose events have come of age.
func (m *Machine) trim(fx *Effects) {
	for {
		a, ok := m.aging.Min()
		if !ok || a.at > m.wall {
			break
		}
		m.aging.DeleteMin()
		a.stream.agesAt = 0
		m.stale(a.stream)
	}
	slices.SortFunc(m.staleStreams, func(a, b *stream) int { return cmp.Compare(a.age, b.age) }) // after a restore all are there, by age (P9)
	for _, st := range m.staleStreams {
		m.trimStream(st, fx)
		st.stale = false // what it did to itself was looked at
	}
	m.staleStreams = m.staleStreams[:0]
}

// trimStream moves one stream's floor: before it the log may go. Where nothing has happened to the stream it changes nothing, since after a restore all
// are looked at (P9).
func (m *Machine) trimStream(st *stream, fx *Effects) {
	floor := st.needed()
	if st.retention.set() {
		boundary := st.boundary(m.wall)
		if st.retention.Drop && boundary > st.floor {
			m.truncate(st, boundary, fx)
			floor = st.needed()
		}
		floor = min(floor, boundary)
	}
	m.changed(st)
	st.floor = max(st.floor, floor)
	st.dropRefs()
	if st.repeats != nil && len(st.refs) > 0 { // before the first reference nobody reads any more
		st.repeats.RemoveRange(0, uint64(st.refs[0].first))
	}
	m.keep(st)
	m.age(st)
}

// truncate has every cursor that still needs events before the boundary give them up (P2: and say so).
func (m *Machine) truncate(st *stream, boundary Offset, fx *Effects) {
	st.dropped = max(st.dropped, boundary)
	st.undue.RemoveRange(0, uint64(boundary))
	if st.pins == nil {
		return
	}
	var losing []*cursor
	st.pins.AscendLessThan(pin{at: boundary}, func(p pin) bool {
		losing = append(losing, p.cursor)
		return true
	})
	slices.SortFunc(losing, func(a, b *cursor) int { return cmp.Compare(a.ordinal, b.ordinal) }) // pins may stand too low, each replica's otherwise (P9)
	for _, c := range losing {
		if t := m.giveUp(c, boundary); t.Dropped+t.Unread > 0 {
			fx.Truncated = append(fx.Truncated, t)
		}
	}
}

// kept is a stream that keeps entries from an index on.
type kept struct {
	index  Index
	stream *stream
}

func keptLess(a, b kept) bool {
	if a.index != b.index {
		return a.index < b.index
	}
	return a.stream.id < b.stream.id
}

// keep corrects what the stream keeps of the log.
func (m *Machine) keep(st *stream) {
	index := Index(0)
	if i := st.refAt(st.floor); i >= 0 && st.floor < st.next {
		index = st.refs[i].index
	}
	if index == st.keeps {
		return
	}
	if st.keeps != 0 {
		m.kept.Delete(kept{st.keeps, st})
	}
	if st.keeps = index; index != 0 {
		m.kept.ReplaceOrInsert(kept{index, st})
	}
}

// aging is a stream whose events come of age.
type aging struct {
	at     Wall
	stream *stream
}

func agingLess(a, b aging) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	return a.stream.id < b.stream.id
}

// age notes when the stream's next events come of age. Those that just have are seen to at the end of the entry.
func (m *Machine) age(st *stream) {
	if st.agesAt != 0 && st.agesAt <= m.wall {
		return
	}
	at, ok := st.ages(m.wall)
	if !ok {
		at = 0
	}
	if at == st.agesAt {
		return
	}
	if st.agesAt != 0 {
		m.aging.Delete(aging{st.agesAt, st})
	}
	if st.agesAt = at; at != 0 {
		m.aging.ReplaceOrInsert(aging{at, st})
	}
}

// retainFrom returns the oldest entry of which something is kept, or the next one.
func (m *Machine) retainFrom() Index {
	if k, ok := m.kept.Min(); ok {
		return k.index
	}
	return m.applied + 1
}
