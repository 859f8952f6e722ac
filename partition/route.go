package partition

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/freshet-mq/freshet/matcher"
	"github.com/freshet-mq/freshet/proto/block"
)

// routes is the proposer's own picture of every stream's subscriptions, as they will be once all that it has proposed is applied. A block
// is matched against it, and its index is sealed with the version. The proposer alone uses it.
type routes struct {
	streams map[StreamID]*route
	// indexBytesMax is the largest match index.
	indexBytesMax int
	// lookUpIDs has it put into a section which events repeat others.
	lookUpIDs func(*blockSection, *block.Block)

	// What follows is used again for each block.
	events  matchable
	matches matcher.Matches
	hits    []matched
	index   []byte
	block   block.Block
	section blockSection
}

// route is one stream's subscriptions.
type route struct {
	// version is the stream's set version once everything proposed is applied.
	version uint64
	// set holds the subscriptions with a pattern, each as a rule; everything holds the others, by id.
	set        matcher.Set
	rules      map[uint32]SubscriptionID
	ruleOf     map[SubscriptionID]uint32
	lastRule   uint32
	everything []SubscriptionID
}

// rebuild starts anew from what is applied. Nothing may be on its way.
func (rs *routes) rebuild(m *Machine) error {
	rs.streams = map[StreamID]*route{}
	for _, st := range m.streamOrder {
		if st.leaving {
			continue
		}
		r := rs.put(st.id)
		for _, sub := range st.subscriptions {
			if sub.leaving {
				continue
			}
			if err := r.put(sub.SubscriptionConfig); err != nil {
				return fmt.Errorf("subscription %d: %w", sub.ID, err)
			}
		}
		r.version = st.setVersion
	}
	return nil
}

func (rs *routes) put(id StreamID) *route {
	r := rs.streams[id]
	if r == nil {
		r = &route{set: matcher.NewSet(), rules: map[uint32]SubscriptionID{}, ruleOf: map[SubscriptionID]uint32{}}
		rs.streams[id] = r
	}
	return r
}

// follow keeps up with a section that is about to be proposed. What it refuses isn't proposed.
func (rs *routes) follow(s section) error {
	switch s := s.(type) {
	case streamSection:
		rs.put(s.Stream)
	case subscriptionSection:
		if r := rs.streams[s.Stream]; r != nil {
			return r.put(s.SubscriptionConfig)
		}
	case removeSection:
		switch r := rs.streams[s.Stream]; {
		case s.Subscription == 0:
			delete(rs.streams, s.Stream)
		case s.Member == "" && r != nil:
			r.drop(s.Subscription)
		}
	}
	return nil
}

// drop removes a subscription of the stream, if it is there.
func (r *route) drop(id SubscriptionID) {
	if at, known := slices.BinarySearch(r.everything, id); known {
		r.everything = slices.Delete(r.everything, at, at+1)
	}
	r.dropRule(id)
	r.version++
}

// put makes a subscription of the stream, or changes it.
func (r *route) put(c SubscriptionConfig) error {
	if c.Pattern == "" {
		if at, known := slices.BinarySearch(r.everything, c.ID); !known {
			r.everything = slices.Insert(r.everything, at, c.ID)
		}
		r.dropRule(c.ID)
		r.version++
		return nil
	}
	pattern, err := matcher.Parse([]byte(c.Pattern))
	if err != nil {
		return err
	}
	rule, known := r.ruleOf[c.ID]
	if !known {
		r.lastRule++
		rule = r.lastRule
	}
	if err := r.set.Add(rule, pattern); err != nil {
		return err
	}
	r.rules[rule], r.ruleOf[c.ID] = c.ID, rule
	if at, found := slices.BinarySearch(r.everything, c.ID); found {
		r.everything = slices.Delete(r.everything, at, at+1)
	}
	r.version++
	return nil
}

func (r *route) dropRule(id SubscriptionID) {
	if rule, ok := r.ruleOf[id]; ok {
		r.set.Remove(rule)
		delete(r.rules, rule)
		delete(r.ruleOf, id)
	}
}

// match finds which subscriptions get which of a block's events, and makes the section that says so. The match index is the routes' own until
// the next call.
func (rs *routes) match(on *publication) (section, error) {
	r := rs.streams[on.Stream]
	if r == nil {
		return nil, &RefusedError{Refusal: RefusedStream}
	}
	b := &rs.block
	defer func() { *b, rs.section = block.Block{}, blockSection{} }() // nothing of the publication is kept
	if err := b.Open(on.Block); err != nil {
		return nil, &RefusedError{Refusal: RefusedBlock}
	}
	rs.hits = rs.hits[:0]
	if len(r.rules) > 0 {
		events, err := rs.events.load(b)
		if err != nil {
			return nil, err
		}
		r.set.Snapshot().MatchBlock(events, &rs.matches)
		for _, m := range rs.matches.Rules() {
			rs.hits = append(rs.hits, matched{Subscription: r.rules[m.Rule], Words: m.Words})
		}
		slices.SortFunc(rs.hits, func(a, b matched) int { return cmp.Compare(a.Subscription, b.Subscription) })
	}
	rs.index = appendMatchIndex(rs.index[:0], b.Len(), rs.hits)
	if len(rs.index) > rs.indexBytesMax {
		return nil, &RefusedError{Refusal: RefusedTooMany}
	}
	if on.ReportMatches {
		on.matched = r.report(rs.hits, b.Len())
	}
	rs.section = blockSection{Stream: on.Stream, SetVersion: r.version, Matches: rs.index, Block: on.Block}
	rs.lookUpIDs(&rs.section, b)
	return rs.section, nil
}

// matchable makes a block's events what the matcher reads. Its memory is used again for each block.
type matchable struct {
	reader block.Reader
	arena  []byte
	events []matcher.Event
}

// load returns a block's events, until the next call. Those of compressed frames are copied, since the reader's own buffer holds one
// frame; the block format bounds how much that can be.
func (l *matchable) load(b *block.Block) ([]matcher.Event, error) {
	l.events = slices.Grow(l.events[:0], b.Len())
	l.arena = slices.Grow(l.arena[:0], b.Size())
	l.reader.Reset(b)
	for l.reader.Next() {
		l.events = append(l.events, matcherEvent(l.reader.View(), &l.arena))
	}
	return l.events, l.reader.Err()
}

// matcherEvent is an event as patterns see it, its JSON copied to the arena; without one it is the view's own.
func matcherEvent(v *block.View, arena *[]byte) (e matcher.Event) {
	switch {
	case !v.IsJSON():
		e.Attributes = make([]matcher.Attribute, 0, v.AttributeCount())
		for name, value := range v.Attributes() {
			e.Attributes = append(e.Attributes, matcher.Attribute{Name: string(name), Value: string(value)})
		}
	case arena == nil:
		e.JSON = v.Data()
	default:
		start := len(*arena)
		*arena = append(*arena, v.Data()...)
		e.JSON = (*arena)[start:len(*arena):len(*arena)]
	}
	return e
}

// report lists which events each subscription gets, for a publisher that asked.
func (r *route) report(hits []matched, n int) []Matched {
	var list []Matched
	for _, id := range r.everything {
		list = append(list, Matched{Subscription: id, Events: positions(matched{}, n)})
	}
	for _, h := range hits {
		list = append(list, Matched{Subscription: h.Subscription, Events: positions(h, n)})
	}
	slices.SortFunc(list, func(a, b Matched) int { return cmp.Compare(a.Subscription, b.Subscription) })
	return list
}

func positions(m matched, n int) []uint32 {
	list := make([]uint32, 0, n)
	if m.Words == nil {
		for i := range n {
			list = append(list, uint32(i))
		}
		return list
	}
	for i := range setBits(m.Words) {
		list = append(list, uint32(i))
	}
	return list
}
