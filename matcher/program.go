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
	branches   paged[ruleBranch]
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
		for i := range events {
			w.event(&events[i], i, m)
		}
		w.program = nil
	}
	m.finish(p.everything)
}

// matching is the work on one event after another. Its memory is used again for the next.
type matching struct {
	program *compiledProgram
	scanner scanner
	number  int // of the event in its block
	matches *Matches

	// round is another for each event. What carries an earlier one is as good as forgotten, so that nothing has to be cleared.
	round uint32
	// seen has for each branch the round in which it was last a candidate.
	seen []uint32
	// answers has for each check, where it was asked in this round, the answer.
	answers []answer
	// sure are two checks that the event satisfies, outside of arrays; nil for none.
	sure  [2]*check
	joint joint
	// guards has a bit for each value of the event that may guard something, by the first bits of its hash.
	guards    [guardBits / 64]uint64
	one       [1]posting
	survivors [16]survivor
	held      []uint32
	lower     []byte
}

// begin makes the memory large enough for a program.
func (w *matching) begin(p *compiledProgram) {
	w.program = p
	w.scanner.guesses.forget()
	w.seen = grown(w.seen, p.branchRoom)
	w.answers = grown(w.answers, p.checkRoom)
}

func grown[T any](list []T, n int) []T {
	if n > len(list) {
		list = append(list, make([]T, n-len(list))...)
	}
	return list
}

// event finds which rules match an event.
func (w *matching) event(e *Event, number int, m *Matches) {
	p := w.program
	if e.JSON == nil {
		w.scanner.attributes(&p.trie, e.Attributes)
	} else if !w.scanner.scan(&p.trie, e.JSON) {
		return
	}
	if w.round++; w.round == 0 { // it has come round: nothing may look like this one
		clear(w.seen)
		clear(w.answers)
		w.round = 1
	}
	w.number, w.matches = number, m
	w.joint.used = 0
	w.sure = [2]*check{}
	clear(w.guards[:])
	for i := range w.scanner.found {
		w.hash(&w.scanner.found[i])
	}
	for i := range w.scanner.found {
		w.look(&w.scanner.found[i])
	}
	if p.postings.anywhere {
		w.candidates(nowhere)
	}
}

// guardBits is how many bits tell values apart that guard: so few that clearing them costs next to nothing, and enough for the handful of
// values that an event has where there are guards. guardShift leaves the bits of a hash that number them.
const (
	guardBits  = 256
	guardShift = 32 - 8
)

// hash hashes a string or number that is looked up or guards something.
func (w *matching) hash(v *foundValue) {
	if v.again {
		return
	}
	kinds := v.kinds
	switch {
	case v.value.kind == kindString && kinds.ways&(1<<byText|1<<byGuard) != 0:
		v.hash = valueHash(v.node, byText, 0, hashText(v.value.text))
		if kinds.has(byText) {
			v.filed = w.program.postings.index.find(v.hash) // here already, so that it is at hand when its turn comes
		}
	case v.value.kind == kindNumber && kinds.has(byGuard) && v.number().comparable:
		v.hash = valueHash(v.node, byNumber, 0, hashDouble(v.value.number.double))
	default:
		return
	}
	if kinds.has(byGuard) {
		w.guards[v.hash>>guardShift/64] |= 1 << (v.hash >> guardShift % 64)
	}
}

// guarded reports whether the event has the value that guards a branch, as far as its bit says; there may be no such value.
func (w *matching) guarded(guard uint32) bool {
	return guard == 0 || w.guards[guard>>guardShift/64]>>(guard>>guardShift%64)&1 != 0
}

// look puts to the test what a value leads to. One that is there again leads to nothing else.
func (w *matching) look(v *foundValue) {
	kinds := v.kinds
	if kinds.ways == 0 || v.again {
		return
	}
	switch v.value.kind {
	case kindString:
		if kinds.ways&^(1<<byText|1<<byPresence|1<<byGuard) != 0 {
			w.lookText(v, kinds)
		}
		if v.filed.value != 0 {
			w.candidatesIn(v.filed)
		}
	case kindNumber:
		w.lookNumber(v, kinds)
	default:
		if kinds.has(byLiteral) {
			w.candidates(valueHash(v.node, byLiteral, 0, uint64(v.value.kind)))
		}
	}
	if kinds.has(byPresence) {
		w.candidates(valueHash(v.node, byPresence, 0, 0))
	}
}

func (w *matching) lookNumber(v *foundValue, kinds *valueKinds) {
	if kinds.ways&(1<<byNumber|1<<byNumberText|1<<byRange) == 0 {
		return
	}
	if n := v.number(); n.comparable {
		w.held = kinds.ranges.holding(w.held[:0], n.double)
		for _, branch := range w.held {
			w.candidate(branch)
		}
		w.candidates(valueHash(v.node, byNumber, 0, hashDouble(n.double)))
	} else {
		w.candidates(valueHash(v.node, byNumberText, 0, hashText(v.value.text)))
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
		w.lookPrefixes(v.node, byPrefix, kinds, text)
	}
	if kinds.has(bySuffix) {
		w.lookSuffixes(v.node, bySuffix, kinds, text)
	}
	if kinds.has(byPart) {
		for i := 0; i+partBytes <= len(text); i++ {
			w.candidates(valueHash(v.node, byPart, 0, hashText(text[i:i+partBytes])))
		}
	}
	if kinds.has(byAddress) {
		w.lookAddress(v.node, kinds, text)
	}
	if kinds.ways&(1<<byFold|1<<byPrefixFold|1<<bySuffixFold) == 0 {
		return
	}
	text = w.lowered(text)
	if kinds.has(byFold) {
		w.candidates(valueHash(v.node, byFold, 0, hashText(text)))
	}
	if kinds.has(byPrefixFold) {
		w.lookPrefixes(v.node, byPrefixFold, kinds, text)
	}
	if kinds.has(bySuffixFold) {
		w.lookSuffixes(v.node, bySuffixFold, kinds, text)
	}
}

func (w *matching) lookPrefixes(node uint32, way valueKind, kinds *valueKinds, text string) {
	for rungs := kinds.rungs[rungSet(way)]; rungs != 0; rungs &= rungs - 1 {
		rung := bits.TrailingZeros32(rungs)
		n := ladder[rung]
		if n > len(text) {
			return
		}
		w.candidates(valueHash(node, way, uint8(rung), hashText(text[:n])))
	}
}

func (w *matching) lookSuffixes(node uint32, way valueKind, kinds *valueKinds, text string) {
	for rungs := kinds.rungs[rungSet(way)]; rungs != 0; rungs &= rungs - 1 {
		rung := bits.TrailingZeros32(rungs)
		n := ladder[rung]
		if n > len(text) {
			return
		}
		w.candidates(valueHash(node, way, uint8(rung), hashText(text[len(text)-n:])))
	}
}

func (w *matching) lookAddress(node uint32, kinds *valueKinds, text string) {
	address, ok := parseAddress(text)
	if !ok {
		return
	}
	bytes := address.As16()
	for i, set := range kinds.bits {
		for ; set != 0; set &= set - 1 {
			n := uint8(64*i + bits.TrailingZeros64(set))
			w.candidates(valueHash(node, byAddress, n, hashAddress(bytes, n)))
		}
	}
}

// lowered is a text with its ASCII letters in lower case. It is good until the next one.
func (w *matching) lowered(text string) string {
	w.lower = w.lower[:0]
	for i := range len(text) {
		c := text[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		w.lower = append(w.lower, c)
	}
	return unsafe.String(unsafe.SliceData(w.lower), len(w.lower)) //nolint:gosec // nothing keeps it beyond the look-ups of this value
}
