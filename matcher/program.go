package matcher

import (
	"math/bits"
	"unsafe"
)

// compiledProgram is a snapshot of a compiledSet.
type compiledProgram struct {
	version    uint64
	trie       trie
	postings   postings
	checks     paged[check]
	branches   paged[ruleBranch]
	absences   []uint32 // nodes at which checks are filed by absence
	everything []uint32
	rules      int
	// All numbers of branches and of checks are below these.
	branchRoom, checkRoom int
}

func (p *compiledProgram) Version() uint64 { return p.version }

func (p *compiledProgram) MatchBlock(events []Event, m *Matches) {
	m.reset(len(events), p.branchRoom)
	if p.rules > len(p.everything) {
		if m.compiled == nil {
			m.compiled = &matching{}
		}
		w := m.compiled
		w.begin(p)
		for first := 0; first < len(events); {
			count := groupOf(events[first:])
			w.group(events[first:first+count], first, m)
			first += count
		}
		w.program = nil
		for i := range m.noted {
			n := &m.noted[i]
			b := p.branches.at(n.pattern)
			n.id, n.others = b.id, b.others
		}
	}
	m.finish(p.everything)
}

// matching is the work on one event after another. Its memory is used again for the next.
type matching struct {
	program  *compiledProgram
	readings [groupEvents]reading
	touched  uint32 // nobody reads it
	guesses  guesses
	scanner  *scanner // of the event
	number   int      // of the event in its block
	matches  *Matches

	// turn is another for each value that is looked up, and round is the turn in which an event began. What carries an earlier one is
	// as good as forgotten, so that nothing has to be cleared.
	turn, round uint32
	// marks has for each check when it was last tried, and satisfied.
	marks []checkMark
	// satisfied has a bit for each check that the event satisfies, by the last bits of its number.
	satisfied [satisfiedBits / 64]uint64
	// led are the branches that are filed under these checks.
	led [][]posting
	// flat is whether no value lies in arrays, so that each field can be judged by itself.
	flat bool
	// answers has for each check, where it was asked in this round, the answer.
	answers   []answer
	joint     joint
	one       [1]uint32
	survivors [16]posting
	held      []uint32
	folded    []byte
}

// checkMark says when something about a check was last so.
type checkMark struct {
	tried     uint32 // the turn of the value that it was put to
	satisfied uint32 // the round of the event
}

// satisfiedBits is how many bits tell checks apart: so few that clearing them costs next to nothing, and enough for the handful of
// checks that an event satisfies.
const satisfiedBits = 256

// begin makes the memory large enough for a program.
func (w *matching) begin(p *compiledProgram) {
	w.program = p
	w.guesses.forget()
	w.marks = grown(w.marks, p.checkRoom)
	w.answers = grown(w.answers, p.checkRoom)
}

func grown[T any](list []T, n int) []T {
	if n > len(list) {
		list = append(list, make([]T, n-len(list))...)
	}
	return list
}

// How much is worked on side by side: so many events, of so many bytes; one that is larger by itself.
const (
	groupEvents = 8
	groupBytes  = 32 << 10
)

// nearChecks is up to how many checks are always close enough.
const nearChecks = 1024

// groupOf returns how many events come next.
func groupOf(events []Event) int {
	count, size := 0, 0
	for count < min(len(events), groupEvents) {
		if size += len(events[count].JSON); count > 0 && size > groupBytes {
			break
		}
		count++
	}
	return count
}

// reading is an event of a group.
type reading struct {
	scanner scanner
	valid   bool
}

// group finds which rules match a few events, the first of which has a number in its block. They take each step together: what an
// event leads to lies all over the memory, and this way the waits for it overlap.
func (w *matching) group(events []Event, first int, m *Matches) {
	for i := range events {
		r := &w.readings[i]
		if r.valid = w.read(r, &events[i]); r.valid {
			w.find(&r.scanner)
		}
	}
	if w.program.checkRoom > nearChecks {
		for i := range events {
			if r := &w.readings[i]; r.valid {
				w.touch(&r.scanner)
			}
		}
	}
	w.matches = m
	for i := range events {
		if r := &w.readings[i]; r.valid {
			w.scanner, w.number = &r.scanner, first+i
			w.event()
		}
	}
}

// read reads an event, and returns whether it is one.
func (w *matching) read(r *reading, e *Event) bool {
	r.scanner.guesses = &w.guesses
	if e.JSON == nil {
		r.scanner.attributes(&w.program.trie, e.Attributes)
		return true
	}
	return r.scanner.scan(&w.program.trie, e.JSON)
}

// find looks up the values of an event as they are.
func (w *matching) find(s *scanner) {
	s.places = s.places[:0]
	for i := range s.found {
		place := uint32(0)
		if v := &s.found[i]; v.kinds.ways&exactWays != 0 && !v.again {
			place = w.place(v)
		}
		s.places = append(s.places, place)
	}
}

// place returns what the index has for a value as it is.
func (w *matching) place(v *foundValue) uint32 {
	index := &w.program.postings.index
	switch v.value.kind {
	case kindString:
		if v.kinds.has(byText) {
			return index.find(valueHash(v.node, byText, 0, hashText(v.value.text)))
		}
	case kindNumber:
		if v.kinds.ways&(1<<byNumber|1<<byNumberText) == 0 {
			return 0
		}
		if n := v.number(); n.comparable {
			return index.find(valueHash(v.node, byNumber, 0, hashDouble(n.double)))
		}
		return index.find(valueHash(v.node, byNumberText, 0, hashText(v.value.text)))
	default:
		if v.kinds.has(byLiteral) {
			return index.find(valueHash(v.node, byLiteral, 0, uint64(v.value.kind)))
		}
	}
	return 0
}

// touch has what the values of an event lead to brought closer.
func (w *matching) touch(s *scanner) {
	for _, place := range s.places {
		if place == 0 || place&inList != 0 {
			continue
		}
		number := place - 1
		w.touched += w.marks[number].tried + w.program.checks.at(number).node
		if list := *w.program.postings.filed.at(number); len(list) > 0 {
			w.touched += list[0].branch
		}
	}
}

// event finds which rules match an event: first which of their checks it satisfies, then which of the branches filed under those.
func (w *matching) event() {
	w.next()
	s := w.scanner
	// What is wanted just so comes first, since branches may name it as their second check.
	for i, place := range s.places {
		if place != 0 {
			w.turn++
			for _, number := range w.program.postings.in(place, &w.one) {
				w.tryCheck(&s.found[i], number)
			}
		}
	}
	for i := range s.found {
		if v := &s.found[i]; v.kinds.ways&^exactWays != 0 && !v.again {
			w.look(v)
		}
	}
	for _, node := range w.program.absences {
		w.lookAbsence(node)
	}
	for _, list := range w.led {
		w.candidates(list)
	}
}

// next begins another event.
func (w *matching) next() {
	if w.turn > 1<<31 { // more than the values of any event are left: nothing from before may look like what is to come
		clear(w.marks)
		clear(w.answers)
		w.turn = 0
	}
	w.turn++
	w.round = w.turn
	clear(w.satisfied[:])
	w.led = w.led[:0]
	w.flat = len(w.scanner.elements) == 1
	w.joint.used = 0
}

// look finds the checks that a value leads to in other ways.
func (w *matching) look(v *foundValue) {
	w.turn++
	kinds := v.kinds
	switch {
	case v.value.kind == kindString && kinds.ways&textWays != 0:
		w.lookText(v, kinds)
	case v.value.kind == kindNumber && kinds.has(byRange):
		if n := v.number(); n.comparable {
			w.held = kinds.ranges.holding(w.held[:0], n.double)
			for _, number := range w.held {
				w.tryCheck(v, number)
			}
		}
	}
	if kinds.has(byPresence) {
		w.try(v, valueHash(v.node, byPresence, 0, 0))
	}
}

// lookAbsence finds the checks that are satisfied where a node has no value. In arrays a field may be absent beside another.
func (w *matching) lookAbsence(node uint32) {
	inside := false
	for at := w.scanner.heads[node]; at != 0; at = w.scanner.found[at-1].before {
		if inside = w.scanner.found[at-1].element != 0; inside {
			break
		}
	}
	if !inside && w.scanner.heads[node] != 0 {
		return
	}
	for _, number := range w.program.postings.at(valueHash(node, byAbsence, 0, 0), &w.one) {
		if c := w.program.checks.at(number); c.node == node && c.absence {
			w.satisfy(number)
		}
	}
}

// number reads a number when somebody asks for it.
func (v *foundValue) number() number {
	if !v.counted {
		v.value.number, v.counted = parseNumber(v.value.text), true
	}
	return v.value.number
}

// lookText looks a string up in all ways but by the whole of it.
func (w *matching) lookText(v *foundValue, kinds *valueKinds) {
	text := v.value.text
	if kinds.has(byPrefix) {
		w.lookAffixes(v, byPrefix, text)
	}
	if kinds.has(bySuffix) {
		w.lookAffixes(v, bySuffix, text)
	}
	if kinds.has(byPart) {
		w.lookParts(v, kinds, text)
	}
	if kinds.has(byAddress) {
		w.lookAddress(v, kinds, text)
	}
	if kinds.ways&foldWays == 0 {
		return
	}
	w.folded = appendCanonical(w.folded[:0], text)
	text = unsafe.String(unsafe.SliceData(w.folded), len(w.folded)) //nolint:gosec // nothing keeps it beyond the look-ups of this value
	if kinds.has(byFold) {
		w.try(v, valueHash(v.node, byFold, 0, hashText(text)))
	}
	if kinds.has(byPrefixFold) {
		w.lookAffixes(v, byPrefixFold, text)
	}
	if kinds.has(bySuffixFold) {
		w.lookAffixes(v, bySuffixFold, text)
	}
}

// lookAffixes looks up how a text begins, or ends, in all lengths in use.
func (w *matching) lookAffixes(v *foundValue, way valueKind, text string) {
	h := affixHash{text: text, ends: way == bySuffix || way == bySuffixFold}
	for _, length := range v.kinds.affixes[affixSet(way)] {
		n := int(length)
		if n > len(text) {
			return
		}
		w.try(v, valueHash(v.node, way, n, h.next(n)))
	}
}

// lookParts looks up what is anywhere in a text, in all lengths in use.
func (w *matching) lookParts(v *foundValue, kinds *valueKinds, text string) {
	for parts := kinds.parts; parts != 0; parts &= parts - 1 {
		n := bits.TrailingZeros32(parts)
		var seen [256 / 64]uint64 // of single bytes
		for at := 0; at+n <= len(text); at++ {
			if c := text[at]; n == 1 {
				if seen[c/64]>>(c%64)&1 != 0 {
					continue
				}
				seen[c/64] |= 1 << (c % 64)
			}
			w.try(v, valueHash(v.node, byPart, n, hashText(text[at:at+n])))
		}
	}
}

func (w *matching) lookAddress(v *foundValue, kinds *valueKinds, text string) {
	address, ok := parseAddress(text)
	if !ok {
		return
	}
	bytes := address.As16()
	for i, set := range kinds.blocks {
		for ; set != 0; set &= set - 1 {
			n := 64*i + bits.TrailingZeros64(set)
			w.try(v, valueHash(v.node, byAddress, n, hashAddress(bytes, n)))
		}
	}
}
