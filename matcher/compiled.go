package matcher

import (
	"slices"
	"sync"
)

// Compiled looks rules up by what an event holds, and so costs what matches rather than how many rules there are. DESIGN.md says
// how.
var Compiled = Engine{Name: "compiled", NewSet: func() Set { return newCompiledSet() }}

// compiledSet builds programs. What it shares with those that it has handed out, it copies before it changes it.
type compiledSet struct {
	mu struct {
		sync.Mutex
		version uint64
		latest  *compiledProgram // of the present version, or nil
		now     edition          // of what is built since the last snapshot

		trie       trieWriter
		postings   postingsWriter
		users      map[uint64]uint32 // filings of each way and rung at each node
		checks     checks
		branches   paged[ruleBranch]
		numbers    numbers           // of branches
		rules      map[uint32]uint32 // by id: 1 + the number of the pattern's first branch; 0 for a rule without a pattern
		patterns   map[string]uint32 // by appendBranchKey of all branches: the number of the first
		everything []uint32          // ids of rules without a pattern, ascending; copied when it changes

		filings, best []filing // for file and unfile alone
		key           []byte   // for patterns alone
	}
}

func newCompiledSet() *compiledSet {
	s := &compiledSet{}
	s.mu.now = 1
	s.mu.trie.users = make(map[uint32]uint32)
	s.mu.trie.nodes.edit(s.mu.trie.free.take(), s.mu.now) // the top
	s.mu.users = make(map[uint64]uint32)
	s.mu.checks.byHash = make(map[uint64]*check)
	s.mu.rules = make(map[uint32]uint32)
	s.mu.patterns = make(map[string]uint32)
	return s
}

func (s *compiledSet) Add(id uint32, p *Pattern) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeLocked(id)
	s.mu.version++
	s.mu.latest = nil
	if p == nil {
		s.mu.rules[id] = 0
		at, _ := slices.BinarySearch(s.mu.everything, id)
		s.mu.everything = slices.Concat(s.mu.everything[:at], []uint32{id}, s.mu.everything[at:])
		return nil
	}
	s.mu.rules[id] = s.patternLocked(p, id) + 1
	return nil
}

// patternLocked finds or makes the branches of a pattern for one more rule, and returns the number of the first.
func (s *compiledSet) patternLocked(p *Pattern, id uint32) uint32 {
	made := make([]ruleBranch, len(p.branches))
	s.mu.key = s.mu.key[:0]
	for i, b := range p.branches {
		for _, f := range b {
			made[i].append(s.mu.checks.use(f, &s.mu.trie, s.mu.now))
		}
		s.mu.key = appendBranchKey(s.mu.key, &made[i])
	}
	if first, known := s.mu.patterns[string(s.mu.key)]; known {
		for i := range made {
			s.dropChecksLocked(&made[i])
		}
		s.mu.branches.edit(first, s.mu.now).share(id)
		return first
	}
	first, next := uint32(0), uint32(0)
	// From the last branch to the first, so that each knows the number of the next.
	for i := range slices.Backward(made) {
		number := s.mu.numbers.take()
		made[i].next = next
		b := s.mu.branches.edit(number, s.mu.now)
		*b = made[i]
		s.fileLocked(number, b)
		first, next = number, number+1
	}
	for at := first + 1; at != 0; {
		b := s.mu.branches.edit(at-1, s.mu.now)
		b.first, at = first, b.next
	}
	s.mu.branches.edit(first, s.mu.now).share(id)
	s.mu.patterns[string(s.mu.key)] = first
	return first
}

func (s *compiledSet) dropChecksLocked(b *ruleBranch) {
	for i := range b.count() {
		s.mu.checks.drop(b.check(i), &s.mu.trie, s.mu.now)
	}
}

func (s *compiledSet) Remove(id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.removeLocked(id) {
		s.mu.version++
		s.mu.latest = nil
	}
}

// removeLocked takes a rule out, and reports whether it was there.
func (s *compiledSet) removeLocked(id uint32) bool {
	at, ok := s.mu.rules[id]
	if !ok {
		return false
	}
	delete(s.mu.rules, id)
	if at == 0 {
		i, _ := slices.BinarySearch(s.mu.everything, id)
		s.mu.everything = slices.Concat(s.mu.everything[:i], s.mu.everything[i+1:])
	}
	if at == 0 {
		return true
	}
	b := s.mu.branches.edit(at-1, s.mu.now)
	if b.part(id); b.rules == 0 {
		s.dropPatternLocked(at - 1)
	}
	return true
}

// dropPatternLocked takes away the branches of a pattern that no rule has any more.
func (s *compiledSet) dropPatternLocked(first uint32) {
	s.mu.key = s.mu.key[:0]
	for at := first + 1; at != 0; {
		b := s.mu.branches.at(at - 1)
		s.mu.key = appendBranchKey(s.mu.key, b)
		at = b.next
	}
	delete(s.mu.patterns, string(s.mu.key))
	for at := first + 1; at != 0; {
		number := at - 1
		b := s.mu.branches.edit(number, s.mu.now)
		s.unfileLocked(number, b)
		s.dropChecksLocked(b)
		at = b.next
		*b = ruleBranch{}
		s.mu.numbers.giveBack(number)
	}
}

func (s *compiledSet) Snapshot() Program {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.latest == nil {
		s.mu.latest = &compiledProgram{
			version: s.mu.version, trie: s.mu.trie.trie, postings: s.mu.postings.postings, branches: s.mu.branches,
			everything: s.mu.everything, rules: len(s.mu.rules),
			branchRoom: int(s.mu.numbers.next), checkRoom: int(s.mu.checks.numbers.next),
		}
		s.mu.now++
	}
	return s.mu.latest
}
