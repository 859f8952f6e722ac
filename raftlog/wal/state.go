package wal

import "fmt"

// state is what the log says about a group. The writer changes it when a batch is synced, and Open when it reads one: by
// the same methods, so that both come to the same. Their errors are bugs in the one case and damage in the other.
//
//	oldest                    first                  last
//	  │                         │                      │
//	  │ physically there:       │ the library's view:  │
//	  │ Read, gaps possible     │ no gaps              │
//
// It is not safe for concurrent use; the group's lock guards it.
type state struct {
	index index
	// first is the first entry that the library has not let go of. Where last is 0 it is where the next one may be at the
	// earliest.
	first      uint64
	last, term uint64 // of the last entry; 0 when the library knows of none
	stable     stableValues
	// truncations counts the removals of suffixes.
	truncations uint64
}

// append adds an entry behind the last one.
func (s *state) append(i uint64, at location) error {
	switch {
	case s.last != 0 && i != s.last+1, i == 0:
		return fmt.Errorf("entry %d does not continue the last one, %d", i, s.last)
	case at.term < s.term:
		return fmt.Errorf("entry %d has term %d, before the last one's, %d", i, at.term, s.term)
	case s.last == 0 && (i < s.first || i <= s.index.newest()):
		return fmt.Errorf("entry %d is not behind what is held up to %d, or before %d", i, s.index.newest(), s.first)
	}
	if s.last == 0 {
		s.first = i
	}
	s.index.set(i, at)
	s.last, s.term = i, at.term
	return nil
}

// place gives an entry a location that need not continue anything: it was moved, or fetched from a peer.
func (s *state) place(i uint64, at location) error {
	was, there := s.index.find(i)
	switch {
	case i == 0 || s.last != 0 && i > s.last:
		return fmt.Errorf("entry %d is moved behind the last one, %d", i, s.last)
	case there && was.term != at.term:
		return fmt.Errorf("entry %d is moved with term %d, it had %d", i, at.term, was.term)
	}
	s.index.set(i, at)
	return nil
}

// truncate removes the entries from i on; empties says that none is left that the library knows of.
func (s *state) truncate(i, term uint64, empties bool) error {
	if i == 0 || !empties && (s.last == 0 || i <= s.first || i > s.last) {
		return fmt.Errorf("entries %d to %d are truncated from %d on", s.first, s.last, i)
	}
	s.index.truncate(i)
	s.truncations++
	if empties {
		s.first, s.last, s.term = max(s.first, i), 0, 0
		return nil
	}
	s.last, s.term = i-1, term
	return nil
}

// letGo moves first forward.
func (s *state) letGo(first uint64) { s.first = max(s.first, first) }

// whole says that nothing is missing of what the library believes to be there.
func (s *state) whole() bool {
	return s.last == 0 || s.index.contiguous(s.first, s.last)
}
