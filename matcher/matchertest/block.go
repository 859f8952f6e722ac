package matchertest

import (
	"testing"

	"github.com/freshet-mq/freshet/matcher"
)

// block checks blocks of sizes around the words of a bitmap, one Matches used for all of them, and that nothing is allocated for
// the result once it has grown.
func (s Suite) block(t *testing.T, rules []*matcher.Pattern, events []matcher.Event) {
	set := s.Engine.NewSet()
	held := make(map[uint32]*matcher.Pattern)
	for id := range uint32(40) {
		held[id] = rules[s.Intn(len(rules))]
		if id%10 == 0 {
			held[id] = nil
		}
		add(t, set, id, held[id])
	}
	program := set.Snapshot()
	var m matcher.Matches
	for _, size := range []int{3, 0, 1, 63, 64, 65, 300, 128, 2} {
		block := make([]matcher.Event, 0, size)
		for range size {
			block = append(block, events[s.Intn(len(events))])
		}
		program.MatchBlock(block, &m)
		compare(t, block, held, &m)
		if size == 0 && len(m.Rules()) > 0 {
			t.Errorf("a block without events matched %d rules", len(m.Rules()))
		}
	}
	everything := s.Engine.NewSet()
	for id := range uint32(100) {
		add(t, everything, id, nil)
	}
	program = everything.Snapshot()
	block := events[:min(len(events), 500)]
	program.MatchBlock(block, &m)
	if allocations := testing.AllocsPerRun(20, func() { program.MatchBlock(block, &m) }); allocations > 0 {
		t.Errorf("a block costs %v allocations with Matches that was used before and rules that look at nothing", allocations)
	}
}
