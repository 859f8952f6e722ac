package matcher

// try puts a value to the checks at a place.
func (w *matching) try(v *foundValue, hash uint32) {
	for _, number := range w.program.postings.at(hash, &w.one) {
		w.tryCheck(v, number)
	}
}

// tryCheck puts a value to a check, once, and not at all where the event satisfies the check already. Hashes need not be perfect for
// that: what is at a place by accident is about another node, or not satisfied.
func (w *matching) tryCheck(v *foundValue, number uint32) {
	mark := &w.marks[number]
	if mark.satisfied == w.round || mark.tried == w.turn {
		return
	}
	mark.tried = w.turn
	if c := w.program.checks.at(number); c.node == v.node && c.fits(v) {
		w.satisfy(number)
	}
}

// satisfy notes that the event satisfies a check, or may do so where it is about arrays, and leads to the branches under it.
func (w *matching) satisfy(number uint32) {
	w.marks[number].satisfied = w.round
	w.satisfied[number%satisfiedBits/64] |= 1 << (number % 64)
	if list := *w.program.postings.filed.at(number); len(list) > 0 {
		w.led = append(w.led, list)
	}
}

// candidates puts to the test the branches that are filed under a check which the event satisfies.
func (w *matching) candidates(list []posting) {
	for len(list) > 0 {
		// First who may match, as far as a bit says: half of them don't, no telling which, so that this is done without a branch.
		n, few := 0, list[:min(len(list), len(w.survivors))]
		for _, p := range few {
			w.survivors[n] = p
			n += w.maySatisfy(p.second)
		}
		list = list[len(few):]
		for i := range n { // then to all that will be looked at, so that the waits overlap
			w.bring(w.survivors[i])
		}
		for i := range n {
			w.survivor(w.survivors[i])
		}
	}
}

// maySatisfy is 0 if the event doesn't satisfy the second check of a posting, being one that events know, and 1 if it may.
func (w *matching) maySatisfy(second uint32) int {
	number := second - 1
	return int(uint32(w.satisfied[number%satisfiedBits/64]>>(number%64))&1 | ^second>>31)
}

// bring has what a survivor needs brought closer.
func (w *matching) bring(p posting) {
	if p.second != 0 {
		w.touched += w.program.checks.at(p.second&^knownSecond - 1).node
	}
	w.touched += uint32(w.matches.slots[p.branch&^wholeBranch])
}

// survivor puts a branch to the test whose second check may be satisfied.
func (w *matching) survivor(p posting) {
	if p.second != 0 {
		second := p.second&^knownSecond - 1
		if p.second&knownSecond != 0 {
			if w.marks[second].satisfied != w.round {
				return
			}
		} else if w.flat && !w.holds(w.program.checks.at(second), second) {
			return
		}
	}
	number := p.branch &^ wholeBranch
	if w.flat && p.branch&wholeBranch != 0 {
		w.matches.set(int(number), w.number)
	} else {
		w.candidate(number)
	}
}

// candidate puts a branch to the test, of which the event satisfies the check it is filed under and the second.
func (w *matching) candidate(number uint32) {
	b := w.program.branches.at(number)
	if (b.first != number || b.next != 0) && w.matches.has(int(b.first), w.number) { // another branch of the pattern matched
		return
	}
	if w.flat && w.allHold(b) || !w.flat && w.verify(b) {
		w.matches.set(int(b.first), w.number)
	}
}

// allHold reports whether an event without values in arrays satisfies all checks of a branch.
func (w *matching) allHold(b *ruleBranch) bool {
	for i := range b.count() {
		if number := b.check(i); int16(i) != b.filed && int16(i) != b.second && !w.holds(w.program.checks.at(number), number) {
			return false
		}
	}
	return true
}

// holds reports whether an event without values in arrays satisfies a check.
func (w *matching) holds(c *check, number uint32) bool {
	head := w.scanner.heads[c.node]
	if head == 0 {
		return c.absence
	}
	_, matched := w.ask(c, number, head)
	return matched
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
		number := b.check(i)
		c := w.program.checks.at(number)
		head := w.scanner.heads[c.node]
		if head == 0 {
			if !c.absence {
				return false
			}
			continue
		}
		inside, matched := w.ask(c, number, head)
		if inside {
			inArrays++
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

// ask reports whether any value at a check's node matches, and whether any lies in arrays.
func (w *matching) ask(c *check, number uint32, head int32) (inside, matched bool) {
	found := w.scanner.found
	v := &found[head-1]
	if v.before == 0 { // as nearly always
		return v.element != 0, c.fits(v)
	}
	a := &w.answers[number]
	if a.round != w.round {
		*a = answer{round: w.round}
		for at := head; at != 0 && !(a.matched && a.inside); at = found[at-1].before {
			a.matched = a.matched || c.fits(&found[at-1])
			a.inside = a.inside || found[at-1].element != 0
		}
	}
	return a.inside, a.matched
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
		number := b.check(i)
		j.fields = append(j.fields, w.program.checks.at(number).field)
		j.these = append(j.these, &j.found[w.answers[number].listed-1])
	}
	j.event.elements, j.event.arrays = w.scanner.elements, w.scanner.arrays
	j.search.reset(&j.event, w.scanner.values, j.fields, j.these)
	return j.search.together()
}

// list finds the elements where a check has what it wants, once a round.
func (w *matching) list(number uint32) {
	c, a := w.program.checks.at(number), &w.answers[number]
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
