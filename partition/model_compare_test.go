package partition

import (
	"fmt"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
)

// before takes over from the machine, as it is before an entry, what is the machine's to choose.
func (m *model) before(is *Machine) {
	m.modelLimits = limitsOf(is)
	for _, c := range m.cursors() {
		if other := is.find(c.id); other != nil {
			c.turn = other.turn
		}
	}
}

// compare tells in what an entry's effects differ, or the state after it.
func (m *model) compare(is *Machine, told, want *Effects) error {
	if a, b := tellEffects(told), tellEffects(want); a != b {
		return fmt.Errorf("the machine has other effects than the model\n  machine %s\n  model   %s", a, b)
	}
	return m.compareState(is)
}

// tellEffects writes effects down, runs as the events that they are of.
func tellEffects(fx *Effects) string {
	var b strings.Builder
	for i := range fx.Results {
		r := fx.Results[i]
		fmt.Fprintf(&b, "[%d] %v %d+%d dup %v %v seq %d resumed %v %d %v vis %v settled %d trunc %d epoch %d lost receipts %v redriven %d next %d more %v",
			i, r.Refused, r.First, r.Count, r.Duplicate, r.Repeats, r.Sequence, r.Resumed, r.Kind, r.Ordered, r.Visibility, r.Settled, r.Truncated,
			r.Epoch, r.LostReceipts, r.Redriven, r.Next, r.More)
		tellLeased(&b, "held", r.Held)
		tellLeased(&b, "lost", r.Lost)
		tellGrant(&b, &r.Taken)
	}
	for i := range fx.Grants {
		tellGrant(&b, &fx.Grants[i])
	}
	aside := slices.SortedStableFunc(slices.Values(fx.Aside), byPlace)
	fmt.Fprintf(&b, " ready %v behind %v truncated %v unused %v gone %v appended %v aside %v", fx.Ready, fx.Behind, fx.Truncated, fx.Unused,
		fx.Gone, fx.Appended, aside)
	return b.String()
}

func tellGrant(b *strings.Builder, g *Grant) {
	if g.Epoch == 0 {
		return
	}
	fmt.Fprintf(b, " grant %s conn %d stream %d delivery %d epoch %d vis %v trunc %d:", sessionName(g.Session), g.Connection, g.Stream, g.Delivery,
		g.Epoch, g.Visibility, g.Truncated)
	for _, r := range g.Runs {
		for at := r.First; at < r.end(); at++ {
			fmt.Fprintf(b, " %d:%d^%d", r.positions().First+(at-r.First), at, r.Attempt)
		}
	}
}

// tellLeased tells which events are meant, and how often.
func tellLeased(b *strings.Builder, name string, list []Leased) {
	for i := 0; i < len(list); {
		var offsets []Offset
		first, all := list[i], false
		for ; i < len(list) && list[i].Delivery == first.Delivery && list[i].ByPosition == first.ByPosition; i++ {
			all = all || len(list[i].Runs) == 0
			for _, r := range list[i].Runs {
				for at := r.First; at < r.end(); at++ {
					offsets = append(offsets, at)
				}
			}
		}
		slices.Sort(offsets)
		fmt.Fprintf(b, " %s %d:%v %v %v", name, first.Delivery, offsets, all, first.ByPosition)
	}
}

func (m *model) compareState(is *Machine) error {
	if m.clock != is.clock || m.wall != is.wall {
		return fmt.Errorf("the clocks are %v and %d, of the model %v and %d", is.clock, is.wall, m.clock, m.wall)
	}
	if len(m.streams) != len(is.streams) || len(m.subs) != len(is.subscriptions) || len(m.sessions) != len(is.sessions) {
		return fmt.Errorf("there are %d streams, %d subscriptions, %d sessions, of the model %d, %d, %d",
			len(is.streams), len(is.subscriptions), len(is.sessions), len(m.streams), len(m.subs), len(m.sessions))
	}
	for id, st := range m.streams {
		if err := m.compareStream(st, is.streams[id]); err != nil {
			return fmt.Errorf("stream %d: %w", id, err)
		}
	}
	for _, s := range m.sessions {
		if err := m.compareSession(s, is.sessions[s.id]); err != nil {
			return fmt.Errorf("session %s: %w", sessionName(s.id), err)
		}
	}
	if err := m.compareLeases(is); err != nil {
		return err
	}
	for key, p := range m.producers {
		if other := is.producers.byKey[key]; other == nil || other.epoch != p.epoch || other.last != p.last {
			return fmt.Errorf("producer %v is %+v, of the model %+v", key, other, p)
		}
	}
	if from, want := is.retainFrom(), m.retainFrom(); from != want {
		return fmt.Errorf("P2: the log is kept from entry %d on, by the model from %d", from, want)
	}
	at, ok := is.NextDeadline()
	if want, some := m.nextDeadline(is.leaving.Len() > 0); at != want || ok != some {
		return fmt.Errorf("P10: the next deadline is %v (%v), by the model %v (%v)", at, ok, want, some)
	}
	return nil
}

func (m *model) compareStream(st *modelStream, is *stream) error {
	if is == nil || st.next() != is.next || st.floor != is.floor || st.dropped != is.dropped || st.version != is.setVersion || st.leaving != is.leaving || st.bytes != is.bytes {
		return fmt.Errorf("it has %+v, the model %d events, floor %d, dropped %d, version %d, leaving %v", is, st.next(), st.floor, st.dropped, st.version, st.leaving)
	}
	if len(st.subs) != len(is.subscriptions) {
		return fmt.Errorf("%d subscriptions, of the model %d", len(is.subscriptions), len(st.subs))
	}
	for _, sub := range is.subscriptions {
		want := st.subs[sub.ID]
		if want == nil || len(want.cursors) != len(sub.cursors) || want.leaving != sub.leaving {
			return fmt.Errorf("subscription %d has %d cursors, leaving %v, of the model %+v", sub.ID, len(sub.cursors), sub.leaving, want)
		}
		for _, c := range sub.cursors {
			if err := m.compareCursor(want.cursors[c.member], c); err != nil {
				return fmt.Errorf("cursor %v: %w", c.id(), err)
			}
		}
	}
	return nil
}

func (m *model) compareCursor(c *modelCursor, is *cursor) error {
	if c == nil || c.ordinal != is.ordinal || c.leaving != is.leaving {
		return fmt.Errorf("is number %d, leaving %v, of the model %+v", is.ordinal, is.leaving, c)
	}
	if c.leaving {
		return nil
	}
	if c.reach != is.reach || c.reach != reachNear && c.frontier != is.frontier || c.resume != is.resume {
		return fmt.Errorf("%v, frontier %d, resume %d, of the model %v, %d, %d", is.reach, is.frontier, is.resume, c.reach, c.frontier, c.resume)
	}
	if c.patientUntil != is.patientUntil {
		return fmt.Errorf("is patient until %v, of the model %v", is.patientUntil, c.patientUntil)
	}
	if c.dropped != is.dropped || c.unread != is.unread || c.truncatedAt != is.truncatedAt || c.sub.Kind == KindFanout && c.used != is.used {
		return fmt.Errorf("lost %d and %d, at %d, used at %d; of the model %d and %d, at %d, used at %d",
			is.dropped, is.unread, is.truncatedAt, is.used, c.dropped, c.unread, c.truncatedAt, c.used)
	}
	for _, each := range []struct {
		name   string
		set    *roaring64.Bitmap
		states []eventState
	}{
		{"ready", is.ready.Bitmap, []eventState{stateReady}},
		{"held", is.held.Bitmap, []eventState{stateLeased, stateDelayed}},
		{"later", is.later.Bitmap, []eventState{stateLater}},
	} {
		if err := sameSet(each.name, each.set, c.in(each.states...)); err != nil {
			return err
		}
	}
	ahead := roaring64.New()
	if is.ahead != nil {
		ahead = is.ahead.Bitmap
	}
	if err := sameSet("ahead", ahead, c.in(stateAhead)); err != nil {
		return err
	}
	return c.compareEvents(is)
}

func sameSet(name string, set *roaring64.Bitmap, want []*modelCopy) error {
	same := set.GetCardinality() == uint64(len(want))
	for i, it := 0, set.Iterator(); same && it.HasNext(); i++ {
		same = Offset(it.Next()) == want[i].offset
	}
	if same {
		return nil
	}
	var offsets []Offset
	for _, e := range want {
		offsets = append(offsets, e.offset)
	}
	return fmt.Errorf("%s is %v, of the model %v (P2, P3, P5)", name, set, offsets)
}

// compareEvents compares what is kept of single events: delays, tries, dead letters.
func (c *modelCursor) compareEvents(is *cursor) error {
	delayed, dead, tried := 0, 0, 0
	for at, e := range c.copies {
		switch e.state { //nolint:exhaustive // the others have no more than their set
		case stateDelayed:
			if delayed++; !is.delayed.Has(delayedEvent{e.notBefore, at}) {
				return fmt.Errorf("offset %d isn't delayed until %v, of the model it is", at, e.notBefore)
			}
		case stateDead:
			dead++
			d, _ := is.dead.Get(deadLetter{offset: at})
			if want := e.dead; d.reason != want.reason || d.attempts != want.attempts || d.detail != want.detail || d.died != want.died || d.size != e.class {
				return fmt.Errorf("offset %d is the dead letter %+v, of the model %+v, %d (P7)", at, d, want, e.class)
			}
		}
		is := is.tries[at]
		if is.attempts != e.attempts || is.undelivered != e.undelivered {
			return fmt.Errorf("offset %d was tried %+v, of the model %d, undelivered %d (P7)", at, is, e.attempts, e.undelivered)
		}
		if is != (tries{}) {
			tried++
		}
	}
	if is.delayed.Len() != delayed || is.dead.Len() != dead || len(is.tries) != tried {
		return fmt.Errorf("%d are delayed, %d dead, %d tried, of the model %d, %d, %d", is.delayed.Len(), is.dead.Len(), len(is.tries), delayed, dead, tried)
	}
	if c.sub.Ordered && is.order.late.n != len(c.late) {
		return fmt.Errorf("%d are late, of the model %d", is.order.late.n, len(c.late))
	}
	return nil
}

func (m *model) compareSession(s *modelSession, is *session) error {
	events, size := m.holds(s)
	if is == nil || is.cursor.id() != s.cursor.id || is.ordinal != s.ordinal || is.live(m.term) != s.live(m.term) || is.heldEvents != events || is.heldBytes != size ||
		is.received != s.received || is.lastDelivery != s.lastDelivery || is.stamp != s.stamp || is.settled != s.settled || is.told != s.told || is.visibility != s.visibility ||
		is.creditEvents != s.creditEvents || is.creditBytes != s.creditBytes {
		return fmt.Errorf("it is %+v, of the model %+v, which holds %d of %d bytes", is, s, events, size)
	}
	return nil
}

func (m *model) compareLeases(is *Machine) (err error) {
	n := 0
	is.deadlines.Ascend(func(l *lease) bool {
		if l.cursor.leaving {
			return true
		}
		n++
		want := m.leases[l.id]
		same := want != nil && want.deadline == l.deadline && want.epoch == l.epoch && want.delivery == l.delivery && want.began == l.began &&
			want.cursor.id == l.cursor.id() && (want.session == nil) == (l.session == nil) && uint64(len(want.copies)) == eventsOf(l.runs) &&
			(l.session == nil || l.session.id == want.session.id) && want.arrived() == l.arrived()
		if same {
			for _, r := range l.runs {
				for at := r.First; at < r.end(); at++ {
					e := want.copies[at]
					same = same && e != nil && e.attempt == r.Attempt && (want.taken || want.listed[r.positions().First+(at-r.First)] == at)
				}
			}
		}
		if !same {
			err = fmt.Errorf("P4: lease %d of %v is until %v on %v, delivery %d, epoch %d; of the model %+v", l.id, l.cursor.id(), l.deadline, l.runs, l.delivery, l.epoch, want)
		}
		return same
	})
	if err == nil && n != len(m.leases) {
		err = fmt.Errorf("there are %d leases, of the model %d", n, len(m.leases))
	}
	return err
}
