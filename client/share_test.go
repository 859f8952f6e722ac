package client

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestFair(t *testing.T) {
	for _, test := range []struct {
		room        int
		asked, want []int
	}{
		{10, []int{}, []int{}},
		{10, []int{3, 10}, []int{3, 7}},
		{10, []int{10, 10}, []int{5, 5}},
		{10, []int{10, 1, 10, 10}, []int{3, 1, 3, 3}},
		{11, []int{20, 0, 20, 4}, []int{4, 0, 4, 3}},
		{2, []int{5, 5, 5}, []int{1, 1, 0}},
		{1, []int{0, 0, 1, 9}, []int{0, 0, 1, 0}},
		{100, []int{1, 2, 3}, []int{1, 2, 3}},
	} {
		if got := fair(test.room, test.asked); !slices.Equal(got, test.want) {
			t.Errorf("%d for %v: %v, want %v", test.room, test.asked, got, test.want)
		}
	}
}

// TestFairIsMaxMin compares it with giving one after the other to whoever has least of those who want more.
func TestFairIsMaxMin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 11))
	for range 2_000 {
		asked := make([]int, 1+r.IntN(9))
		for i := range asked {
			asked[i] = r.IntN(12)
		}
		room := r.IntN(60)
		want := make([]int, len(asked))
		for range room {
			least := -1
			for i := range asked {
				if want[i] < asked[i] && (least < 0 || want[i] < want[least]) {
					least = i
				}
			}
			if least >= 0 {
				want[least]++
			}
		}
		if got := fair(room, asked); !slices.Equal(got, want) {
			t.Fatalf("%d for %v: %v, want %v", room, asked, got, want)
		}
	}
}

// shareWorld is a consumer reduced to its share, and nodes reduced to what credit means to them. Messages take their time and keep their order.
type shareWorld struct {
	t     *testing.T
	r     *rand.Rand
	now   time.Time
	share *share
	parts []*sharePart

	handlers  int           // that run at a time
	handling  []shareWork   // what they have
	waiting   []*sharePart  // an event each, in the order of arrival
	serviceMs int           // how long a handler takes at most
	delayMs   int           // how long a message takes at most
	again     time.Time     // when the share wants to plan
	credits   int           // messages about credit
	longest   time.Duration // that a partition with events had none handed out
}

type shareWork struct {
	part *sharePart
	over time.Time
}

// sharePart is a partition: the node's side, and the session's.
type sharePart struct {
	portion *portion
	broken  time.Time // until then
	away    bool
	// The node's.
	ready, leased, credit int
	hinted                time.Time
	since                 time.Time // it has had events, and handed none out
	// The session's.
	held int
	// Messages under way.
	up, down []shareMessage
}

type shareMessage struct {
	at   time.Time
	kind string
	n    int
}

func newShareWorld(t *testing.T, r *rand.Rand, window, parts int) *shareWorld {
	w := &shareWorld{t: t, r: r, now: time.Unix(0, 0), handlers: 1 + r.IntN(8), serviceMs: 1 + r.IntN(20), delayMs: 1 + r.IntN(8)}
	w.share = newShare(window, window, parts, r.IntN(parts), w.now)
	for _, p := range w.share.portions {
		part := &sharePart{portion: p, since: w.now}
		w.parts = append(w.parts, part)
		w.attach(part)
	}
	return w
}

// send puts a message behind those that are under way.
func (w *shareWorld) send(to *[]shareMessage, kind string, n int) {
	at := w.now.Add(time.Duration(1+w.r.IntN(w.delayMs)) * time.Millisecond)
	if k := len(*to); k > 0 && at.Before((*to)[k-1].at) {
		at = (*to)[k-1].at
	}
	*to = append(*to, shareMessage{at, kind, n})
}

// arrived takes the messages that are there.
func (w *shareWorld) arrived(from *[]shareMessage) []shareMessage {
	n := 0
	for n < len(*from) && !(*from)[n].at.After(w.now) {
		n++
	}
	got := slices.Clone((*from)[:n])
	*from = (*from)[n:]
	return got
}

func (w *shareWorld) attach(p *sharePart) {
	p.away, p.hinted = false, time.Time{}
	p.portion.attaching(p.portion.credit)
	p.credit = p.portion.credit // the node takes back what never arrived
	p.ready += p.leased - p.held
	p.leased = p.held
}

// breakOff breaks a connection, and with it what is under way: acks are done all the same.
func (w *shareWorld) breakOff(p *sharePart, until time.Time) {
	for _, m := range p.up {
		if m.kind == "settle" {
			p.leased -= m.n
			p.held -= m.n
		}
	}
	for _, m := range p.down {
		if m.kind == "settled" {
			p.held -= m.n
		}
	}
	p.up, p.down, p.away, p.broken = nil, nil, true, until
	p.portion.detached()
	w.share.hold(p.portion, p.held, 0, w.now)
	w.plan()
}

func (w *shareWorld) plan() {
	if _, again := w.share.plan(w.now); !again.IsZero() {
		if !again.After(w.now) {
			w.t.Fatalf("the share wants to plan again at once: %v", w)
		}
		if w.again.IsZero() || again.Before(w.again) {
			w.again = again
		}
	}
}

// step is a millisecond.
func (w *shareWorld) step() {
	w.now = w.now.Add(time.Millisecond)
	for _, p := range w.parts {
		if p.away {
			if w.now.After(p.broken) {
				w.attach(p)
			}
			continue
		}
		w.node(p)
		w.session(p)
	}
	w.handle()
	if !w.again.IsZero() && !w.now.Before(w.again) {
		w.again = time.Time{}
		w.plan()
	}
	for _, p := range w.parts {
		if p.portion.tell(p.portion.credit) {
			w.credits++
			w.send(&p.up, "credit", p.portion.credit)
		}
	}
	w.check()
}

func (w *shareWorld) node(p *sharePart) {
	for _, m := range w.arrived(&p.up) {
		switch m.kind {
		case "credit":
			p.credit, p.hinted = m.n, time.Time{}
			w.send(&p.down, "credited", 0)
		case "settle":
			p.leased -= m.n
			w.send(&p.down, "settled", m.n)
		}
	}
	if give := min(p.ready, p.credit-p.leased); give > 0 {
		p.ready, p.leased, p.since = p.ready-give, p.leased+give, w.now
		w.send(&p.down, "delivery", give)
	}
	if p.ready == 0 || p.leased > 0 {
		p.since = w.now
	}
	w.longest = max(w.longest, w.now.Sub(p.since))
	switch hinted := !p.hinted.IsZero(); {
	case p.credit > 0:
	case p.ready > 0 && (!hinted || w.now.Sub(p.hinted) >= time.Second):
		p.hinted = w.now
		w.send(&p.down, "hint", 1)
	case p.ready == 0 && hinted:
		p.hinted = time.Time{}
		w.send(&p.down, "hint", 0)
	}
}

func (w *shareWorld) session(p *sharePart) {
	for _, m := range w.arrived(&p.down) {
		switch m.kind {
		case "credited":
			p.portion.credited(w.now)
			w.plan()
		case "hint":
			p.portion.hint(m.n > 0, w.now)
			w.plan()
		case "delivery":
			p.held += m.n
			for range m.n {
				w.waiting = append(w.waiting, p)
			}
			w.share.hold(p.portion, p.held, 0, w.now)
		case "settled":
			p.held -= m.n
			w.share.hold(p.portion, p.held, 0, w.now)
			w.plan()
		}
	}
}

// handle ends handlers and begins others.
func (w *shareWorld) handle() {
	kept := w.handling[:0]
	for _, h := range w.handling {
		switch {
		case h.over.After(w.now):
			kept = append(kept, h)
		case h.part.away: // what was decided meanwhile is sent when it is attached again
			h.over = w.now.Add(time.Millisecond)
			kept = append(kept, h)
		default:
			w.send(&h.part.up, "settle", 1)
		}
	}
	w.handling = kept
	for len(w.waiting) > 0 && len(w.handling) < w.handlers {
		w.handling = append(w.handling, shareWork{w.waiting[0], w.now.Add(time.Duration(1+w.r.IntN(w.serviceMs)) * time.Millisecond)})
		w.waiting = w.waiting[1:]
	}
	if len(w.waiting) == 0 && len(w.handling) < w.handlers && w.share.idle(w.now) {
		w.plan()
	}
}

// check is C1, from the nodes' side: what they have handed out, or still may, is never more than the window.
func (w *shareWorld) check() {
	sum, credits := 0, 0
	for _, p := range w.parts {
		credits += p.portion.credit
		if p.away {
			sum += p.held
		} else {
			sum += max(p.credit, p.leased)
		}
	}
	if sum > w.share.window || credits > w.share.window {
		w.t.Fatalf("%d are handed out or may be, credits are %d: %v", sum, credits, w)
	}
}

func (w *shareWorld) String() string {
	s := fmt.Sprintf("at %v, window %d, %d waiting, %d handled", w.now.Sub(time.Unix(0, 0)), w.share.window, len(w.waiting), len(w.handling))
	for i, p := range w.parts {
		s += fmt.Sprintf("\n  %d: ready %d leased %d held %d, credit %d, told %v, node has %d, hinted %t", i, p.ready, p.leased, p.held, p.portion.credit,
			p.portion.told, p.credit, p.portion.hinted)
	}
	return s
}

// TestShareModel: random backlogs, delays, slow and fast handlers, and broken connections. The window is never exceeded, a partition with events never waits
// for longer than C2 says, and in the end all events are handled.
func TestShareModel(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+10*(*seedCount); seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 10))
			parts := 2 + r.IntN(8)
			w := newShareWorld(t, r, 1+r.IntN([]int{2, 10, 100}[r.IntN(3)]), parts)
			breaks := r.IntN(2) * 2_000
			busy := r.IntN(parts)
			for range 5_000 {
				if p := w.parts[r.IntN(parts)]; r.IntN(40) == 0 {
					p.ready += 1 + r.IntN(3)
				}
				if p := w.parts[busy]; r.IntN(5) == 0 {
					p.ready += r.IntN(3)
				}
				if breaks > 0 && r.IntN(breaks) == 0 {
					if p := w.parts[r.IntN(parts)]; !p.away {
						w.breakOff(p, w.now.Add(time.Duration(r.IntN(300))*time.Millisecond))
					}
				}
				w.step()
			}
			done := func() bool {
				return !slices.ContainsFunc(w.parts, func(p *sharePart) bool { return p.ready+p.leased+p.held > 0 })
			}
			for i := 0; !done(); i++ {
				if i == 300_000 {
					t.Fatalf("events are left: %v", w)
				}
				w.step()
			}
			if breaks > 0 {
				return // how long it waits depends on how long others are away
			}
			// What is held at first is settled, and a turn of each of the others, in the worst case one after the other.
			settle := time.Duration(w.share.window*w.serviceMs/min(w.handlers, w.share.window)+w.serviceMs+6*w.delayMs) * time.Millisecond
			bound := turnLasts + settle
			for range (parts + w.share.window - 1) / w.share.window {
				bound += turnLasts + settle
			}
			if w.longest > bound {
				t.Fatalf("a partition waited for %v, more than %v: %v", w.longest, bound, w)
			}
		})
	}
}

// TestShareRests: while nobody is short nothing moves, and when one is busy among idle ones, it soon has all.
func TestShareRests(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 12))
	w := newShareWorld(t, r, 80, 8)
	w.handlers, w.serviceMs = 80, 1
	for range 5_000 {
		for _, p := range w.parts {
			p.ready = 100
		}
		w.step()
	}
	if w.credits != 0 {
		t.Errorf("%d changes of credit among equals", w.credits)
	}
	for range 5_000 {
		for i, p := range w.parts {
			p.ready = 0
			if i == 3 {
				p.ready = 100
			}
		}
		w.step()
	}
	if w.parts[3].portion.credit < 72 || w.credits > 8+4 {
		t.Errorf("the busy one has not the window, or it took many entries, %d: %v", w.credits, w)
	}
}
