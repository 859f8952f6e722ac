package partition

import (
	"cmp"
	"container/heap"
	"iter"
	"slices"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
)

// keyOrder keeps the events of an ordered queue's cursor in line, key by key. P8: of a key, the events that are due are given in the order of
// their offsets, and while one is held nobody but its holder gets another.
//
//	offsets   7 8 9 10 11 12 13           a line for each key       who may have its next event
//	keys      a b a c  a  -  b            a: 7 9 11                 whoever comes, when nobody holds one of the line (free)
//	                                      b: 8 13                   its holder alone, until it holds OrderedHeldMax of it (session.more)
//	                                      c: 10                     nobody, while its next is released with a delay, or lies
//	                                      12 has no key             before one that is held
//
// So a consumer can work on the next events of a key while it still has the ones before. When one of them comes back, since it was released or
// its lease ran out, those behind it come back as well: theirs was no attempt. One that is acked or rejected leaves the line, and the line
// goes on: a dead letter doesn't hold up its key.
//
// An event without a key is in a line of its own. Keys are told apart by their 64-bit hashes; two keys with one hash share a line. An event
// that is to be delivered later (due.go) joins its line when it is due, and so does one that is redriven: it comes before those
// that wait, and after those that are held.
type keyOrder struct {
	// lines by key hash, and the line of each event in hand. Looked into, never walked (P9).
	lines map[uint64]*line
	of    map[Offset]*line
	// free lines, of which nobody holds an event.
	free lineHeap
	// ahead has the keys of the cursor's events that are ahead of a gap, in the order of their offsets.
	ahead []keyedEvent
	// late events are due, and found no room.
	late dueRows
	// stalls counts how often the look-ahead was full while the frontier waited; stalled: it is now.
	stalls  uint64
	stalled bool
}

// line is the events of one key that a cursor has in hand.
type line struct {
	key uint64
	// waiting for their turn, ascending: they are ready, or released with a delay.
	waiting []Offset
	// held under leases, ascending; all by one holder.
	held []heldEvent
	// in is the heap that offers its next event, and at where there.
	in *lineHeap
	at int
	// broken is the machine's number of the failure that had events of it come back last.
	broken uint64

	waitingRoom [2]Offset
	heldRoom    [1]heldEvent
}

// heldEvent is an event of a line and the lease that holds it.
type heldEvent struct {
	offset Offset
	lease  *lease
}

type keyedEvent struct {
	offset Offset
	key    uint64
}

// keyedEventBytes is what an event in an ordered cursor's hand takes of memory: its line, when that has no other event, and the ways there.
const keyedEventBytes = 256

func newKeyOrder() *keyOrder {
	return &keyOrder{lines: map[uint64]*line{}, of: map[Offset]*line{}}
}

// used returns how much of the look-ahead is taken.
func (o *keyOrder) used() uint64 { return uint64(len(o.of) + len(o.ahead)) }

// enqueue puts an event that became ready, or is delayed, into its line.
func (m *Machine) enqueue(c *cursor, at Offset, key uint64) {
	o := c.order
	l := o.lines[key]
	if l == nil {
		l = &line{key: key}
		l.waiting, l.held = l.waitingRoom[:0], l.heldRoom[:0]
		if key != 0 {
			o.lines[key] = l
		}
	}
	o.of[at] = l
	m.waiting.keyed++
	l.wait(at)
	c.arrange(l)
}

// enqueueRun puts events into their lines.
func (m *Machine) enqueueRun(c *cursor, r sizedRun) {
	for i := range r.Count {
		m.enqueue(c, r.First+Offset(i), r.key(i))
	}
}

// keepAhead remembers the keys of events that are ahead of a gap.
func (o *keyOrder) keepAhead(r sizedRun) {
	for i := range r.Count {
		o.ahead = append(o.ahead, keyedEvent{r.First + Offset(i), r.key(i)})
	}
}

// dequeueRun takes a run's events out of their lines.
func (m *Machine) dequeueRun(c *cursor, r Run) {
	for at := r.First; at < r.end(); at++ {
		m.dequeue(c, at)
	}
}

// dropFromLines takes a set's events out, which wait in line, or ahead of a gap.
func (m *Machine) dropFromLines(c *cursor, going *roaring64.Bitmap, ahead bool) {
	if ahead {
		c.order.ahead = slices.DeleteFunc(c.order.ahead, func(e keyedEvent) bool { return going.Contains(uint64(e.offset)) })
		return
	}
	for it := going.Iterator(); it.HasNext(); {
		m.dequeue(c, Offset(it.Next()))
	}
}

// dequeue takes an event out of its line for good: it is settled, dead, or dropped. It returns its key.
func (m *Machine) dequeue(c *cursor, at Offset) (key uint64) {
	o := c.order
	l := o.of[at]
	delete(o.of, at)
	m.waiting.keyed--
	if !l.letGo(at) {
		if i, waits := slices.BinarySearch(l.waiting, at); waits {
			l.waiting = slices.Delete(l.waiting, i, i+1)
		}
	}
	if len(l.waiting)+len(l.held) == 0 && l.key != 0 {
		delete(o.lines, l.key)
	}
	c.arrange(l)
	return l.key
}

// back returns a held event to its line: it waits again, or is delayed.
func (c *cursor) back(at Offset) {
	l := c.order.of[at]
	l.letGo(at)
	l.wait(at)
	c.arrange(l)
}

// takeNext has a lease hold the line's next event.
func (c *cursor) takeNext(l *line, by *lease) {
	l.held = append(l.held, heldEvent{l.waiting[0], by})
	l.waiting = l.waiting[1:]
	c.arrange(l)
}

func (l *line) wait(at Offset) {
	if n := len(l.waiting); n == 0 || l.waiting[n-1] < at {
		l.waiting = append(l.waiting, at)
		return
	}
	if i, waits := slices.BinarySearch(l.waiting, at); !waits {
		l.waiting = slices.Insert(l.waiting, i, at)
	}
}

// letGo says that an event is held no more, if it was.
func (l *line) letGo(at Offset) bool {
	for i := range l.held {
		if l.held[i].offset == at {
			l.held = slices.Delete(l.held, i, i+1)
			return true
		}
	}
	return false
}

// nextIsReady tells whether the line's next event, if there is one, isn't delayed.
func (c *cursor) nextIsReady(l *line) bool {
	return len(l.waiting) > 0 && (c.delayed.Len() == 0 || c.ready.Contains(uint64(l.waiting[0])))
}

// arrange puts a line where those find it who may have its next event (P8).
func (c *cursor) arrange(l *line) {
	var in *lineHeap
	if c.nextIsReady(l) {
		if n := len(l.held); n == 0 {
			in = &c.order.free
		} else if s := l.held[n-1].lease.session; s != nil && l.goesOn() {
			in = &s.more
		}
	}
	in.put(l)
}

// goesOn tells whether the line's holder may have its next event too.
func (l *line) goesOn() bool {
	n := len(l.held)
	return n < OrderedHeldMax && l.waiting[0] > l.held[n-1].offset
}

// assignOrdered gives the events of an ordered cursor to the sessions that have room. The next event of each line is looked at in the order of offsets,
// so a session's delivery is ascending, as a lease's runs must be.
func (m *Machine) assignOrdered(c *cursor, fx *Effects) {
	o := c.order
	leasable := m.leasable(c)
	if leasable == 0 || len(o.free.lines) == 0 && !slices.ContainsFunc(c.sessions, func(s *session) bool { return len(s.more.lines) > 0 }) {
		return
	}
	open := m.withRoom(c)
	if len(open) == 0 {
		return
	}
	turn := min(max(1, len(o.free.lines)/len(open)), turnEvents)
	m.picked = m.picked[:0]
	for at := 0; len(open) > 0 && uint64(len(m.picked)) < leasable; {
		g := open[at%len(open)]
		l := firstOf(&o.free, &g.session.more)
		if l == nil || m.give(g, c, Run{l.waiting[0], 1}, fx) == 0 {
			open = slices.Delete(open, at%len(open), at%len(open)+1)
			m.finish(g, fx)
			continue
		}
		m.picked = append(m.picked, l.waiting[0])
		c.takeNext(l, g.lease)
		if g.inTurn++; g.inTurn >= turn {
			g.inTurn = 0
			at++
		}
	}
	for _, g := range open {
		m.finish(g, fx)
	}
	slices.Sort(m.picked)
	m.taken = m.taken[:0]
	for _, at := range m.picked {
		m.taken = joinRun(m.taken, Run{at, 1})
	}
	m.hold(c, m.taken)
}

// next yields the events that a take may lease, one after the other, each with what is to be told of its lease.
func (c *cursor) next(yield func(at Offset, hold func(*lease)) bool) {
	if c.order == nil {
		rows := rowReader{it: c.ready.ManyIterator()}
		for row := rows.peek(); row.Count > 0 && yield(row.First, func(*lease) {}); row = rows.peek() {
			rows.skip(1)
		}
		return
	}
	var more lineHeap // lines that this take has begun on
	defer more.clear()
	for l := range linesOf(&c.order.free, &more) {
		began := false
		hold := func(by *lease) {
			began = true
			c.takeNext(l, by)
			if c.nextIsReady(l) && l.goesOn() {
				more.put(l)
			}
		}
		if !yield(l.waiting[0], hold) || !began {
			return
		}
	}
}

// failedRun is events of an ordered queue that came back from a lease.
type failedRun struct {
	cursor *cursor
	EventRun
}

// breakLines gives the failed events back. Of each line the first counts as why says; those behind it go back with it, uncounted, whichever
// leases they are under.
func (m *Machine) breakLines(why comeback) {
	if len(m.failed) == 0 {
		return
	}
	failed := m.failed
	m.failed = nil // giving back doesn't fail others, but whoever changes that should find it out
	slices.SortFunc(failed, func(a, b failedRun) int {
		return cmp.Or(cmp.Compare(a.cursor.ordinal, b.cursor.ordinal), cmp.Compare(a.First, b.First))
	})
	for _, f := range failed { // first all of them wait, so that no line is forgotten of which some are on their way
		for at := f.First; at < f.end(); at++ {
			l := f.cursor.order.of[at]
			l.letGo(at)
			l.wait(at)
		}
	}
	m.breaking++
	for _, f := range failed {
		for at := f.First; at < f.end(); at++ {
			this := why
			if l := f.cursor.order.of[at]; l.broken != m.breaking {
				l.broken = m.breaking
				m.recall(f.cursor, l, at)
			} else {
				this = comeback{kind: comebackUncounted}
			}
			m.giveBack(f.cursor, at, f.Attempt, this)
		}
	}
	m.failed = failed[:0]
}

// recall takes back the events of a line that are held and lie behind one that comes back.
func (m *Machine) recall(c *cursor, l *line, behind Offset) {
	for _, h := range slices.Backward(slices.Clone(l.held)) {
		if h.offset < behind {
			break
		}
		h.lease.cut([]Run{{h.offset, 1}}, func(part EventRun) {
			m.free(h.lease, part.Run)
			m.giveBack(c, h.offset, part.Attempt, comeback{kind: comebackUncounted})
		}, func(Run) {})
		m.dropIfEmpty(h.lease)
	}
}

// moved says that another lease holds runs than before.
func (c *cursor) moved(runs []EventRun, to *lease) {
	if c.order == nil {
		return
	}
	for _, r := range runs {
		for at := r.First; at < r.end(); at++ {
			for held := c.order.of[at].held; len(held) > 0; held = held[1:] {
				if held[0].offset == at {
					held[0].lease = to
				}
			}
		}
	}
}

// lookAhead returns how many more events an ordered cursor may have in line; any number for others. Late events come first.
func (m *Machine) lookAhead(c *cursor) uint64 {
	switch {
	case c.order == nil:
		return 1 << 62
	case c.order.late.n > 0:
		return 0
	}
	return room(m.lookAheadMax, c.order.used())
}

// overlooks tells whether a block has more events for an ordered cursor than it may have in line.
func (m *Machine) overlooks(c *cursor, a *arrival, words []uint64) bool {
	if c.order == nil {
		return false
	}
	n := uint64(a.count)
	if words != nil {
		n = uint64(popCount(words))
	}
	if n > m.lookAhead(c) && a.block.HasDeliverAt() {
		n -= c.subscription.stream.undueOf(a, words) // these don't join their lines yet
	}
	return n > m.lookAhead(c)
}

// mayClose tells whether a far cursor that has come close to the head may take blocks ahead of its gap. An ordered one that had little room left
// would soon have to let go of them again.
func (m *Machine) mayClose(c *cursor) bool {
	return c.order == nil || uint64(c.subscription.stream.next-c.frontier)+c.order.used() <= m.lookAheadMax/2
}

// makeRoom sees to it that a fill's events have room in an ordered cursor's lines. Those ahead of the gap give way: they come again. False: it was read for
// more room than there is.
func (m *Machine) makeRoom(c *cursor, events uint64) bool {
	if events > m.lookAhead(c) && c.reach == reachClosing {
		m.fallBehind(c, c.frontier)
		c.subscription.stream.setTaker(c)
	}
	return events <= m.lookAhead(c)
}

// blocked returns how many ready events wait for an earlier one of their key.
func (c *cursor) blocked() uint64 {
	if c.order == nil {
		return 0
	}
	next := len(c.order.free.lines)
	for _, s := range c.sessions {
		next += len(s.more.lines)
	}
	return c.ready.GetCardinality() - uint64(next)
}

// noteStall counts how often the look-ahead became full while there was more to look at.
func (m *Machine) noteStall(c *cursor) {
	o := c.order
	stalled := c.reach != reachNear && c.assignable() == 0 && m.lookAhead(c) == 0
	if stalled && !o.stalled {
		o.stalls++
	}
	if o.stalled != stalled {
		o.stalled = stalled
		m.changed(c)
	}
}

// forgetOrder has a cursor that leaves do without its lines.
func (m *Machine) forgetOrder(c *cursor) {
	if c.order == nil {
		return
	}
	for _, set := range c.sets() { // whose records have keys so far
		set.touch()
	}
	c.latePieces.mark(0)
	m.changed(c)
	m.waiting.keyed -= uint64(len(c.order.of))
	m.due.bytes -= c.order.late.size()
	c.order = nil
}

// lineHeap has lines by their next events, the lowest offset first.
type lineHeap struct{ lines []*line }

// put moves a line here from the heap that it is in. A nil heap takes it out of that.
func (h *lineHeap) put(l *line) {
	switch {
	case l.in == h && h != nil:
		heap.Fix(h, l.at)
	default:
		if l.in != nil {
			heap.Remove(l.in, l.at)
		}
		if l.in = h; h != nil {
			heap.Push(h, l)
		}
	}
}

// clear takes all lines out.
func (h *lineHeap) clear() {
	for _, l := range h.lines {
		l.in = nil
	}
	h.lines = nil
}

// firstOf returns the line of two heaps whose next event is the lowest, or nil.
func firstOf(a, b *lineHeap) *line {
	switch {
	case len(a.lines) == 0 && len(b.lines) == 0:
		return nil
	case len(a.lines) == 0:
		return b.lines[0]
	case len(b.lines) == 0 || a.lines[0].waiting[0] < b.lines[0].waiting[0]:
		return a.lines[0]
	}
	return b.lines[0]
}

// linesOf yields the first line of two heaps, as they are when it is asked for.
func linesOf(a, b *lineHeap) iter.Seq[*line] {
	return func(yield func(*line) bool) {
		for l := firstOf(a, b); l != nil && yield(l); l = firstOf(a, b) { //nolint:revive // all is in the head
		}
	}
}

func (h *lineHeap) Len() int           { return len(h.lines) }
func (h *lineHeap) Less(i, j int) bool { return h.lines[i].waiting[0] < h.lines[j].waiting[0] }

func (h *lineHeap) Swap(i, j int) {
	h.lines[i], h.lines[j] = h.lines[j], h.lines[i]
	h.lines[i].at, h.lines[j].at = i, j
}

// Push is heap.Interface's: it appends.
func (h *lineHeap) Push(x any) {
	l := x.(*line) //nolint:forcetypeassert // the heap holds nothing else
	l.at = len(h.lines)
	h.lines = append(h.lines, l)
}

// Pop is heap.Interface's: it removes the last.
func (h *lineHeap) Pop() any {
	n := len(h.lines) - 1
	l := h.lines[n]
	h.lines[n] = nil
	h.lines = h.lines[:n]
	l.in = nil
	return l
}
