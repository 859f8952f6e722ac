package matcher

import (
	"encoding/binary"
	"slices"
)

// Whether a branch's fields can be matched together. For a match, each field needs a leaf (or an absence), and all leaves
// have to agree about arrays: where two of them lie in the same array, they lie in the same element of it. So
//
//	{"e":{"first":["Anna"],"last":["Jones"]}}    does not match    {"e":[{"first":"Anna"},{"last":"Jones"}]}
//
// The search goes through the fields in the order of their paths and binds arrays to elements as it takes leaves. A field that
// accepts absence is satisfied without a leaf if no leaf at its path, matching or not, agrees with what is bound so far. That
// depends on the fields in front of it and not on those behind; EventBridge's engine does it so, and it can be seen from
// outside (PATTERNS.md, "exists").
//
// Three things keep the search from trying every combination:
//   - Leaves of one field in one element are one candidate, so the search is over elements.
//   - Elements that don't agree with what is bound are stepped over: they are numbered in the order of the text, which makes
//     whatever lies in an array, and in an element, a range.
//   - What was bound matters for the fields to come only as far as they have leaves in the arrays bound. Once the rest of a
//     branch has failed under a binding of those arrays, it is not tried again under the same.
//
// As long as no two arrays share a path, the arrays that matter at one time lie in each other, so that a binding is an element,
// and the work is about the number of leaves times the depth of arrays. See searchStepsFixed for when they do share one.

// candidates are where in an event a field finds what it looks for.
type candidates struct {
	judged   bool
	matching []int32 // elements with a leaf that matches, ascending; 0 stands for "in no array"
	present  []int32 // elements with any leaf at the path; only for fields that accept absence
}

// impossible reports whether the field can't be satisfied whatever is bound.
func (c *candidates) impossible(f *field) bool { return len(c.matching) == 0 && !f.absence }

// search is one branch put to one event.
type search struct {
	event  *ParsedEvent // of which it sees the elements and arrays
	values int          // how many the event has
	fields branch
	found  []*candidates // of each of fields

	bound []int32 // by array: the element it is bound to; 0 for none, as element 0 is in no array
	trail []int32 // the elements that bound their array, in that order, to unbind them again
	until []int32 // by array: 1 + the last of fields that has a leaf in it; 0 for none
	mark  []bool  // by element, for situationAt alone

	failed map[situation]struct{} // what was tried in vain
	steps  int                    // what is left
	rest   []byte                 // for situationAt alone

	// For explaining.
	chosen  []int32 // by field: the element whose leaf it took, or noElement where it took an absence
	reached int     // how many fields could be satisfied together, from the first on
	deepest []int32 // chosen, for those
	gaveUp  bool    // the steps were used up
}

// situation is a field, and what it and those behind it can see of what is bound: the innermost elements of arrays that they
// have leaves in, ascending. Elements around those go without saying. There is seldom more than one.
type situation struct {
	field   int
	element int32  // the first; 0 for none
	rest    string // the others, four bytes each
}

// noElement says that a field is satisfied by an absence.
const noElement = -1

// failedKept is up to how many failed situations the memory for them is kept for the next search.
const failedKept = 1 << 10

// reset makes the search one of another branch in another event, in the same memory.
func (s *search) reset(event *ParsedEvent, values int, fields branch, found []*candidates) {
	s.event, s.values, s.fields, s.found = event, values, fields, found
	s.trail, s.deepest = s.trail[:0], s.deepest[:0]
	s.reached, s.gaveUp = 0, false
	if len(s.failed) > failedKept {
		s.failed = nil
	} else {
		clear(s.failed)
	}
}

// cleared returns a list of n zeros, in the same memory if that is large enough.
func cleared[T any](list []T, n int) []T {
	list = slices.Grow(list[:0], n)[:n]
	clear(list)
	return list
}

// together reports whether all fields can be satisfied at once.
func (s *search) together() bool {
	s.chosen = cleared(s.chosen, len(s.fields))
	s.steps = searchStepsFixed + searchStepsPerValue*s.values
	if s.inArrays() {
		s.bound = cleared(s.bound, len(s.event.arrays))
		s.until = cleared(s.until, len(s.event.arrays))
		s.mark = cleared(s.mark, len(s.event.elements))
		s.findUntil()
	}
	ok := s.from(0)
	s.gaveUp = !ok && s.steps < 0
	return ok
}

// inArrays reports whether any field has candidates in arrays. If none has, nothing is ever bound.
func (s *search) inArrays() bool {
	inside := func(list []int32) bool { return len(list) > 0 && list[len(list)-1] != 0 }
	return slices.ContainsFunc(s.found, func(c *candidates) bool { return inside(c.matching) || inside(c.present) })
}

// findUntil notes, for each array, the last field that cares how it is bound. From the last field to the first, an array that
// is noted already has its surroundings noted too.
func (s *search) findUntil() {
	for i, found := range slices.Backward(s.found) {
		for _, list := range [][]int32{found.matching, found.present} {
			for _, e := range list {
				for ; e != 0 && s.until[s.event.elements[e].array] == 0; e = s.event.elements[e].around {
					s.until[s.event.elements[e].array] = int32(i) + 1
				}
			}
		}
	}
}

// from satisfies the fields from number i on under what is bound.
func (s *search) from(i int) bool {
	if i > s.reached {
		s.reached, s.deepest = i, append(s.deepest[:0], s.chosen[:i]...)
	}
	if i == len(s.fields) {
		return true
	}
	here := s.situationAt(i)
	if _, again := s.failed[here]; again {
		return false
	}
	found := s.found[i]
	for at := s.next(found.matching, 0); at < len(found.matching); at = s.next(found.matching, at+1) {
		s.chosen[i] = found.matching[at]
		before := s.bind(found.matching[at])
		if s.from(i + 1) {
			return true
		}
		s.unbind(before)
	}
	if s.fields[i].absence && s.next(found.present, 0) == len(found.present) && s.steps >= 0 {
		s.chosen[i] = noElement
		if s.from(i + 1) {
			return true
		}
	}
	if s.failed == nil {
		s.failed = make(map[situation]struct{})
	}
	s.failed[here] = struct{}{}
	return false
}

// next returns the position of the first element, from a position on, that agrees with what is bound; the list's length if none
// does, or if the steps are used up.
func (s *search) next(list []int32, at int) int {
	for at < len(list) {
		wanted, array := s.conflict(list[at])
		if s.steps < 0 {
			return len(list)
		}
		if wanted == 0 {
			return at
		}
		// On to the element that the array is bound to, or past the array.
		goal := wanted
		if list[at] > wanted {
			goal = s.event.arrays[array].last + 1
		}
		step, _ := slices.BinarySearch(list[at:], goal)
		at += step
	}
	return at
}

// conflict returns the element that an array around e is bound to, and the array, if it is not the one that e lies in. There is
// at most one such array: an element that lies in another element of it can't have bound anything further in.
func (s *search) conflict(e int32) (wanted, array int32) {
	for s.steps--; e != 0; e = s.event.elements[e].around {
		s.steps--
		array = s.event.elements[e].array
		if b := s.bound[array]; b == e {
			return 0, 0 // and so is everything around it
		} else if b != 0 {
			return b, array
		}
	}
	return 0, 0
}

// bind binds the arrays that an element lies in, and returns what unbind needs.
func (s *search) bind(e int32) int {
	before := len(s.trail)
	for ; e != 0; e = s.event.elements[e].around {
		array := s.event.elements[e].array
		if s.bound[array] != 0 {
			break
		}
		s.steps--
		s.bound[array] = e
		s.trail = append(s.trail, e)
	}
	return before
}

func (s *search) unbind(before int) {
	for _, e := range s.trail[before:] {
		s.bound[s.event.elements[e].array] = 0
	}
	s.trail = s.trail[:before]
}

func (s *search) situationAt(i int) situation {
	matters := func(e int32) bool { return e != 0 && s.until[s.event.elements[e].array] > int32(i) }
	for _, e := range s.trail {
		s.steps--
		if matters(e) {
			s.mark[s.event.elements[e].around] = true
		}
	}
	var few [4]int32
	innermost := few[:0]
	for _, e := range s.trail {
		if matters(e) && !s.mark[e] {
			innermost = append(innermost, e)
		}
	}
	for _, e := range s.trail {
		s.mark[s.event.elements[e].around] = false
	}
	here := situation{field: i}
	if len(innermost) > 0 {
		slices.Sort(innermost)
		here.element = innermost[0]
		s.rest = s.rest[:0]
		for _, e := range innermost[1:] {
			s.rest = binary.LittleEndian.AppendUint32(s.rest, uint32(e))
		}
		here.rest = string(s.rest)
	}
	return here
}
