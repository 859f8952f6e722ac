package matcher

import (
	"math"
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
	words  int // of a bitmap over the block
	// noted are the patterns that matched, in the order in which they were found, and arena their bitmaps in the same order. slots
	// says where a pattern is among them.
	noted []noted
	arena []uint64
	slots []int32
	// keys and spare are for sorting alone.
	keys, spare []uint64
	compiled    *matching // what the compiled engine works with
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

// noted is a pattern that matched some event of the block. Its bitmap stands in the arena at its own place. The program fills in the
// rules once all patterns are noted, so that looking for them all is one wait.
type noted struct {
	pattern uint32    // its number in the program
	id      uint32    // of the rule that has it,
	others  *[]uint32 // and of others that have it too; nil for none
}

// reset makes m ready for a block of so many events, and a program that numbers its patterns below a bound.
func (m *Matches) reset(events, patterns int) {
	m.events = events
	m.words = (events + 63) / 64
	m.rules = m.rules[:0]
	m.arena = m.arena[:0]
	m.noted = m.noted[:0]
	m.slots = grown(m.slots, patterns)
}

// slot returns the place of a pattern among those noted, and whether it is there. What slots says may be from an earlier block; it
// counts only if the pattern is at that place now, so that nothing has to be cleared.
func (m *Matches) slot(pattern int) (int, bool) {
	at := int(m.slots[pattern])
	return at, at < len(m.noted) && m.noted[at].pattern == uint32(pattern)
}

// has reports whether an event was noted to match a pattern.
func (m *Matches) has(pattern, event int) bool {
	at, ok := m.slot(pattern)
	return ok && m.arena[at*m.words+event/64]>>(event%64)&1 != 0
}

// set notes that an event matched a pattern, by its number in the program.
func (m *Matches) set(pattern, event int) {
	at, ok := m.slot(pattern)
	if !ok {
		at = len(m.noted)
		m.slots[pattern] = int32(at)
		m.noted = append(m.noted, noted{pattern: uint32(pattern)})
		clear(m.bitmap())
	}
	m.arena[at*m.words+event/64] |= 1 << (event % 64)
}

// bitmap takes room for one more bitmap from the arena.
func (m *Matches) bitmap() []uint64 {
	start := len(m.arena)
	m.arena = slices.Grow(m.arena, m.words)[:start+m.words]
	return m.arena[start : start+m.words : start+m.words]
}

// finish lists what was noted, and the rules that match everything, which are given by ascending id.
func (m *Matches) finish(everything []uint32) {
	if m.events == 0 {
		return
	}
	m.order()
	m.arena = slices.Grow(m.arena, (len(m.keys)-len(m.noted))*m.words) // bitmaps that are listed must not move any more
	for _, key := range m.keys {
		id, at := uint32(key>>32), int(uint32(key)&^copied)
		for len(everything) > 0 && everything[0] < id {
			m.rules = append(m.rules, Match{Rule: everything[0]})
			everything = everything[1:]
		}
		match := Match{Rule: id, Words: m.arena[at*m.words : (at+1)*m.words : (at+1)*m.words]}
		if key&copied != 0 {
			words := m.bitmap()
			copy(words, match.Words)
			match.Words = words
		}
		if m.full(match.Words) {
			match.Words = nil
		}
		m.rules = append(m.rules, match)
	}
	for _, id := range everything {
		m.rules = append(m.rules, Match{Rule: id})
	}
}

// full reports whether a bitmap has a bit for every event.
func (m *Matches) full(words []uint64) bool {
	last := len(words) - 1
	for _, word := range words[:last] {
		if word != math.MaxUint64 {
			return false
		}
	}
	return words[last] == math.MaxUint64>>(64*len(words)-m.events)
}

// radixMin is from how many rules on sorting by the bytes of their ids is faster than comparing them.
const radixMin = 64

// copied marks the keys of rules that get a copy of their pattern's bitmap, since another has it.
const copied = 1 << 31

// order fills keys with what was noted, by ascending id: the id, and the place below it.
func (m *Matches) order() {
	m.keys = m.keys[:0]
	differ := uint32(0)
	for at, n := range m.noted {
		m.keys = append(m.keys, uint64(n.id)<<32|uint64(at))
		differ |= n.id ^ m.noted[0].id
		if n.others == nil {
			continue
		}
		for _, id := range *n.others {
			m.keys = append(m.keys, uint64(id)<<32|uint64(at)|copied)
			differ |= id ^ m.noted[0].id
		}
	}
	if len(m.keys) < radixMin {
		slices.Sort(m.keys)
		return
	}
	m.spare = slices.Grow(m.spare[:0], len(m.keys))[:len(m.keys)]
	for shift := 0; shift < 32; shift += 8 {
		if differ>>shift&0xFF != 0 {
			radixPass(m.spare, m.keys, 32+shift)
			m.keys, m.spare = m.spare, m.keys
		}
	}
}

// radixPass sorts keys by one byte, and leaves those that agree in it in their order.
func radixPass(to, keys []uint64, shift int) {
	var starts [257]int
	for _, key := range keys {
		starts[key>>shift&0xFF+1]++
	}
	for i := 1; i < len(starts); i++ {
		starts[i] += starts[i-1]
	}
	for _, key := range keys {
		digit := key >> shift & 0xFF
		to[starts[digit]] = key
		starts[digit]++
	}
}
