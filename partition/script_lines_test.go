package partition

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
)

// line adds the sections of one line: "wait 30s", "topic 1", "subscribe 1 queue 10 visibility=30s attempts=3 pattern", "publish 1 5 10=0,2",
// "attach a 10 credit=3", "ack a 1:0-2", ...
func (s *story) line(line string) {
	words := strings.Fields(line)
	verb, args := words[0], words[1:]
	rest, opts := options(args)
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
	case "wall": // what the leader's clock shows beside the time that passed
		s.labels = s.labels[:len(s.labels)-1]
		s.drift, s.disputed = Wall(s.ticks(rest[0])), opts["agreed"] == "no"
	case "fill":
		add(s.fill(rest, opts))
	case "read":
		add(s.read(s.cursor(rest[0]), opts))
	case "hash":
		if n := len(s.m.hashes); n > 0 {
			add(stateHashSection{s.m.hashes[n-1]})
		}
	case "level":
		add(stateLevelSection{uint32(s.num(rest[0]))})
	case "subscribe":
		add(s.subscribe(rest, opts))
	case "publish":
		add(s.publish(rest, opts))
	case "attach":
		add(attachSection{
			Session: sessionNamed(rest[0]), Connection: ConnectionID(s.opt(opts, "conn", 1)), Cursor: s.cursor(rest[1]),
			Received: s.opt(opts, "received", 0), CreditEvents: uint32(s.opt(opts, "credit", 100)),
			CreditBytes: s.opt(opts, "bytes", 1<<20), VisibilityOwn: s.optTicks(opts, "visibility"), Stamp: s.opt(opts, "stamp", 0),
			Answered: s.opt(opts, "answered", 0),
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
		add(s.settle(words))
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

// options parts words from options.
func options(args []string) (words []string, opts map[string]string) {
	opts = map[string]string{}
	for _, a := range args {
		if k, v, ok := strings.Cut(a, "="); ok {
			opts[k] = v
		} else {
			words = append(words, a)
		}
	}
	return words, opts
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

// settle is "ack a 1:0-2 3" (delivery 1 offsets 0 to 2, and all of delivery 3), numbered by itself unless seq= says otherwise. Other decisions of the
// same settle follow behind a plus: "ack a 1:0-2 + release 1:3 after=5s".
func (s *story) settle(words []string) section {
	name := words[1]
	words = append(words[:1:1], words[2:]...)
	var sec settleSection
	for len(words) > 0 {
		end := slices.Index(words, "+")
		if end < 0 {
			end = len(words)
		}
		rest, opts := options(words[1:end])
		sec.Decisions = append(sec.Decisions, s.decision(words[0], s.leased(rest), opts))
		if len(sec.Decisions) == 1 {
			sec.Session, sec.Sequence, sec.Received = sessionNamed(name), s.opt(opts, "seq", 0), s.opt(opts, "received", 0)
		}
		words = words[min(end+1, len(words)):]
	}
	if sec.Sequence == 0 {
		s.settles[name]++
		sec.Sequence = s.settles[name]
	}
	return sec
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

// loggedEvent is an event as who reads the log finds it. names are the selective subscriptions that it matches.
type loggedEvent struct {
	class sizeClass
	key   uint64
	names map[SubscriptionID]bool
}

// log notes a block that was stored.
func (s *story) log(to StreamID, first Offset, sec blockSection) {
	b, err := block.Open(sec.Block)
	if err != nil {
		s.t.Fatal(err)
	}
	s.logged[to] = s.logged[to][:first] // one that was removed begins anew
	for i := range b.Len() {
		s.logged[to] = append(s.logged[to], loggedEvent{classOf(b.EventSize(i)), b.KeyHash(i), map[SubscriptionID]bool{}})
	}
	err = eachMatched(sec.Matches, b.Len(), func(hit matched) {
		for i := range b.Len() {
			s.logged[to][int(first)+i].names[hit.Subscription] = has(hit, i)
		}
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// read is the leader's filler: "read 10 max=20 to=30" reads the log for a cursor from its frontier on, up to an offset, and brings at most so many
// events that match. from= has it read from elsewhere.
func (s *story) read(id CursorID, opts map[string]string) section {
	sec := fillSection{Cursor: id}
	c := s.m.find(id)
	if c == nil {
		return sec
	}
	sub, log := c.subscription, s.logged[c.subscription.stream.id]
	limit := Offset(len(log))
	if c.reach == reachClosing {
		limit = c.resume
	}
	patterns := stretch{patterns: append(slices.Clone(sub.past), pastPattern{until: limit, pattern: sub.Pattern})}
	sec.From = Offset(s.opt(opts, "from", uint64(c.frontier)))
	room := min(s.opt(opts, "max", fillEventsMax), s.m.lookAhead(c))
	limit = min(limit, Offset(s.opt(opts, "to", uint64(limit))))
	for sec.To = sec.From; sec.To < limit; sec.To++ {
		if patterns.patternAt(sec.To) != "" && !log[sec.To].names[id.Subscription] {
			continue
		}
		if room == 0 {
			break
		}
		room--
		e := log[sec.To]
		r := sizedRun{Run: Run{sec.To, 1}, Classes: []sizeClass{e.class}}
		if sub.Ordered {
			r.Keys = []uint64{e.key}
		}
		sec.Runs = append(sec.Runs, r)
	}
	return sec
}

// giveBack is "return ack 10 offset@epoch ...". A receipt of another cursor is 11:offset@epoch.
func (s *story) giveBack(rest []string, opts map[string]string) section {
	sec := returnSection{Decision: s.decision(rest[0], nil, opts)}
	for _, r := range rest[2:] {
		place, epoch, _ := strings.Cut(r, "@")
		id, offset, other := strings.Cut(place, ":")
		if !other {
			id, offset = rest[1], place
		}
		sec.Receipts = append(sec.Receipts, Receipt{Cursor: s.cursor(id), Offset: Offset(s.num(offset)), Epoch: Epoch(s.num(epoch))})
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

// leased reads "1", all that is left of a delivery, "1:0-2,5", offsets of it, and "1:@0-2,5", positions in it.
func (s *story) leased(words []string) (list []Leased) {
	for _, w := range words {
		delivery, runs, _ := strings.Cut(w, ":")
		runs, byPosition := strings.CutPrefix(runs, "@")
		list = append(list, Leased{Delivery: s.num(delivery), Runs: s.runs(runs), ByPosition: byPosition})
	}
	return list
}

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
