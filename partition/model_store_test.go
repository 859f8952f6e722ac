package partition

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/freshet-mq/freshet/proto/block"
)

type modelProducer struct {
	epoch   uint32
	last    uint64
	answers []Result
}

const hourMillis = 3_600_000

// modelDue is an event whose deliver-at lies ahead. far: by more than an hour when it was stored, and its hour isn't near yet.
type modelDue struct {
	stream *modelStream
	offset Offset
	at     Wall
	far    bool
	order  uint64
}

func (d *modelDue) opens() Wall { return d.at/hourMillis*hourMillis - 600_000 }

// store stores a block, or says why not.
func (m *model) store(s blockSection, position int, fx *Effects) (Result, error) {
	st := m.streams[s.Stream]
	if st == nil || st.leaving {
		return Result{Refused: RefusedStream}, nil
	}
	b, err := block.Open(s.Block)
	if err != nil {
		return Result{}, err
	}
	told := m.told.Results[position]
	if res, refused, err := m.refuses(st, &s, &b, told); refused || err != nil {
		st.refDue = true
		return res, err
	}
	first := st.next()
	repeats, err := m.dedup(st, &b, first, told)
	if err != nil {
		return Result{}, err
	}
	listed := m.append(st, &s, &b, repeats)
	offered := m.offerAside(st, first, position)
	arrived := st.events[first:]
	for _, sub := range st.subList() {
		for _, c := range sub.cursorList() {
			if sub.Pattern == "" || listed[sub.ID] {
				m.offer(c, arrived)
			}
		}
	}
	m.keepAside(st, offered)
	st.refer(m, first, position, len(s.Block))
	res := Result{First: first, Count: uint32(b.Len()), Repeats: repeats}
	m.remember(st.id, b.Producer(), res)
	fx.Appended = append(fx.Appended, Appended{Stream: st.id, First: first, Count: res.Count, Section: uint32(position), Stored: m.wall})
	return res, nil
}

// append gives the events their offsets (P1), and says which subscriptions the match index lists.
func (m *model) append(st *modelStream, s *blockSection, b *block.Block, repeats []Repeat) map[SubscriptionID]bool {
	first, named := len(st.events), map[SubscriptionID][]bool{}
	listed := map[SubscriptionID]bool{}
	err := eachMatched(s.Matches, b.Len(), func(hit matched) {
		listed[hit.Subscription] = true
		for i := range b.Len() {
			named[hit.Subscription] = append(named[hit.Subscription], has(hit, i))
		}
	})
	if err != nil {
		panic(err)
	}
	for i := range b.Len() {
		e := &modelEvent{offset: st.next(), class: classOf(b.EventSize(i)), key: b.KeyHash(i), named: map[SubscriptionID]bool{}}
		for id, hits := range named {
			e.named[id] = hits[i]
		}
		e.due = (Wall(b.DeliverAtMillis(i)) + 99) / 100 * 100
		st.events = append(st.events, e)
	}
	for _, r := range repeats {
		st.events[first+int(r.Event)].repeat = true
	}
	for _, e := range st.events[first:] {
		if e.due > m.wall && !e.repeat {
			e.undue = true
			m.lastDue++
			m.due = append(m.due, &modelDue{st, e.offset, e.due, e.due-m.wall > hourMillis, m.lastDue})
		}
	}
	return listed
}

// refuses tells what a block is answered that isn't stored.
func (m *model) refuses(st *modelStream, s *blockSection, b *block.Block, told Result) (res Result, refused bool, err error) {
	if s.SetVersion != st.version {
		return Result{Refused: RefusedSetVersion}, true, nil
	}
	if res, known := m.produced(st.id, b.Producer()); known {
		if res.Duplicate {
			err = m.repeated(st, b, &res, told.Repeats)
		}
		return res, true, err
	}
	later := false
	for i := range b.Len() {
		later = later || (Wall(b.DeliverAtMillis(i))+99)/100*100 > m.wall
	}
	full := Result{Refused: told.Refused}
	switch told.Refused { //nolint:exhaustive // the others aren't the machine's to choose
	case RefusedDelayed:
		if !later || m.delayedBytesMax == DelayedBytesMax {
			err = fmt.Errorf("a block is refused for its delayed events: has some %v", later)
		}
		return full, true, err
	case RefusedUnchecked:
		if s.Checked == m.checked {
			err = fmt.Errorf("a block whose dedup ids were looked up through entry %d is refused as unchecked", s.Checked)
		}
		return full, true, err
	case RefusedDedupFull:
		if n := m.idsWithin(dedupWindow+dedupWindow/dedupGenerations) + b.Len(); n <= m.idsMax {
			err = fmt.Errorf("a block is refused for too many dedup ids, with it there are %d", n)
		}
		return full, true, err
	}
	if n := m.idsWithin(dedupWindow-1) + b.Len(); b.HasDedupIDs() && n > m.idsMax {
		err = fmt.Errorf("%d dedup ids are remembered", n)
	}
	return Result{}, false, err
}

// repeated checks what a duplicate is answered about its events that repeated others when it was stored: the same, for as long as their ids are
// remembered.
func (m *model) repeated(st *modelStream, b *block.Block, res *Result, told []Repeat) error {
	for _, r := range res.Repeats {
		seen := m.ids[dedupKey{st.id, b.DedupHash(int(r.Event))}]
		if same := seen.at == r.First && m.clock-seen.when < dedupWindow; same && !slices.Contains(told, r) {
			return fmt.Errorf("a duplicate of %d+%d is answered with repeats %v, it was stored with %v", res.First, res.Count, told, res.Repeats)
		}
	}
	res.Repeats = told
	return nil
}

// idsWithin counts the dedup ids, of all streams, that came within a time.
func (m *model) idsWithin(age Tick) (n int) {
	if m.idsMax == DedupIDsMax {
		return 0
	}
	for _, seen := range m.ids {
		if m.clock-seen.when <= age {
			n++
		}
	}
	return n
}

// dedup checks what the machine says about a block's dedup ids: an id is remembered for the window, and at most a sixteenth longer.
func (m *model) dedup(st *modelStream, b *block.Block, first Offset, told Result) ([]Repeat, error) {
	repeats := map[uint32]Offset{}
	for _, r := range told.Repeats {
		repeats[r.Event] = r.First
	}
	for i := range b.Len() {
		id := b.DedupHash(i)
		seen, known := m.ids[dedupKey{st.id, id}]
		of, repeated := repeats[uint32(i)]
		switch age := m.clock - seen.when; {
		case id == (block.DedupHash{}) && !repeated:
		case repeated && (!known || age > dedupWindow+dedupWindow/dedupGenerations || of != seen.at):
			return nil, fmt.Errorf("event %d repeats %d, its dedup id was first stored %v ago, at %d: %v", i, of, age, seen.at, known)
		case repeated:
		case known && age < dedupWindow:
			return nil, fmt.Errorf("event %d repeats none, its dedup id was stored %v ago, at %d", i, age, seen.at)
		default:
			m.ids[dedupKey{st.id, id}] = firstSeen{first + Offset(i), m.clock}
		}
	}
	return told.Repeats, nil
}

// produced tells what a block is answered that isn't its producer's next.
func (m *model) produced(st StreamID, p block.Producer) (res Result, known bool) {
	if p.ID == (block.ProducerID{}) {
		return Result{}, false
	}
	is := m.producers[producerKey{st, p.ID}]
	switch {
	case is == nil || p.Epoch > is.epoch:
		return Result{Refused: RefusedExpired, Sequence: 1}, p.Sequence != 1
	case p.Epoch < is.epoch:
		return Result{Refused: RefusedFenced}, true
	case p.Sequence == is.last+1:
		return Result{}, false
	case p.Sequence > is.last:
		return Result{Refused: RefusedSequence, Sequence: is.last + 1}, true
	case p.Sequence == 0 || is.last-p.Sequence >= uint64(min(len(is.answers), AnswersMax)):
		return Result{Refused: RefusedExpired, Sequence: is.last + 1}, true
	}
	res = is.answers[uint64(len(is.answers))-1-(is.last-p.Sequence)]
	res.Duplicate = true
	return res, true
}

func (m *model) remember(st StreamID, p block.Producer, res Result) {
	if p.ID == (block.ProducerID{}) {
		return
	}
	key := producerKey{st, p.ID}
	if is := m.producers[key]; is == nil || is.epoch != p.Epoch {
		m.producers[key] = &modelProducer{epoch: p.Epoch}
	}
	is := m.producers[key]
	is.last = p.Sequence
	is.answers = append(is.answers, res)
}

// fallDue has the events fall due whose time W has reached, the soonest first.
func (m *model) fallDue() {
	slices.SortStableFunc(m.due, func(a, b *modelDue) int {
		return cmp.Or(cmp.Compare(a.opens(), b.opens()), cmp.Compare(a.stream.id, b.stream.id), cmp.Compare(a.order, b.order))
	})
	for _, d := range m.due { // where several are late, it matters when each was sorted in
		if d.far && d.opens() <= m.wall {
			m.lastDue++
			d.far, d.order = false, m.lastDue
		}
	}
	slices.SortStableFunc(m.due, func(a, b *modelDue) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.stream.id, b.stream.id), cmp.Compare(a.order, b.order))
	})
	m.due = slices.DeleteFunc(m.due, func(d *modelDue) bool {
		if d.far || d.at > m.wall {
			return false
		}
		d.stream.events[d.offset].undue = false
		for _, c := range d.stream.cursors() {
			if e := c.copies[d.offset]; e != nil && e.state == stateLater {
				if c.sub.Ordered && c.inLine() >= m.lookAheadMax {
					c.late = append(c.late, d.offset)
				} else {
					c.ready(e)
				}
			}
		}
		return true
	})
}
