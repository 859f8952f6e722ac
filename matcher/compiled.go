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
	bytesMax, broadMax int // SetBytesMax and SetBroadMax
	mu                 struct {
		sync.Mutex
		version uint64
		latest  *compiledProgram // of the present version, or nil
		now     edition          // of what is built since the last snapshot

		trie        trieWriter
		postings    postingsWriter
		users       map[uint64]uint32 // filings of each way and length at each node
		checks      checks
		absences    []uint32 // nodes at which checks are filed by absence
		branches    paged[ruleBranch]
		branchBytes int               // about what they take
		numbers     numbers           // of branches
		rules       map[uint32]uint32 // by id: 1 + the number of the pattern's first branch; 0 for a rule without a pattern
		patterns    map[string]uint32 // by appendBranchKey of all branches: the number of the first
		everything  []uint32          // ids of rules without a pattern, ascending; copied when it changes

		options []filing // for choose alone
		key     []byte   // for patterns alone
	}
}

func newCompiledSet() *compiledSet {
	s := &compiledSet{bytesMax: SetBytesMax, broadMax: SetBroadMax}
	s.mu.now = 1
	s.mu.trie.users = make(map[uint32]uint32)
	s.mu.trie.nodes.edit(s.mu.trie.free.take(), s.mu.now) // the top
	s.mu.users = make(map[uint64]uint32)
	s.mu.checks.byHash = make(map[uint64]uint32)
	s.mu.checks.broad = make(map[uint32]uint32)
	s.mu.rules = make(map[uint32]uint32)
	s.mu.patterns = make(map[string]uint32)
	return s
}

func (s *compiledSet) Add(id uint32, p *Pattern) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p == nil {
		s.removeLocked(id)
		s.mu.rules[id] = 0
		at, _ := slices.BinarySearch(s.mu.everything, id)
		s.mu.everything = slices.Concat(s.mu.everything[:at], []uint32{id}, s.mu.everything[at:])
		s.changedLocked()
		return nil
	}
	first, err := s.patternLocked(p)
	if err != nil {
		return err
	}
	s.mu.branches.edit(first, s.mu.now).share(id)
	s.removeLocked(id) // the one that was there; it may have had the same pattern
	s.mu.rules[id] = first + 1
	s.changedLocked()
	return nil
}

func (s *compiledSet) changedLocked() {
	s.mu.version++
	s.mu.latest = nil
}

// patternLocked finds or makes the branches of a pattern for one more rule, and returns the number of the first.
func (s *compiledSet) patternLocked(p *Pattern) (first uint32, err error) {
	made := make([]ruleBranch, len(p.branches))
	broadest := uint32(0)
	s.mu.key = s.mu.key[:0]
	for i, b := range p.branches {
		for _, f := range b {
			number := s.mu.checks.use(f, &s.mu.trie, s.mu.now)
			made[i].append(number)
			if node := s.mu.checks.list.at(number).node; s.mu.checks.broad[node] > s.mu.checks.broad[broadest] {
				broadest = node
			}
		}
		s.mu.key = appendBranchKey(s.mu.key, &made[i])
		s.mu.branchBytes += made[i].bytes()
	}
	first, known := s.mu.patterns[string(s.mu.key)]
	if err = s.costLocked(broadest); err != nil || known {
		for i := range made {
			s.dropChecksLocked(&made[i])
		}
		return first, err
	}
	next := uint32(0)
	// From the last branch to the first, so that each knows the number of the next.
	for i := range slices.Backward(made) {
		number := s.mu.numbers.take()
		made[i].next = next
		b := s.mu.branches.edit(number, s.mu.now)
		*b = made[i]
		s.fileLocked(number, b, i == 0)
		first, next = number, number+1
	}
	for at := first + 1; at != 0; {
		b := s.mu.branches.edit(at-1, s.mu.now)
		b.first, at = first, b.next
	}
	s.mu.patterns[string(s.mu.key)] = first
	return first, nil
}

// dropChecksLocked undoes what patternLocked began with.
func (s *compiledSet) dropChecksLocked(b *ruleBranch) {
	s.mu.branchBytes -= b.bytes()
	for i := range b.count() {
		s.mu.checks.drop(b.check(i), &s.mu.trie, s.mu.now)
	}
}

func (s *compiledSet) Remove(id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.removeLocked(id) {
		s.changedLocked()
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
			version: s.mu.version, trie: s.mu.trie.trie, postings: s.mu.postings.postings, checks: s.mu.checks.list,
			branches: s.mu.branches, absences: s.mu.absences,
			everything: s.mu.everything, rules: len(s.mu.rules),
			branchRoom: int(s.mu.numbers.next), checkRoom: int(s.mu.checks.numbers.next),
		}
		s.mu.now++
	}
	return s.mu.latest
}
