package matchertest

import (
	"slices"
	"testing"

	"github.com/freshet-mq/freshet/matcher"
)

// How much the parts that draw at random do.
const (
	jointSets   = 6    // sets of many rules
	jointRules  = 300  // rules in each
	jointEvents = 60   // events put to each
	alonePairs  = 1000 // rules in a set of their own, with one event
)

// alone puts events to many rules in one set, and to each pattern by itself, and to sets of one rule: the three agree. It is
// what tells whether rules disturb each other.
func (s Suite) alone(t *testing.T, rules []*matcher.Pattern, events []matcher.Event) {
	for range jointSets {
		set := s.Engine.NewSet()
		held := make(map[uint32]*matcher.Pattern)
		for len(held) < min(jointRules, len(rules)) {
			id := uint32(s.Intn(1 << 30))
			held[id] = rules[s.Intn(len(rules))]
			add(t, set, id, held[id])
		}
		block := make([]matcher.Event, 0, jointEvents)
		for range jointEvents {
			block = append(block, events[s.Intn(len(events))])
		}
		var m matcher.Matches
		set.Snapshot().MatchBlock(block, &m)
		compare(t, block, held, &m)
	}
	for range alonePairs {
		rule, event := rules[s.Intn(len(rules))], events[s.Intn(len(events))]
		set := s.Engine.NewSet()
		add(t, set, 1, rule)
		var m matcher.Matches
		set.Snapshot().MatchBlock([]matcher.Event{event}, &m)
		compare(t, []matcher.Event{event}, map[uint32]*matcher.Pattern{1: rule}, &m)
	}
}

func add(t testing.TB, set matcher.Set, id uint32, p *matcher.Pattern) {
	t.Helper()
	if err := set.Add(id, p); err != nil {
		t.Fatalf("adding %s: %v", p, err)
	}
}

// compare holds what a set found against what each pattern says by itself, and checks the form of the result.
func compare(t testing.TB, block []matcher.Event, held map[uint32]*matcher.Pattern, m *matcher.Matches) {
	t.Helper()
	if m.Events() != len(block) {
		t.Fatalf("the result is about %d events, the block has %d", m.Events(), len(block))
	}
	wellFormed(t, m)
	for i, e := range block {
		parsed := matcher.ParseEvent(e)
		for id, pattern := range held {
			match, listed := m.Find(id)
			want := pattern.MatchParsed(parsed)
			if got := listed && match.Has(i); got != want {
				t.Errorf("rule %d beside %d others says %t, alone %t\npattern %s\nevent %s", id, len(held)-1, got, want, pattern, e.JSON)
			}
		}
	}
	for _, match := range m.Rules() {
		if _, ok := held[match.Rule]; !ok {
			t.Errorf("rule %d matched and isn't in the set", match.Rule)
		}
	}
}

// wellFormed checks what Match and Matches promise of their form.
func wellFormed(t testing.TB, m *matcher.Matches) {
	t.Helper()
	ascending := func(a, b matcher.Match) int { return int(int64(a.Rule) - int64(b.Rule)) }
	if !slices.IsSortedFunc(m.Rules(), ascending) {
		t.Errorf("the rules are not listed by ascending id: %v", m.Rules())
	}
	for i, match := range m.Rules() {
		if i > 0 && match.Rule == m.Rules()[i-1].Rule {
			t.Errorf("rule %d is listed twice", match.Rule)
		}
		n := m.Count(match)
		switch {
		case n == 0:
			t.Errorf("rule %d is listed and matched nothing", match.Rule)
		case match.All() != (n == m.Events()):
			t.Errorf("rule %d matched %d of %d events, and All says %t", match.Rule, n, m.Events(), match.All())
		case !match.All() && len(match.Words) != (m.Events()+63)/64:
			t.Errorf("rule %d has %d words for %d events", match.Rule, len(match.Words), m.Events())
		case !match.All() && m.Events()%64 != 0 && match.Words[len(match.Words)-1]>>(m.Events()%64) != 0:
			t.Errorf("rule %d has bits beyond the block's %d events", match.Rule, m.Events())
		}
	}
}
