package matcher

import (
	"math/bits"
	"slices"
)

// Match is one rule that matched some event of a block.
type Match struct {
	// Rule is the id that the rule was added under.
	Rule uint32
	// Words has a bit for each event of the block, event i being bit i%64 of word i/64; bits beyond the block are 0.
	// Nil means that every event matched, and is the only way in which that is said.
	Words []uint64
}

// All reports whether every event of the block matched.
func (m Match) All() bool { return m.Words == nil }

// Has reports whether event i of the block matched.
func (m Match) Has(i int) bool { return m.All() || m.Words[i/64]>>(i%64)&1 == 1 }

// Matches is what MatchBlock found. The zero value is ready to use, and one that is used again costs no allocation once it has
// grown to what the blocks need. It belongs to one goroutine at a time.
type Matches struct {
	rules  []Match
	events int
	// arena holds the bitmaps, slot by slot; slots says which slot a rule of the program got, 0 for none.
	arena []uint64
	slots []int32
}

// Events is how many events the block had.
func (m *Matches) Events() int { return m.events }

// Rules lists the rules that matched at least one event of the block, by ascending id. The list and its bitmaps are valid until
// m is given to MatchBlock again. They may be changed by whoever owns m.
func (m *Matches) Rules() []Match { return m.rules }

// Find returns the match of one rule.
func (m *Matches) Find(rule uint32) (Match, bool) {
	i, ok := slices.BinarySearchFunc(m.rules, rule, func(m Match, rule uint32) int {
		switch {
		case m.Rule < rule:
			return -1
		case m.Rule > rule:
			return 1
		}
		return 0
	})
	if !ok {
		return Match{}, false
	}
	return m.rules[i], true
}

// Count is how many of the block's events a match of it holds.
func (m *Matches) Count(match Match) int {
	if match.Words == nil {
		return m.events
	}
	n := 0
	for _, w := range match.Words {
		n += bits.OnesCount64(w)
	}
	return n
}

// reset makes m ready for a block of so many events, and a program of so many rules.
func (m *Matches) reset(events, rules int) {
	m.events = events
	m.rules = m.rules[:0]
	m.arena = m.arena[:0]
	m.slots = slices.Grow(m.slots[:0], rules)[:rules]
	clear(m.slots)
}

// words is how many words a bitmap over the block has.
func (m *Matches) words() int { return (m.events + 63) / 64 }

// set notes that an event matched a rule, by the rule's position in the program.
func (m *Matches) set(rule, event int) {
	n := m.words()
	if m.slots[rule] == 0 {
		start := len(m.arena)
		m.arena = slices.Grow(m.arena, n)[:start+n]
		clear(m.arena[start:])
		m.slots[rule] = int32(len(m.arena) / n)
	}
	m.arena[(int(m.slots[rule])-1)*n+event/64] |= 1 << (event % 64)
}

// add lists a rule whose events have been noted, or one that matches everything. To be called by ascending id.
func (m *Matches) add(id uint32, rule int, everything bool) {
	switch {
	case m.events == 0:
	case everything:
		m.rules = append(m.rules, Match{Rule: id})
	case m.slots[rule] != 0:
		n := m.words()
		start := (int(m.slots[rule]) - 1) * n
		match := Match{Rule: id, Words: m.arena[start : start+n : start+n]}
		if m.Count(match) == m.events {
			match.Words = nil
		}
		m.rules = append(m.rules, match)
	}
}
