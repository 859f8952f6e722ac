package partition

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// generator makes up a story as it goes on: it looks at the model to say what may make a difference.
type generator struct {
	rng  *rand.Rand
	s    *story
	acts []act
	// streams and subs are all that there may be. Who is removed comes again with another number.
	streams []StreamID
	subs    []generatedSub
	// conns are the sessions' last connections, and receipts what was taken, the latest last.
	conns    map[string]uint64
	receipts []Receipt
	// sequences and epochs of the producers.
	sequences map[string]uint64
	epochs    map[string]uint64
	// sent are the blocks that were numbered.
	sent  map[string]string
	lines []string
}

// generatedSub is a subscription as it may be made, again and again.
type generatedSub struct {
	id       SubscriptionID
	on       int
	fanout   bool
	ordered  bool
	members  []string
	attempts int
}

func (sub *generatedSub) cursors() []string {
	if !sub.fanout {
		return []string{fmt.Sprint(sub.id)}
	}
	var list []string
	for _, name := range sub.members {
		list = append(list, fmt.Sprintf("%d/%s", sub.id, name))
	}
	return list
}

func newGenerator(tb testing.TB, seed uint64) *generator {
	tb.Helper()
	g := &generator{
		rng: rand.New(rand.NewPCG(seed, 0)), s: newStory(strictTB{tb}),
		conns: map[string]uint64{}, sequences: map[string]uint64{}, epochs: map[string]uint64{}, sent: map[string]string{}, streams: []StreamID{1, 2, 3},
	}
	for _, sub := range []generatedSub{
		{id: 10, on: 0},
		{id: 11, on: 0, ordered: true},
		{id: 12, on: 0, fanout: true, members: []string{"x", "y", "z"}},
		{id: 20, on: 1},
		{id: 21, on: 1, ordered: true},
		{id: 22, on: 1, fanout: true, members: []string{"u", "v"}},
		{id: 30, on: 2},
	} {
		if g.chance(3, 4) || len(g.subs) == 0 {
			sub.attempts = 1 + g.rng.IntN(4)
			g.subs = append(g.subs, sub)
		}
	}
	return g
}

func (g *generator) chance(n, of int) bool { return g.rng.IntN(of) < n }

func pick[T any](g *generator, list []T) T { return list[g.rng.IntN(len(list))] }

func (g *generator) millis(n int) string { return fmt.Sprintf("%dms", g.rng.IntN(n+1)) }

// sayf adds a line to the entry.
func (g *generator) sayf(format string, args ...any) {
	g.lines = append(g.lines, strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// next makes up the next act.
func (g *generator) next() act {
	switch len(g.acts) {
	case 0:
		return g.limits()
	case 1:
		return g.begin()
	}
	switch g.rng.IntN(60) {
	case 0, 1:
		return act{cmd: "term"}
	case 2, 3, 4, 5:
		return act{cmd: "checkpoint"}
	case 6, 7:
		return act{cmd: "crash"}
	case 8:
		return act{cmd: "again"}
	}
	g.lines = nil
	g.time()
	for range 1 + g.rng.IntN(6) {
		g.line()
	}
	return act{cmd: "entry", lines: g.lines}
}

// limits makes some of the machine's bounds small.
func (g *generator) limits() act {
	a := act{cmd: "limits"}
	maybe := func(name string, least, span int) {
		if g.chance(1, 2) {
			a.args = append(a.args, fmt.Sprintf("%s=%d", name, least+g.rng.IntN(span)))
		}
	}
	maybe("near", 3, 40)
	maybe("look-ahead", 3, 40)
	maybe("leased", 3, 30)
	maybe("patient", 1, 4)
	maybe("dead", 5, 40)
	maybe("aside", 0, 12)
	maybe("step", 1, 30)
	maybe("ids", 2, 40)
	maybe("delayed-bytes", 300, 3000)
	a.args = append(a.args, fmt.Sprintf("trim=%d", 1+g.rng.IntN(8)), fmt.Sprintf("trim-bytes=%d", 1_000+g.rng.IntN(100_000)), fmt.Sprintf("pieces=%d", g.rng.IntN(5)))
	if g.chance(1, 6) {
		a.args = append(a.args, fmt.Sprintf("idsmax=%d", 20+g.rng.IntN(60)))
	}
	return a
}

func (g *generator) begin() act {
	g.lines = nil
	for _, stream := range g.streams {
		g.topic(stream)
	}
	for i := range g.subs {
		g.subscribe(&g.subs[i])
	}
	return act{cmd: "entry", lines: g.lines}
}

// time passes, little mostly, and now and then a leader's clock is off.
func (g *generator) time() {
	switch g.rng.IntN(30) {
	case 0:
		g.sayf("wait %s", g.millis(60_000))
	case 1:
		g.sayf("wait %s", g.millis(10_000))
	case 2:
		if g.chance(1, 4) {
			g.sayf("wait %s", g.millis(4*hourMillis))
		} else {
			g.sayf("wait %s", g.millis(400_000))
		}
	case 3, 4, 5, 6, 7, 8:
	default:
		g.sayf("wait %s", g.millis(800))
	}
	if g.chance(1, 40) {
		g.sayf("wall %dms%s", g.rng.IntN(6_000)-3_000, pick(g, []string{"", " agreed=no"}))
	} else if g.chance(1, 100) {
		g.sayf("wall %dms%s", g.rng.IntN(400_000)-200_000, pick(g, []string{"", " agreed=no"}))
	}
}

// line makes up a command.
func (g *generator) line() {
	sub := &g.subs[g.rng.IntN(len(g.subs))]
	cursor := pick(g, sub.cursors())
	if g.s.model.subs[sub.id] == nil && g.chance(1, 3) {
		if stream := g.streams[sub.on]; g.s.model.streams[stream] == nil {
			g.topic(stream)
		}
		g.subscribe(sub)
		return
	}
	switch n := g.rng.IntN(100); {
	case n < 22:
		g.publish()
	case n < 36:
		g.attach(cursor)
	case n < 66:
		g.settle()
	case n < 78:
		g.fill()
	case n < 82:
		g.take(cursor)
	case n < 87:
		g.giveBack()
	case n < 91:
		g.redrive(cursor)
	case n < 95:
		g.leave()
	case n < 97:
		g.sayf("%s", pick(g, []string{"hash", "level 1"}))
	case n < 98:
		g.remove(sub, cursor)
	case n < 99:
		g.subscribe(sub)
	default:
		g.topic(pick(g, g.streams))
	}
}

func (g *generator) topic(stream StreamID) {
	switch g.rng.IntN(5) {
	case 0:
		g.sayf("topic %d age=%s drop=yes", stream, g.millis(20_000))
	case 1:
		g.sayf("topic %d bytes=%d drop=yes", stream, 500+g.rng.IntN(20_000))
	case 2:
		g.sayf("topic %d age=%s bytes=%d", stream, g.millis(20_000), 500+g.rng.IntN(20_000))
	default:
		g.sayf("topic %d", stream)
	}
}

func (g *generator) subscribe(sub *generatedSub) {
	kind, opts := "queue", fmt.Sprintf("attempts=%d", sub.attempts)
	if sub.fanout {
		kind = "fanout"
		opts += fmt.Sprintf(" members=%s", strings.Join(sub.members[:g.rng.IntN(len(sub.members)+1)], ","))
		if g.chance(1, 2) {
			opts += " expiry=" + g.millis(20_000)
		}
	}
	if sub.ordered != g.chance(1, 50) {
		opts += " ordered=yes"
	}
	if g.chance(1, 2) {
		opts += " from=earliest"
	}
	opts += fmt.Sprintf(" visibility=%dms", 500+g.rng.IntN(12_000))
	on := g.streams[sub.on]
	if is := g.s.model.subs[sub.id]; is != nil && g.chance(1, 20) {
		on = pick(g, g.streams) // perhaps another than its own
	}
	g.sayf("subscribe %d %s %d %s %s", on, kind, sub.id, opts, pick(g, []string{"", "", `{"a":[1]}`, `{"a":[2]}`}))
}

// publish makes up a block: mostly small, of events some of which have keys, dedup ids or a deliver-at.
func (g *generator) publish() {
	on, n := g.rng.IntN(len(g.streams)), 1+g.rng.IntN(6)
	if g.chance(1, 8) {
		n = 1 + g.rng.IntN(40)
	}
	line := fmt.Sprintf("publish %d %d", g.streams[on], n)
	each := func(name string, of, often int, value func() string) {
		if !g.chance(1, of) {
			return
		}
		list := make([]string, n)
		for i := range list {
			if list[i] = "-"; g.chance(1, often) {
				list[i] = value()
			}
		}
		line += " " + name + "=" + strings.Join(list, ",")
	}
	each("keys", 2, 1, func() string { return pick(g, []string{"a", "b", "c", "-"}) })
	each("ids", 4, 2, func() string { return fmt.Sprint("i", g.rng.IntN(40)) })
	each("at", 5, 3, func() string {
		ahead := g.rng.IntN(10_000)
		if g.chance(1, 3) {
			ahead = g.rng.IntN(3 * hourMillis)
		}
		return fmt.Sprintf("%dms", int(g.s.m.wall)+ahead)
	})
	for _, sub := range g.subs {
		if sub.on != on {
			continue
		}
		var hits []string
		for i := range n {
			if g.chance(1, 2) {
				hits = append(hits, fmt.Sprint(i))
			}
		}
		if g.chance(1, 5) {
			line += fmt.Sprintf(" %d=all", sub.id)
		} else if len(hits) > 0 {
			line += fmt.Sprintf(" %d=%s", sub.id, strings.Join(hits, ","))
		}
	}
	if g.chance(1, 3) {
		line += fmt.Sprintf(" size=%d", 1+g.rng.IntN(500))
	}
	if g.chance(1, 4) {
		numbered := g.producer(g.streams[on])
		key := fmt.Sprint(g.streams[on], numbered)
		if again, sent := g.sent[key]; sent { // the same number is the same block, always
			line = again
		} else {
			line += numbered
			g.sent[key] = line
		}
	}
	if g.chance(1, 40) {
		line += fmt.Sprintf(" set=%d", g.rng.IntN(6))
	}
	if g.chance(1, 20) {
		line += " checked=0"
	}
	g.sayf("%s", line)
}

// producer numbers a block: the next of its producer, one that was sent before, one that was skipped, or one of another epoch.
func (g *generator) producer(stream StreamID) string {
	name := pick(g, []string{"p", "q"})
	key := fmt.Sprint(stream, name)
	g.epochs[key] = max(g.epochs[key], 1)
	switch g.rng.IntN(10) {
	case 0:
		g.epochs[key]++
		g.sequences[key] = 1
	case 1, 2:
		back := g.rng.Uint64N(20)
		return fmt.Sprintf(" producer=%s epoch=%d seq=%d", name, g.epochs[key], 1+max(g.sequences[key], back)-back)
	case 3:
		return fmt.Sprintf(" producer=%s epoch=%d seq=%d", name, g.epochs[key], g.sequences[key]+2)
	case 4:
		return fmt.Sprintf(" producer=%s epoch=%d seq=%d", name, max(g.epochs[key], 2)-1, 1+g.rng.IntN(4))
	default:
		g.sequences[key]++
	}
	return fmt.Sprintf(" producer=%s epoch=%d seq=%d", name, g.epochs[key], g.sequences[key])
}

// session picks one of the few sessions there are on a cursor.
func (g *generator) session(cursor string) string {
	return string(rune('a'+g.rng.IntN(3))) + strings.ReplaceAll(cursor, "/", "")
}

// received is what a session says to have got: mostly all, sometimes less than it said before.
func (g *generator) received(name string) string {
	s := g.s.model.sessions[sessionNamed(name)]
	switch {
	case s == nil && g.chance(1, 12): // in a session that was forgotten
		return " received=1"
	case s == nil || s.lastDelivery == 0:
		return ""
	}
	if g.chance(1, 3) {
		return fmt.Sprintf(" received=%d", g.rng.Uint64N(s.lastDelivery+2))
	}
	return fmt.Sprintf(" received=%d", s.lastDelivery)
}

func (g *generator) attach(cursor string) {
	name := g.session(cursor)
	if s := g.s.model.sessions[sessionNamed(name)]; s != nil && s.live(g.s.term) && g.chance(2, 3) {
		line := fmt.Sprintf("credit %s %d", name, g.rng.IntN(12))
		if g.chance(1, 3) {
			line += fmt.Sprintf(" bytes=%d", g.rng.IntN(2_000))
		}
		conn := g.conns[name]
		if g.chance(1, 10) {
			conn--
		}
		g.sayf("%s conn=%d", line, conn)
		return
	}
	g.conns[name]++
	if g.chance(1, 40) {
		cursor = pick(g, []string{"10", "12/x", "12", "99", "10/x"})
	}
	line := fmt.Sprintf("attach %s %s conn=%d credit=%d%s", name, cursor, g.conns[name], g.rng.IntN(15), g.received(name))
	if g.chance(1, 4) {
		line += fmt.Sprintf(" bytes=%d", g.rng.IntN(2_000))
	}
	if g.chance(1, 3) {
		line += fmt.Sprintf(" visibility=%dms", 200+g.rng.IntN(8_000))
	}
	switch {
	case g.chance(1, 8): // it was on its way for long
		line += fmt.Sprintf(" stamp=%d", g.rng.Int64N(int64(g.conns[name])+1))
	case g.chance(3, 4):
		line += fmt.Sprintf(" stamp=%d", g.conns[name])
	}
	if s := g.s.model.sessions[sessionNamed(name)]; g.chance(1, 4) && s != nil { // sometimes of a session that is forgotten
		line += fmt.Sprintf(" answered=%d", g.rng.Uint64N(s.stamp+1)+uint64(g.rng.IntN(4)/3))
	}
	g.sayf("%s", line)
}

// anySession picks a session that there is, one that holds something rather than another.
func (g *generator) anySession() (name string, ok bool) {
	all := inOrderOf(g.s.model.sessions, func(s *modelSession) uint64 { return s.ordinal })
	if len(all) == 0 {
		return "", false
	}
	s := pick(g, all)
	for range 3 {
		if len(g.s.model.leasesOf(s)) == 0 {
			s = pick(g, all)
		}
	}
	return sessionName(s.id), true
}

// leave has a session go in one of the ways there are.
func (g *generator) leave() {
	name, ok := g.anySession()
	if !ok {
		return
	}
	switch g.rng.IntN(3) {
	case 0:
		g.sayf("detach %s conn=%d", name, g.conns[name])
	case 1:
		g.sayf("detach %s conn=%d away=yes", name, g.conns[name])
	default:
		g.sayf("close %s %s%s", name, strings.Join(g.some(name), " "), g.received(name))
	}
}

// runs tells which of some events are meant: as they are in a row, some left out.
func (g *generator) runs(events []*modelCopy) string {
	var list []string
	for _, e := range events {
		if g.chance(2, 3) {
			list = append(list, fmt.Sprint(e.offset))
		}
	}
	if g.chance(1, 12) {
		at := g.rng.IntN(60)
		list = append(list, fmt.Sprintf("%d-%d", at, at+g.rng.IntN(4)))
	}
	return strings.Join(list, ",")
}

// positions tells which of some events of one delivery are meant, by their positions in it: one run of them all, or as runs does; now and then also
// of those that it no longer has.
func (g *generator) positions(events []*modelCopy) string {
	listed := events[0].lease.listed
	if g.chance(1, 3) {
		return fmt.Sprintf("0-%d", len(listed)-1+g.rng.IntN(40)/39)
	}
	if g.chance(1, 4) {
		from := g.rng.IntN(len(listed))
		return fmt.Sprintf("%d-%d", from, from+g.rng.IntN(len(listed)-from))
	}
	var list []string
	for _, e := range events {
		if g.chance(2, 3) {
			list = append(list, fmt.Sprint(slices.Index(listed, e.offset)))
		}
	}
	if g.chance(1, 12) {
		at := g.rng.IntN(len(listed) + 2)
		list = append(list, fmt.Sprintf("%d-%d", at, at+g.rng.IntN(4)))
	}
	return strings.Join(list, ",")
}

// some picks deliveries that a session holds, and now and then one that it doesn't.
func (g *generator) some(name string) (list []string) {
	s := g.s.model.sessions[sessionNamed(name)]
	held := map[uint64][]*modelCopy{}
	var deliveries []uint64
	for _, l := range g.s.model.leasesOf(s) {
		if held[l.delivery] == nil {
			deliveries = append(deliveries, l.delivery)
		}
		held[l.delivery] = append(held[l.delivery], l.events()...)
	}
	for _, d := range deliveries {
		switch g.rng.IntN(4) {
		case 0:
		case 1:
			list = append(list, fmt.Sprint(d))
		case 2:
			if runs := g.positions(held[d]); runs != "" {
				list = append(list, fmt.Sprintf("%d:@%s", d, runs))
			}
		default:
			if runs := g.runs(held[d]); runs != "" {
				list = append(list, fmt.Sprintf("%d:%s", d, runs))
			}
		}
	}
	if len(list) == 0 && g.chance(1, 6) {
		list = append(list, fmt.Sprint(1+g.rng.IntN(10))+pick(g, []string{"", ":@0-2"}))
	}
	return list
}

// decision is a verb with what it wants to know.
func (g *generator) decision() (verb, opts string) {
	switch g.rng.IntN(9) {
	case 0, 1:
		verb = "release"
		if g.chance(1, 2) {
			opts += " after=" + g.millis(3_000)
		}
		if g.chance(1, 4) {
			opts += " unstarted=yes"
		}
	case 2:
		verb = "reject"
	case 3, 4:
		verb = "extend"
		if g.chance(1, 2) {
			opts += " after=" + g.millis(10_000)
		}
	default:
		verb = "ack"
	}
	if g.chance(1, 6) {
		opts += " reason=broken"
	}
	return verb, opts
}

func (g *generator) settle() {
	name, ok := g.anySession()
	if !ok {
		g.publish()
		return
	}
	verb, opts := g.decision()
	line := fmt.Sprintf("%s %s %s%s%s", verb, name, strings.Join(g.some(name), " "), opts, g.received(name))
	switch g.rng.IntN(16) {
	case 0:
		line += fmt.Sprintf(" seq=%d", g.rng.IntN(3)+int(g.s.model.sessions[sessionNamed(name)].settled))
	case 1, 2:
		verb, opts := g.decision()
		line += fmt.Sprintf(" + %s %s%s", verb, strings.Join(g.some(name), " "), opts)
	}
	g.sayf("%s", line)
}

// fill reads the log for a cursor that is far, if there is one.
func (g *generator) fill() {
	far := slices.DeleteFunc(g.s.model.cursors(), func(c *modelCursor) bool { return c.reach == reachNear && !g.chance(1, 200) })
	if len(far) == 0 {
		g.settle()
		return
	}
	c := pick(g, far)
	line := fmt.Sprintf("read %v", c.id)
	if g.chance(1, 2) {
		line += fmt.Sprintf(" max=%d", 1+g.rng.IntN(20))
	}
	if g.chance(1, 5) {
		line += fmt.Sprintf(" to=%d", int(c.frontier)+g.rng.IntN(20))
	}
	if g.chance(1, 20) {
		line += fmt.Sprintf(" from=%d", max(0, int(c.frontier)-1+g.rng.IntN(3)))
	}
	g.sayf("%s", line)
}

func (g *generator) take(cursor string) {
	line := fmt.Sprintf("take %s max=%d", cursor, 1+g.rng.IntN(4))
	if g.chance(1, 4) {
		line += fmt.Sprintf(" bytes=%d", g.rng.IntN(900))
	}
	if g.chance(1, 2) {
		line += fmt.Sprintf(" visibility=%dms", 200+g.rng.IntN(8_000))
	}
	g.sayf("%s", line)
}

// giveBack settles receipts: of what is taken, or was.
func (g *generator) giveBack() {
	for _, l := range inOrderOf(g.s.model.leases, func(l *modelLease) uint64 { return l.id }) {
		for _, e := range l.events() {
			if r := (Receipt{l.cursor.id, e.offset, l.epoch}); l.taken && !slices.Contains(g.receipts, r) {
				g.receipts = append(g.receipts, r)
			}
		}
	}
	g.receipts = g.receipts[max(0, len(g.receipts)-12):]
	if len(g.receipts) == 0 {
		return
	}
	var list []string
	for range 1 + g.rng.IntN(4) {
		r := pick(g, g.receipts)
		list = append(list, fmt.Sprintf("%v:%d@%d", r.Cursor, r.Offset, r.Epoch))
	}
	verb, opts := g.decision()
	g.sayf("return %s 10 %s%s", verb, strings.Join(list, " "), opts)
}

func (g *generator) redrive(cursor string) {
	line := "redrive " + cursor
	if c := g.s.model.find(g.s.cursor(cursor)); c != nil && g.chance(1, 2) {
		var list []string
		for _, e := range c.in(stateDead, stateReady) {
			if g.chance(1, 2) {
				list = append(list, fmt.Sprint(e.offset))
			}
		}
		line += " " + strings.Join(list, ",")
	}
	if g.chance(1, 2) {
		line += fmt.Sprintf(" max=%d", 1+g.rng.IntN(6))
	}
	if g.chance(1, 4) {
		line += fmt.Sprintf(" from=%d", g.rng.IntN(60))
	}
	if g.chance(1, 4) {
		line += " reason=" + (DeadExpired + DeadReason(g.rng.IntN(4))).String()
	}
	g.sayf("%s", line)
}

// remove removes a member, a subscription, or now and then a stream.
func (g *generator) remove(sub *generatedSub, cursor string) {
	stream := g.streams[sub.on]
	switch {
	case sub.fanout && g.chance(2, 3):
		g.sayf("remove %d %s", stream, cursor)
	case g.chance(1, 4):
		g.sayf("remove %d", stream)
		g.streams[sub.on] += 3
		for i := range g.subs {
			if other := &g.subs[i]; other.on == sub.on {
				other.id += 100
			}
		}
	default:
		g.sayf("remove %d %d", stream, sub.id)
		if g.chance(3, 4) {
			sub.id += 100
		}
	}
}
