package matcher

// Each branch is filed once, under the field that is cheapest to look up: that whose values are the most discerning, and shared
// with the fewest branches. Sets grow rule by rule, so the choice is a greedy one; where thousands of rules have one value in common,
// those that come later go under something else.

// fileLocked chooses the check to file a branch under, and files it.
func (s *compiledSet) fileLocked(number uint32, b *ruleBranch) {
	b.filed = filedNowhere
	cheapest := 0
	for i := range b.count() {
		c := b.check(i)
		if c.absence {
			continue // it may match without any value to find it by
		}
		var cost int
		s.mu.filings, cost = c.filings(s.mu.filings[:0])
		for _, f := range s.mu.filings {
			if f.way != byRange {
				cost += s.mu.postings.load(f.at(c.node))
			}
		}
		if b.filed == filedNowhere || cost <= cheapest {
			b.filed, cheapest = int32(i), cost
			s.mu.best, s.mu.filings = s.mu.filings, s.mu.best
		}
	}
	if b.filed == filedNowhere {
		s.mu.postings.add(nowhere, posting{branch: number}, s.mu.now)
		s.mu.postings.anywhere = true
		return
	}
	guard := s.guardLocked(b)
	node := b.check(int(b.filed)).node
	for _, f := range s.mu.best {
		if f.way == byRange {
			k := s.mu.trie.kinds.edit(node, s.mu.now)
			k.ranges = k.ranges.with(newInterval(f.lower, f.upper, number))
			k.ways |= 1 << byRange
			continue
		}
		s.mu.postings.add(f.at(node), posting{number, guard}, s.mu.now)
		s.useLocked(node, f)
	}
}

// useLocked notes that values at a node are to be looked up this way.
func (s *compiledSet) useLocked(node uint32, f filing) {
	key := f.userKey(node)
	if s.mu.users[key]++; s.mu.users[key] == 1 {
		s.mu.trie.kinds.edit(node, s.mu.now).set(f)
	}
}

// dropLocked undoes useLocked.
func (s *compiledSet) dropLocked(node uint32, f filing) {
	key := f.userKey(node)
	if s.mu.users[key]--; s.mu.users[key] == 0 {
		delete(s.mu.users, key)
		s.unsetLocked(node, f)
	}
}

// guardLocked chooses what guards a branch where it is filed, and returns its hash, or 0. That is one more check that wants exactly
// one text or number, the one with the fewest branches filed under it: an event that has not got that value doesn't match, which
// can be seen without looking at the branch.
func (s *compiledSet) guardLocked(b *ruleBranch) uint32 {
	b.guarded = filedNowhere
	guard, fewest := uint32(0), 0
	for i := range b.count() {
		c := b.check(i)
		if len(c.alternatives) != 1 || int32(i) == b.filed {
			continue
		}
		f, _ := filingOf(c.alternatives[0])
		if f.way != byText && f.way != byNumber {
			continue
		}
		hash := f.at(c.node)
		if load := s.mu.postings.load(hash); b.guarded == filedNowhere || load < fewest {
			b.guarded, guard, fewest = int32(i), hash, load
		}
	}
	if b.guarded == filedNowhere {
		return 0
	}
	s.useLocked(b.check(int(b.guarded)).node, filing{way: byGuard})
	return guard
}

// unfileLocked undoes fileLocked.
func (s *compiledSet) unfileLocked(number uint32, b *ruleBranch) {
	if b.filed == filedNowhere {
		s.mu.postings.remove(nowhere, number, s.mu.now)
		return
	}
	if b.guarded != filedNowhere {
		s.dropLocked(b.check(int(b.guarded)).node, filing{way: byGuard})
	}
	c := b.check(int(b.filed))
	s.mu.filings, _ = c.filings(s.mu.filings[:0])
	for _, f := range s.mu.filings {
		if f.way == byRange {
			k := s.mu.trie.kinds.edit(c.node, s.mu.now)
			if k.ranges = k.ranges.without(newInterval(f.lower, f.upper, number)); k.ranges == nil {
				k.ways &^= 1 << byRange
			}
			continue
		}
		s.mu.postings.remove(f.at(c.node), number, s.mu.now)
		s.dropLocked(c.node, f)
	}
}

// nowhere is where the index keeps branches that are filed under no value.
var nowhere = valueHash(0, byNothing, 0, 0)

// at is where in the index a filing at a node is.
func (f filing) at(node uint32) uint32 { return valueHash(node, f.way, f.rung, f.hash) }

func (f filing) userKey(node uint32) uint64 {
	return uint64(node)<<16 | uint64(f.way)<<8 | uint64(f.rung)
}

// set notes that something is filed this way.
func (k *valueKinds) set(f filing) {
	k.ways |= 1 << f.way
	switch f.way {
	case byPrefix, bySuffix, byPrefixFold, bySuffixFold:
		k.rungs[rungSet(f.way)] |= 1 << f.rung
	case byAddress:
		k.bits[f.rung/64] |= 1 << (f.rung % 64)
	default:
	}
}

// unsetLocked notes that nothing is filed this way at a node any more.
func (s *compiledSet) unsetLocked(node uint32, f filing) {
	k := s.mu.trie.kinds.edit(node, s.mu.now)
	more := false
	switch f.way {
	case byPrefix, bySuffix, byPrefixFold, bySuffixFold:
		rungs := &k.rungs[rungSet(f.way)]
		*rungs &^= 1 << f.rung
		more = *rungs != 0
	case byAddress:
		k.bits[f.rung/64] &^= 1 << (f.rung % 64)
		more = k.bits != [3]uint64{}
	default:
	}
	if !more {
		k.ways &^= 1 << f.way
	}
}
