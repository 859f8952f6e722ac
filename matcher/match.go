package matcher

import "slices"

// Match reports whether the event matches.
func (p *Pattern) Match(e Event) bool {
	return p == nil || p.MatchParsed(ParseEvent(e))
}

// MatchParsed is Match for an event that was read before. To put one event to many patterns, read it once.
func (p *Pattern) MatchParsed(e *ParsedEvent) bool {
	if p == nil {
		return true
	}
	if e.err != nil {
		return false // also {"x":[{"exists":false}]} looks at content
	}
	return newJudgement(p, e).matches()
}

// judgement is a pattern put to an event. Branches share fields, so each field is judged once.
type judgement struct {
	pattern *Pattern
	event   *ParsedEvent
	found   []candidates // by field.index
	names   []int32      // for leavesAt alone
	value   value        // for matches alone
}

func newJudgement(p *Pattern, e *ParsedEvent) *judgement {
	return &judgement{pattern: p, event: e, found: make([]candidates, len(p.fields))}
}

// reset makes the judgement one of another pattern on another event, in the same memory.
func (j *judgement) reset(p *Pattern, e *ParsedEvent) {
	j.pattern, j.event = p, e
	j.found = slices.Grow(j.found[:0], len(p.fields))[:len(p.fields)]
	for i := range j.found {
		c := &j.found[i]
		c.judged, c.matching, c.present = false, c.matching[:0], c.present[:0]
	}
}

func (j *judgement) matches() bool {
	for _, b := range j.pattern.branches {
		if ok, _ := j.branch(b); ok {
			return true
		}
	}
	return false
}

// branch reports whether all fields match together. The search is returned for explaining; it is nil if it came to none,
// because some field can't match at all.
func (j *judgement) branch(b branch) (bool, *search) {
	for _, f := range b {
		if j.candidates(f).impossible(f) {
			return false, nil
		}
	}
	s := &search{event: j.event, values: len(j.event.leaves), fields: b, found: make([]*candidates, len(b))}
	for i, f := range b {
		s.found[i] = j.candidates(f)
	}
	ok := s.together()
	return ok, s
}

// candidates finds the elements where a field has what it wants.
func (j *judgement) candidates(f *field) *candidates {
	c := &j.found[f.index]
	if c.judged {
		return c
	}
	c.judged = true
	for _, i := range j.leavesAt(f) {
		leaf := &j.event.leaves[i]
		if f.absence {
			c.present = append(c.present, leaf.element)
		}
		if j.fits(f, leaf) {
			c.matching = append(c.matching, leaf.element)
		}
	}
	c.present, c.matching = distinct(c.present), distinct(c.matching)
	return c
}

// fits reports whether a leaf is what a field wants.
func (j *judgement) fits(f *field, l *leaf) bool {
	if j.value = l.value; j.value.kind == kindNumber {
		j.value.number = parseNumber(j.value.text)
	}
	return f.matches(&j.value)
}

func (j *judgement) leavesAt(f *field) (leaves []int32) {
	leaves, j.names = j.event.leavesAt(f.path, j.names)
	return leaves
}

// distinct orders elements and leaves out repeats.
func distinct(elements []int32) []int32 {
	slices.Sort(elements)
	return slices.Compact(elements)
}
