package partition

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/freshet-mq/freshet/proto/block"
)

// TestScripts runs the stories of testdata: each step is an entry's sections, and shows what the machine makes of them. Every step is also
// applied to a second machine that is restored from a snapshot of itself each time: both must say the same (P9).
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		s := newStory(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			return s.step(d)
		})
	})
}

// story is a partition that a script drives by hand.
type story struct {
	t        *testing.T
	m, twin  *Machine
	index    Index
	term     Term
	pending  []section
	labels   []string
	delta    Tick
	sequence map[string]uint64
	settles  map[string]uint64
	// versions are the streams' set versions once the pending sections are applied.
	versions map[StreamID]uint64
	// nearEventsMax and dismantleMax, when they are made small.
	nearEventsMax uint64
	// lookAheadMax and delayedBytesMax too.
	lookAheadMax, delayedBytesMax uint64
	// trimEvery, when it is another.
	trimEvery    Index
	dismantleMax int
	// generationIDs and idsMax of dedup ids likewise.
	generationIDs, idsMax int
	// asideEventsMax too; when it is set, show says what is aside.
	asideEventsMax uint64
}

func newStory(t *testing.T) *story {
	s := &story{
		t: t, m: NewMachine(), twin: NewMachine(), term: 1,
		sequence: map[string]uint64{}, settles: map[string]uint64{}, versions: map[StreamID]uint64{},
	}
	s.m.hashEvery = 1 // each entry's effects have a hash, and the restored machine's must be the same
	return s
}

// step runs one directive. Its lines are sections of one entry; a directive without lines is a line itself.
func (s *story) step(d *datadriven.TestData) string {
	switch d.Cmd {
	case "entry":
		for line := range strings.SplitSeq(strings.TrimSpace(d.Input), "\n") {
			s.line(line)
		}
		return s.apply()
	case "term":
		s.term++
		return fmt.Sprintf("term %d\n", s.term)
	case "show":
		return s.show()
	case "limits":
		s.limits(d)
		return "ok\n"
	}
	s.t.Fatalf("%s: unknown directive %q", d.Pos, d.Cmd)
	return ""
}

// limits makes limits small: near is NearEventsMax, trim after how many entries it is looked at what is kept.
func (s *story) limits(d *datadriven.TestData) {
	for _, arg := range d.CmdArgs {
		switch n := s.num(arg.Vals[0]); arg.Key {
		case "near":
			s.nearEventsMax = n
			s.m.nearEventsMax, s.twin.nearEventsMax = n, n
		case "look-ahead":
			s.lookAheadMax = n
			s.m.lookAheadMax, s.twin.lookAheadMax = n, n
		case "delayed-bytes":
			s.delayedBytesMax = n
			s.m.delayedBytesMax, s.twin.delayedBytesMax = n, n
		case "trim":
			s.trimEvery = Index(n)
			s.m.trimEvery, s.twin.trimEvery = s.trimEvery, s.trimEvery
		case "ids": // so many fill a generation
			s.generationIDs = int(n)
			s.m.dedup.generationIDs, s.twin.dedup.generationIDs = int(n), int(n)
		case "idsmax":
			s.idsMax = int(n)
			s.m.dedup.idsMax, s.twin.dedup.idsMax = int(n), int(n)
		case "aside":
			s.asideEventsMax = n
			s.m.asideEventsMax, s.twin.asideEventsMax = n, n
		case "step":
			s.dismantleMax = int(n)
			s.m.dismantleMax, s.twin.dismantleMax = int(n), int(n)
		default:
			d.Fatalf(s.t, "no limit %q", arg.Key)
		}
	}
}

// line adds the sections of one line: "wait 30s", "topic 1", "subscribe 1 queue 10 visibility=30s attempts=3 pattern", "publish 1 5 10=0,2",
// "attach a 10 credit=3", "ack a 1:0-2", ...
func (s *story) line(line string) {
	words := strings.Fields(line)
	verb, args := words[0], words[1:]
	opts := map[string]string{}
	var rest []string
	for _, a := range args {
		if k, v, ok := strings.Cut(a, "="); ok {
			opts[k] = v
		} else {
			rest = append(rest, a)
		}
	}
	s.labels = append(s.labels, line)
	add := func(sec section) { s.pending = append(s.pending, sec) }
	switch verb {
	case "wait":
		s.labels = s.labels[:len(s.labels)-1]
		s.delta += s.ticks(rest[0])
	case "topic":
		sec := streamSection{Stream: StreamID(s.num(rest[0]))}
		if len(opts) > 0 {
			sec.Retention = &Retention{Age: Wall(s.optTicks(opts, "age")), Bytes: s.opt(opts, "bytes", 0), Drop: opts["drop"] == "yes"}
		}
		add(sec)
	case "fill":
		add(s.fill(rest, opts))
	case "subscribe":
		add(s.subscribe(rest, opts))
	case "publish":
		add(s.publish(rest, opts))
	case "attach":
		add(attachSection{
			Session: sessionNamed(rest[0]), Connection: ConnectionID(s.opt(opts, "conn", 1)), Cursor: s.cursor(rest[1]),
			Received: s.opt(opts, "received", 0), CreditEvents: uint32(s.opt(opts, "credit", 100)),
			CreditBytes: s.opt(opts, "bytes", 1<<20), VisibilityOwn: s.optTicks(opts, "visibility"),
		})
	case "detach":
		add(detachSection{Session: sessionNamed(rest[0]), Connection: ConnectionID(s.opt(opts, "conn", 1)), Away: opts["away"] == "yes"})
	case "credit":
		add(creditSection{
			Session: sessionNamed(rest[0]), Connection: ConnectionID(s.opt(opts, "conn", 1)),
			Events: uint32(s.num(rest[1])), Bytes: s.opt(opts, "bytes", 1<<20),
		})
	case "close":
		add(closeSection{Session: sessionNamed(rest[0]), Received: s.opt(opts, "received", 0), Unstarted: s.leased(rest[1:])})
	case "ack", "extend", "release", "reject":
		add(s.settle(verb, rest, opts))
	case "take":
		add(takeSection{
			Cursor: s.cursor(rest[0]), Events: uint32(s.opt(opts, "max", 1)), Bytes: s.opt(opts, "bytes", 1<<20),
			Visibility: s.optTicks(opts, "visibility"),
		})
	case "return":
		add(s.giveBack(rest, opts))
	case "redrive":
		add(s.redrive(rest, opts))
	case "remove":
		add(s.remove(rest))
	default:
		s.t.Fatalf("unknown line %q", line)
	}
}

func (s *story) subscribe(rest []string, opts map[string]string) section {
	c := SubscriptionConfig{
		Stream: StreamID(s.num(rest[0])), Kind: KindQueue, ID: SubscriptionID(s.num(rest[2])),
		Visibility: 30_000, AttemptsMax: uint16(s.opt(opts, "attempts", 5)),
	}
	if rest[1] == "fanout" {
		c.Kind = KindFanout
	}
	if v := s.optTicks(opts, "visibility"); v != 0 {
		c.Visibility = v
	}
	if len(rest) > 3 {
		c.Pattern = rest[3]
	}
	if opts["from"] == "earliest" {
		c.From = FromEarliest
	}
	c.Ordered = opts["ordered"] == "yes"
	c.MemberExpiry = Wall(s.optTicks(opts, "expiry"))
	if m := opts["members"]; m != "" {
		c.Members = strings.Split(m, ",")
	}
	s.versions[c.Stream]++
	return subscriptionSection{c}
}

// publish makes a block of so many events of 100 bytes; what selective subscriptions match is told as ID=0,2 or ID=all. Their keys are told as
// keys=a,b,- and when they are due, by wall time, which begins at 0 and goes as the clock does, as at=1m,-,2h.
func (s *story) publish(rest []string, opts map[string]string) section {
	stream, n := StreamID(s.num(rest[0])), int(s.num(rest[1]))
	size := int(s.opt(opts, "size", 100))
	var producer block.Producer
	if name := opts["producer"]; name != "" {
		copy(producer.ID[:], name)
		producer.Epoch = uint32(s.opt(opts, "epoch", 1))
		producer.Sequence = s.opt(opts, "seq", 0)
		if producer.Sequence == 0 {
			s.sequence[name]++
			producer.Sequence = s.sequence[name]
		}
	}
	sec := blockSection{
		Stream: stream, SetVersion: s.opt(opts, "set", s.versions[stream]), Block: s.block(n, size, producer, opts),
	}
	s.judge(&sec, opts)
	var list []matched
	var ids []int
	for k := range opts {
		if id, err := strconv.Atoi(k); err == nil {
			ids = append(ids, id)
		}
	}
	sort.Ints(ids)
	for _, id := range ids {
		m := matched{Subscription: SubscriptionID(id)}
		if v := opts[strconv.Itoa(id)]; v != "all" {
			m.Words = make([]uint64, (n+63)/64)
			for w := range strings.SplitSeq(v, ",") {
				i := s.num(w)
				m.Words[i/64] |= 1 << (i % 64)
			}
		}
		list = append(list, m)
	}
	sec.Matches = appendMatchIndex(nil, n, list)
	return sec
}

func (s *story) block(n, size int, producer block.Producer, opts map[string]string) []byte {
	if opts["keys"] == "" && opts["at"] == "" && opts["ids"] == "" {
		return testBlock(s.t, n, size, producer)
	}
	events := make([]block.Event, n)
	for i := range events {
		events[i] = block.Event{Data: make([]byte, size), ContentType: "application/octet-stream"}
	}
	each := func(list string, set func(e *block.Event, text string)) {
		for i, text := range strings.Split(list, ",") {
			if text != "-" && text != "" {
				set(&events[i], text)
			}
		}
	}
	each(opts["keys"], func(e *block.Event, key string) { e.Key = key })
	each(opts["ids"], func(e *block.Event, id string) { e.DedupID = id })
	each(opts["at"], func(e *block.Event, at string) { e.DeliverAtMillis = int64(s.ticks(at)) })
	return eventsBlock(s.t, producer, events)
}

// judge does what the leader does with dedup ids, or, with checked=, what one did that had looked long ago.
func (s *story) judge(sec *blockSection, opts map[string]string) {
	if _, late := opts["checked"]; late {
		sec.Checked = Index(s.opt(opts, "checked", 0))
		return
	}
	b, err := block.Open(sec.Block)
	if err != nil {
		s.t.Fatal(err)
	}
	var generations []*generation
	generations, sec.Checked = s.m.dedup.frozen()
	sec.judge(&b, generations, s.m.clock+s.delta)
}

// testBlock makes a block of n opaque events.
func testBlock(tb testing.TB, n, size int, producer block.Producer) []byte {
	tb.Helper()
	return testBlockWith(tb, n, size, producer, func(int) string { return "" })
}

// testBlockWith is testBlock with dedup ids.
func testBlockWith(tb testing.TB, n, size int, producer block.Producer, id func(i int) string) []byte {
	tb.Helper()
	var w block.Writer
	if err := w.Reset(block.Options{Producer: producer}); err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		data := make([]byte, size)
		data[0] = byte(i)
		if err := w.Append(&block.Event{Data: data, ContentType: "application/octet-stream", DedupID: id(i)}); err != nil {
			tb.Fatal(err)
		}
	}
	b, err := w.Finish(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

var verbs = map[string]Verb{"ack": VerbAck, "extend": VerbExtend, "release": VerbRelease, "reject": VerbReject}

// settle is "ack a 1:0-2 3" (delivery 1 offsets 0 to 2, and all of delivery 3), numbered by itself unless seq= says otherwise.
func (s *story) settle(verb string, rest []string, opts map[string]string) section {
	name := rest[0]
	seq := s.opt(opts, "seq", 0)
	if seq == 0 {
		s.settles[name]++
		seq = s.settles[name]
	}
	return settleSection{
		Session: sessionNamed(name), Sequence: seq, Received: s.opt(opts, "received", 0),
		Decisions: []Decision{s.decision(verb, s.leased(rest[1:]), opts)},
	}
}

func (s *story) decision(verb string, leased []Leased, opts map[string]string) Decision {
	return Decision{
		Verb: verbs[verb], Leased: leased, After: s.optTicks(opts, "after"),
		Unstarted: opts["unstarted"] == "yes", Reason: opts["reason"],
	}
}

// fill is "fill 10 0-6 0-2,5": of the offsets from 0 up to 6 these match. Events are as large as publish makes them.
func (s *story) fill(rest []string, opts map[string]string) section {
	from, to, _ := strings.Cut(rest[1], "-")
	sec := fillSection{Cursor: s.cursor(rest[0]), From: Offset(s.num(from)), To: Offset(s.num(to))}
	if len(rest) > 2 {
		for _, r := range s.runs(rest[2]) {
			sized := sizedRun{Run: r, Classes: []sizeClass{classOf(int(s.opt(opts, "size", 125)))}}
			for i, key := range strings.Split(opts["keys"], ",") {
				if key != "" && i < int(r.Count) {
					sized.Keys = append(sized.Keys, block.HashKey(key))
				}
			}
			sec.Runs = append(sec.Runs, sized)
		}
	}
	return sec
}

// giveBack is "return ack 10 offset@epoch ...".
func (s *story) giveBack(rest []string, opts map[string]string) section {
	sec := returnSection{Decision: s.decision(rest[0], nil, opts)}
	for _, r := range rest[2:] {
		offset, epoch, _ := strings.Cut(r, "@")
		sec.Receipts = append(sec.Receipts, Receipt{
			Cursor: s.cursor(rest[1]), Offset: Offset(s.num(offset)), Epoch: Epoch(s.num(epoch)),
		})
	}
	return sec
}

// redrive is "redrive 10 0-2,5 max=3 reason=rejected"; without offsets it is about all.
func (s *story) redrive(rest []string, opts map[string]string) section {
	sec := redriveSection{Cursor: s.cursor(rest[0]), Max: uint32(s.opt(opts, "max", RedriveMax)), From: Offset(s.opt(opts, "from", 0))}
	if len(rest) > 1 {
		sec.Runs = s.runs(rest[1])
	}
	for r := DeadExpired; r <= DeadUndelivered; r++ {
		if r.String() == opts["reason"] {
			sec.Reason = r
		}
	}
	return sec
}

// remove is "remove 1", "remove 1 10" or "remove 1 12/web-1": a topic, a subscription, a member.
func (s *story) remove(rest []string) section {
	sec := removeSection{Stream: StreamID(s.num(rest[0]))}
	if len(rest) > 1 {
		c := s.cursor(rest[1])
		sec.Subscription, sec.Member = c.Subscription, c.Member
		if c.Member == "" {
			s.versions[sec.Stream]++
		}
	}
	return sec
}

// runs reads "0-2,5".
func (s *story) runs(text string) (runs []Run) {
	for _, r := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		from, to, isRun := strings.Cut(r, "-")
		run := Run{Offset(s.num(from)), 1}
		if isRun {
			run.Count = uint32(s.num(to)-s.num(from)) + 1
		}
		runs = append(runs, run)
	}
	return runs
}

func (s *story) leased(words []string) (list []Leased) {
	for _, w := range words {
		delivery, runs, _ := strings.Cut(w, ":")
		list = append(list, Leased{Delivery: s.num(delivery), Runs: s.runs(runs)})
	}
	return list
}

// apply makes an entry of the pending sections, applies it, and tells what came of it.
func (s *story) apply() string {
	s.index++
	entry := appendEntryHeader(nil)
	entry = appendSection(entry, clockSection{Delta: s.delta, Wall: s.m.wall + Wall(s.delta), Agreed: true})
	for _, sec := range s.pending {
		entry = appendSection(entry, sec)
	}
	fx, err := s.m.Apply(s.index, s.term, entry)
	if err != nil {
		s.t.Fatal(err)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "entry %d at %v\n", s.index, s.m.clock)
	for i, label := range s.labels {
		fmt.Fprintf(&out, "  %s: %s\n", label, tellSection(label, fx.Results[i+1]))
	}
	for _, g := range fx.Grants {
		fmt.Fprintf(&out, "  -> %s delivery %d, until %v: %s\n", sessionName(g.Session), g.Delivery,
			s.m.clock.deadlineAfter(g.Visibility), tellRuns(g.Runs))
		if g.Truncated > 0 {
			fmt.Fprintf(&out, "     truncated before %d\n", g.Truncated)
		}
	}
	for _, c := range fx.Ready {
		fmt.Fprintf(&out, "  waiting on %v: %d\n", c, s.m.find(c).ready.GetCardinality())
	}
	for _, b := range fx.Behind {
		fmt.Fprintf(&out, "  %v is behind, room for %d more\n", b.Cursor, b.Events)
	}
	for _, g := range fx.Gone.Sessions {
		fmt.Fprintf(&out, "  %s's session ends\n", sessionName(g.Session))
	}
	for _, u := range fx.Unused {
		fmt.Fprintf(&out, "  %v was unused: %d unsettled, %d unread\n", u.Cursor, u.Unsettled, u.Unread)
	}
	for _, c := range fx.Gone.Cursors {
		fmt.Fprintf(&out, "  %v is removed\n", c)
	}
	for _, t := range fx.Truncated {
		fmt.Fprintf(&out, "  %v is truncated at %d: %d dropped, %d unread\n", t.Cursor, t.At, t.Dropped, t.Unread)
	}
	s.pending, s.labels, s.delta = nil, nil, 0
	s.checkTwin(entry, fx)
	return out.String()
}

// checkTwin applies the entry to a machine fresh from its own snapshot.
func (s *story) checkTwin(entry []byte, fx *Effects) {
	restored, err := Restore(s.twin.Snapshot())
	if err != nil {
		s.t.Fatalf("restoring: %v", err)
	}
	s.twin = restored
	if s.trimEvery > 0 {
		s.twin.trimEvery = s.trimEvery
	}
	if s.asideEventsMax > 0 {
		s.twin.asideEventsMax = s.asideEventsMax
	}
	if s.nearEventsMax > 0 {
		s.twin.nearEventsMax = s.nearEventsMax
	}
	if s.lookAheadMax > 0 {
		s.twin.lookAheadMax = s.lookAheadMax
	}
	if s.delayedBytesMax > 0 {
		s.twin.delayedBytesMax = s.delayedBytesMax
	}
	if s.generationIDs > 0 {
		s.twin.dedup.generationIDs = s.generationIDs
	}
	if s.idsMax > 0 {
		s.twin.dedup.idsMax = s.idsMax
	}
	s.twin.hashEvery = s.m.hashEvery
	if s.dismantleMax > 0 {
		s.twin.dismantleMax = s.dismantleMax
	}
	again, err := s.twin.Apply(s.index, s.term, entry)
	if err != nil {
		s.t.Fatalf("the restored machine: %v", err)
	}
	if a, b := fmt.Sprintf("%+v", *fx), fmt.Sprintf("%+v", *again); a != b {
		s.t.Fatalf("a machine that was restored differs\n  was  %s\n  is   %s", a, b)
	}
	if err := checkInvariants(s.m); err != nil {
		s.t.Fatal(err)
	}
}

// show tells what each cursor has.
func (s *story) show() string {
	var out strings.Builder
	for _, st := range s.m.streamOrder {
		fmt.Fprintf(&out, "stream %d, next offset %d", st.id, st.next)
		if st.leaving {
			fmt.Fprintf(&out, ", leaving")
		}
		if st.floor > 0 {
			fmt.Fprintf(&out, ", kept from %d on", st.floor)
		}
		if s.asideEventsMax > 0 {
			sep := ", aside "
			st.eachAside(func(a *aside) {
				fmt.Fprintf(&out, "%s%d", sep, a.offset)
				sep = ","
			})
		}
		fmt.Fprintln(&out)
		for _, sub := range st.subscriptions {
			for _, c := range sub.cursors {
				fmt.Fprintf(&out, "  %v %v: ready %v", sub.Kind, c.id(), c.ready)
				fmt.Fprintf(&out, " leased %d delayed %d", c.leased, c.delayed.Len())
				if !c.later.IsEmpty() {
					fmt.Fprintf(&out, " later %v", c.later)
				}
				if c.order != nil {
					fmt.Fprintf(&out, " blocked %d", c.blocked())
					if c.order.stalled {
						fmt.Fprintf(&out, " stalled")
					}
				}
				if c.leaving {
					fmt.Fprintf(&out, " leaving")
				}
				switch c.reach {
				case reachFar:
					fmt.Fprintf(&out, " far from %d on", c.frontier)
				case reachClosing:
					fmt.Fprintf(&out, " lacks %d-%d, ahead %v", c.frontier, c.resume-1, c.ahead)
				case reachNear:
				}
				c.dead.Ascend(func(d deadLetter) bool {
					fmt.Fprintf(&out, " dead %d (%v after %d %s)", d.offset, d.reason, d.attempts, d.detail)
					return true
				})
				fmt.Fprintln(&out)
			}
		}
	}
	if at, ok := s.m.NextDeadline(); ok {
		fmt.Fprintf(&out, "due %v\n", at)
	}
	return out.String()
}

func tellSection(label string, r Result) string {
	if strings.HasPrefix(label, "fill ") && r.Refused == Done {
		return fmt.Sprintf("%d events, frontier %d", r.Count, r.First)
	}
	return tell(r)
}

func tell(r Result) string {
	var parts []string
	part := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch {
	case r.Refused == RefusedFrontier:
		part("refused: %v, which is %d", r.Refused, r.First)
	case r.Refused != Done && r.Sequence != 0:
		part("refused: %v, expected %d", r.Refused, r.Sequence)
	case r.Refused != Done:
		part("refused: %v", r.Refused)
	case r.Count > 0:
		part("offsets %v", Run{r.First, r.Count})
	}
	if r.Duplicate {
		part("duplicate")
	}
	for _, repeat := range r.Repeats {
		part("event %d repeats %d", repeat.Event, repeat.First)
	}
	if r.Visibility > 0 {
		part("resumed %v, settled %d", r.Resumed, r.Settled)
	}
	if r.Truncated > 0 {
		part("truncated before %d", r.Truncated)
	}
	for _, l := range r.Held {
		part("holds %d:%v", l.Delivery, l.Runs)
	}
	for _, l := range r.Lost {
		part("lost %d:%v", l.Delivery, l.Runs)
	}
	for _, i := range r.LostReceipts {
		part("lost receipt %d", i)
	}
	if r.Redriven > 0 {
		part("redriven %d", r.Redriven)
	}
	if r.More {
		part("more from %d on", r.Next)
	}
	if len(r.Taken.Runs) > 0 {
		part("took %s epoch %d", tellRuns(r.Taken.Runs), r.Taken.Epoch)
	}
	if len(parts) == 0 {
		return "ok"
	}
	return strings.Join(parts, ", ")
}

func tellRuns(runs []EventRun) string {
	var parts []string
	for _, r := range runs {
		parts = append(parts, fmt.Sprintf("%v (attempt %d)", r.Run, r.Attempt))
	}
	return strings.Join(parts, ", ")
}

func sessionNamed(name string) (id SessionID) {
	copy(id[:], name)
	return id
}

func sessionName(id SessionID) string { return strings.TrimRight(string(id[:]), "\x00") }

func (s *story) cursor(text string) CursorID {
	sub, member, _ := strings.Cut(text, "/")
	return CursorID{Subscription: SubscriptionID(s.num(sub)), Member: member}
}

func (s *story) num(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *story) ticks(text string) Tick {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return ticks(d)
}

func (s *story) opt(opts map[string]string, key string, otherwise uint64) uint64 {
	if v, ok := opts[key]; ok {
		return s.num(v)
	}
	return otherwise
}

func (s *story) optTicks(opts map[string]string, key string) Tick {
	if v, ok := opts[key]; ok {
		return s.ticks(v)
	}
	return 0
}
