package matcher

// candidates puts to the test what is filed under a hash.
func (w *matching) candidates(hash uint32) { w.candidatesIn(w.program.postings.index.find(hash)) }

func (w *matching) candidatesIn(s slot) {
	list := w.program.postings.in(s, &w.one)
	for len(list) > 0 {
		// First who they are, then whether they match: the first loop waits for all its cache misses at once.
		n := 0
		for len(list) > 0 && n < len(w.survivors) {
			p := list[0]
			list = list[1:]
			if w.guarded(p.guard) {
				b := w.program.branches.at(p.branch)
				w.survivors[n] = survivor{branch: b, number: p.branch, first: b.first}
				n++
			}
		}
		for i := range n {
			w.judge(&w.survivors[i])
		}
	}
}

// survivor is a candidate whose guard holds.
type survivor struct {
	branch        *ruleBranch
	number, first uint32 // the branch's own, and that of its pattern
}

// candidate puts a branch to the test, once an event.
func (w *matching) candidate(number uint32) {
	b := w.program.branches.at(number)
	w.judge(&survivor{branch: b, number: number, first: b.first})
}

func (w *matching) judge(s *survivor) {
	if w.seen[s.number] == w.round {
		return
	}
	w.seen[s.number] = w.round
	b := s.branch
	if s.first != s.number || b.next != 0 { // one of several, of which another may have matched
		if w.matches.has(int(s.first), w.number) {
			return
		}
	}
	if w.verify(b) {
		w.matched(b)
	}
}

// matched notes that the event matches the pattern of a branch.
func (w *matching) matched(b *ruleBranch) {
	if b.rules == 0 { // they are in the first branch alone
		b = w.program.branches.at(b.first)
	}
	w.matches.set(int(b.first), b.id, b.others, w.number)
}

// answer is what is known of a check in a round.
type answer struct {
	round   uint32
	matched bool  // whether any value does
	inside  bool  // whether any value lies in arrays
	listed  int32 // 1 + the place of its candidates in joint.found; 0 for none
}

// verify reports whether an event matches a branch.
//
// Where less than two fields have values in arrays, each field can be judged by itself: the search of array.go would only bind what
// no other field sees. A field that accepts absence is then satisfied by a value that matches, or by none at all.
func (w *matching) verify(b *ruleBranch) bool {
	inArrays, alone := 0, true
	for i := range b.count() {
		c := b.check(i)
		if c == w.sure[0] || c == w.sure[1] {
			continue
		}
		head := w.scanner.heads[c.node]
		if head == 0 {
			if !c.absence {
				return false
			}
			continue
		}
		inside, matched := w.ask(c, head)
		if inside {
			inArrays++
		} else if matched && c.exact {
			w.know(i, b, c)
		}
		if !matched {
			if !c.absence || !inside {
				return false
			}
			alone = false // it may be absent where the fields before it are
		}
	}
	if inArrays < 2 {
		return alone
	}
	return w.together(b)
}

// know notes that a check is satisfied, outside of arrays: candidates that come together often have the check in common that they are
// filed under, or the one that guards them.
func (w *matching) know(i int, b *ruleBranch, c *check) {
	switch int32(i) {
	case b.filed:
		w.sure[0] = c
	case b.guarded:
		w.sure[1] = c
	}
}

// ask reports whether any value at a check's node matches, and whether any lies in arrays.
func (w *matching) ask(c *check, head int32) (inside, matched bool) {
	found := w.scanner.found
	v := &found[head-1]
	if v.before == 0 { // as nearly always
		return v.element != 0, c.fits(v)
	}
	a := &w.answers[c.number]
	if a.round != w.round {
		*a = answer{round: w.round}
		for at := head; at != 0 && !(a.matched && a.inside); at = found[at-1].before {
			a.matched = a.matched || c.fits(&found[at-1])
			a.inside = a.inside || found[at-1].element != 0
		}
	}
	return a.inside, a.matched
}

// fits reports whether a value is what a check wants.
func (c *check) fits(v *foundValue) bool {
	if c.exact {
		return v.value.kind == kindString && v.value.text == c.text
	}
	if v.value.kind == kindNumber {
		v.number()
	}
	if c.only != nil {
		return c.only.matches(&v.value)
	}
	return c.matches(&v.value)
}

// joint is what the search for values in the same array elements needs, kept for the next.
type joint struct {
	search search
	fields branch
	event  ParsedEvent
	found  []candidates // of checks that were asked for them in this round
	used   int          // how many of found
	these  []*candidates
}

// together reports whether the fields of a branch match in the same array elements.
func (w *matching) together(b *ruleBranch) bool {
	j := &w.joint
	for i := range b.count() {
		w.list(b.check(i))
	}
	j.fields, j.these = j.fields[:0], j.these[:0]
	for i := range b.count() {
		c := b.check(i)
		j.fields = append(j.fields, c.field)
		j.these = append(j.these, &j.found[w.answers[c.number].listed-1])
	}
	j.event.elements, j.event.arrays = w.scanner.elements, w.scanner.arrays
	j.search.reset(&j.event, w.scanner.values, j.fields, j.these)
	return j.search.together()
}

// list finds the elements where a check has what it wants, once a round.
func (w *matching) list(c *check) {
	a := &w.answers[c.number]
	if a.round != w.round {
		*a = answer{round: w.round}
	} else if a.listed != 0 {
		return
	}
	a.matched, a.inside = false, false
	j := &w.joint
	if j.used == len(j.found) {
		j.found = append(j.found, candidates{})
	}
	at := &j.found[j.used]
	j.used++
	a.listed = int32(j.used)
	at.matching, at.present = at.matching[:0], at.present[:0]
	known, fits := false, false // of a value that is the same as the one behind it
	for n := w.scanner.heads[c.node]; n != 0; n = w.scanner.found[n-1].before {
		v := &w.scanner.found[n-1]
		a.inside = a.inside || v.element != 0
		if c.absence {
			at.present = append(at.present, v.element)
		}
		if !known {
			fits = c.fits(v)
		}
		if known = v.again; fits {
			at.matching = append(at.matching, v.element)
		}
	}
	at.present, at.matching = distinct(at.present), distinct(at.matching)
	a.matched = len(at.matching) > 0
}
