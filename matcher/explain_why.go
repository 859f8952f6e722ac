package matcher

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// mismatch says why no value at a field's path is accepted, where that is not plain to see.
func (j *judgement) mismatch(f *field, leaves []int32) string {
	if len(leaves) == 0 {
		return j.event.missing(f.path)
	}
	if f.absence && len(f.alternatives) == 1 {
		return "the event has a value there"
	}
	first := &j.event.leaves[leaves[0]].value
	text, numbers := f.kinds()
	switch {
	case len(leaves) > 1:
		return ""
	case first.kind == kindString && numbers && !text:
		return "a string never matches a number, even if it looks like one"
	case first.kind == kindNumber && text && !numbers:
		return "a number never matches a string"
	case first.kind == kindNumber && !parseNumber(first.text).comparable:
		return "the number has more digits than a double holds, or is out of its range; only its exact text could match"
	default:
		return ""
	}
}

// kinds reports whether a field's alternatives want strings, and whether they want numbers.
func (f *field) kinds() (text, numbers bool) {
	for _, a := range f.alternatives {
		switch a.(type) {
		case exactNumber, equalTo, between:
			numbers = true
		case literal, absent:
		case present, anythingBut:
			return true, true
		default:
			text = true
		}
	}
	return text, numbers
}

// missing says what there is instead of values at a path.
func (e *ParsedEvent) missing(path string) string {
	names := e.at(nil, path)
	is := func(what func(name) bool) bool {
		return slices.ContainsFunc(names, func(at int32) bool { return what(e.names[at]) })
	}
	switch {
	case is(func(n name) bool { return n.objects }):
		return "the event has an object there; its members can match, the object itself can't"
	case is(func(n name) bool { return n.lists }):
		return "the event has a list without values there"
	}
	if near := e.nearName(path); near != "" {
		return "the event has no such field; it has " + quote(clip(near)) + ", and case matters in names"
	}
	return "the event has no such field"
}

// nearName finds the name that the path leads to if case doesn't matter in its steps.
func (e *ParsedEvent) nearName(path string) string {
	at := int32(0)
	var found []string
	for step := range strings.SplitSeq(path, ".") {
		next, ok := e.names[at].children[step]
		if !ok {
			for name, child := range e.names[at].children {
				if strings.EqualFold(name, step) && (!ok || name < e.names[next].name) {
					next, ok = child, true
				}
			}
		}
		if !ok {
			return ""
		}
		at, found = next, append(found, e.names[next].name)
	}
	return strings.Join(found, ".")
}

// conflict says why fields that could match by themselves don't match together.
func (j *judgement) conflict(s *search) string {
	f := s.fields[s.reached]
	path := quote(clip(f.path))
	if s.gaveUp {
		return fmt.Sprintf("gave up after %d steps: arrays of the event share paths, and there are too many ways to choose elements from them",
			searchStepsFixed+searchStepsPerValue*len(j.event.leaves))
	}
	c := j.candidates(f)
	if len(c.matching) == 0 {
		return absenceConflict(s, path)
	}
	for i, e := range s.deepest {
		for _, other := range c.matching {
			if mine, its, ok := j.event.apart(e, other); ok {
				return fmt.Sprintf("%s matches in %s, and %s in %s: one element has to hold both", quote(clip(s.fields[i].path)), j.event.elementPlace(mine), path, j.event.elementPlace(its))
			}
		}
	}
	return path + " does not match in the array elements in which the fields before it match"
}

func absenceConflict(s *search, path string) string {
	if slices.ContainsFunc(s.deepest, func(e int32) bool { return e > 0 }) {
		return path + " has a value in the array elements in which the fields before it were found"
	}
	why := path + " has a value"
	if s.reached+1 < len(s.fields) {
		why += "; absence is judged when the fields that sort before it are found, and none of those behind it narrows that down to an array element"
	}
	return why
}

// apart finds where two elements part: the elements of one array that hold one and the other.
func (e *ParsedEvent) apart(a, b int32) (inA, inB int32, ok bool) {
	for x := a; x > 0; x = e.elements[x].around {
		for y := b; y > 0; y = e.elements[y].around {
			if e.elements[x].array == e.elements[y].array {
				return x, y, x != y
			}
		}
	}
	return 0, 0, false
}

// place is where a leaf stands, with places in arrays; empty if it is in none.
func (e *ParsedEvent) place(l *leaf) string {
	if l.element == 0 {
		return ""
	}
	return e.written(l.name, l.element)
}

// elementPlace is where an element stands: items[2].
func (e *ParsedEvent) elementPlace(at int32) string {
	return e.written(e.arrays[e.elements[at].array].name, at)
}

// written joins names, each with the places of the arrays that stand there.
func (e *ParsedEvent) written(at, within int32) string {
	var steps []string
	for ; at != 0; at = e.names[at].above {
		step := e.names[at].name
		for within != 0 && e.arrays[e.elements[within].array].name == at {
			// From the inside out, so each goes in front of those before.
			step = step[:len(e.names[at].name)] + "[" + strconv.Itoa(int(e.elements[within].index)) + "]" + step[len(e.names[at].name):]
			within = e.elements[within].around
		}
		steps = append(steps, step)
	}
	slices.Reverse(steps)
	return clipTo(strings.Join(steps, "."), nameShown)
}
