package matcher

import "slices"

// Each branch is filed once, under the check that is cheapest to be led to: whose values are the most discerning, and which has the
// fewest branches under it. Sets grow rule by rule, so the choice is a greedy one; where thousands of rules have one value in common,
// those that come later go under something else.

// fileLocked chooses the check to file a branch under, and the second, and files it. It is told whether this is the first branch of its
// pattern.
func (s *compiledSet) fileLocked(number uint32, b *ruleBranch, first bool) {
	b.filed, b.second = 0, noCheck
	cheapest := 0
	for i := range b.count() {
		check := b.check(i)
		s.mu.postings.filed.grow(check, s.mu.now)
		cost := s.mu.checks.states[check].cost + len(*s.mu.postings.filed.at(check))
		if i == 0 || cost <= cheapest {
			b.filed, cheapest = int16(i), cost
		}
	}
	known := s.secondLocked(b)
	p := posting{branch: number}
	if first && b.count() <= 2 {
		p.branch |= wholeBranch
	}
	if b.second != noCheck {
		p.second = b.check(int(b.second)) + 1
	}
	if known {
		p.second |= knownSecond
		s.seekLocked(b.check(int(b.second)))
	}
	filed := b.check(int(b.filed))
	s.seekLocked(filed)
	s.mu.postings.file(filed, p, s.mu.now)
}

// secondLocked chooses the check to ask first where a branch is filed: one that events know, the one with the fewest users; else the
// cheapest. It reports whether it is known.
func (s *compiledSet) secondLocked(b *ruleBranch) (known bool) {
	least := 0
	for i := range b.count() {
		if int16(i) == b.filed {
			continue
		}
		state := &s.mu.checks.states[b.check(i)]
		this, measure := s.mu.checks.list.at(b.check(i)).known(), state.cost
		if this {
			measure = int(state.users)
		}
		if b.second == noCheck || this && !known || this == known && measure < least {
			b.second, known, least = int16(i), this, measure
		}
	}
	return known
}

// unfileLocked undoes fileLocked.
func (s *compiledSet) unfileLocked(number uint32, b *ruleBranch) {
	filed := b.check(int(b.filed))
	s.mu.postings.unfile(filed, number, s.mu.now)
	s.unseekLocked(filed)
	if b.second == noCheck {
		return
	}
	if second := b.check(int(b.second)); s.mu.checks.list.at(second).known() {
		s.unseekLocked(second)
	}
}

// seekLocked sees to it that values lead to a check, for one more branch.
func (s *compiledSet) seekLocked(number uint32) {
	state := &s.mu.checks.states[number]
	if state.seekers++; state.seekers > 1 {
		return
	}
	c := s.mu.checks.list.at(number)
	for _, a := range c.alternatives {
		f := s.chooseLocked(c.node, a)
		if last := len(state.filings) - 1; last >= 0 && state.filings[last] == f {
			continue
		}
		state.filings = append(state.filings, f)
		s.indexLocked(number, c.node, f)
	}
}

// unseekLocked undoes seekLocked.
func (s *compiledSet) unseekLocked(number uint32) {
	state := &s.mu.checks.states[number]
	if state.seekers--; state.seekers > 0 {
		return
	}
	node := s.mu.checks.list.at(number).node
	for _, f := range state.filings {
		s.unindexLocked(number, node, f)
	}
	state.filings = nil
}

// crowded is how many checks a place of the index should have at most, if there is another place for the next.
const crowded = 8

// chooseLocked decides in which of the ways that would find an alternative it is filed: the first where there is room, else the one
// with the fewest checks.
func (s *compiledSet) chooseLocked(node uint32, a alternative) filing {
	s.mu.options = appendFilings(s.mu.options[:0], node, a)
	best := s.mu.options[0]
	if len(s.mu.options) == 1 {
		return best
	}
	fewest := s.mu.postings.load(best.hash)
	for _, f := range s.mu.options[1:] {
		if fewest < crowded {
			break
		}
		if load := s.mu.postings.load(f.hash); load < fewest {
			best, fewest = f, load
		}
	}
	return best
}

// indexLocked files a check.
func (s *compiledSet) indexLocked(number, node uint32, f filing) {
	if f.way == byRange {
		k := s.mu.trie.kinds.edit(node, s.mu.now)
		k.ranges = k.ranges.with(newInterval(f.lower, f.upper, number))
		k.ways |= 1 << byRange
		return
	}
	s.mu.postings.add(f.hash, number, s.mu.now)
	key := f.userKey(node)
	if s.mu.users[key]++; s.mu.users[key] == 1 {
		s.mu.trie.kinds.edit(node, s.mu.now).set(f)
		if f.way == byAbsence {
			s.mu.absences = append(s.mu.absences, node) // in place, as with lists
		}
	}
}

// unindexLocked undoes indexLocked.
func (s *compiledSet) unindexLocked(number, node uint32, f filing) {
	if f.way == byRange {
		k := s.mu.trie.kinds.edit(node, s.mu.now)
		if k.ranges = k.ranges.without(newInterval(f.lower, f.upper, number)); k.ranges == nil {
			k.ways &^= 1 << byRange
		}
		return
	}
	s.mu.postings.remove(f.hash, number, s.mu.now)
	key := f.userKey(node)
	if s.mu.users[key]--; s.mu.users[key] == 0 {
		delete(s.mu.users, key)
		s.mu.trie.kinds.edit(node, s.mu.now).unset(f)
		if f.way == byAbsence {
			at := slices.Index(s.mu.absences, node)
			s.mu.absences = slices.Concat(s.mu.absences[:at], s.mu.absences[at+1:])
		}
	}
}
