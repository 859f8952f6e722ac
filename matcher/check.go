package matcher

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
)

// check is a field as rules share it: those with the same path and the same list have one check between them, which is put to a
// value once, however many rules there are. It holds nothing of the pattern's text, and never changes once it is made.
//
// Candidates read checks all over the memory, so what most of them need stands together in 64 bytes.
type check struct {
	node    uint32
	absence bool // the field's
	form    checkForm
	text    string // of formText and formOther
	// lower and upper are the ends of formRange, both included.
	lower, upper float64
	only         alternative // of all forms but formMixed
	*field
}

// checkForm is what a check comes down to.
type checkForm uint8

const (
	formMixed checkForm = iota // several alternatives
	formOnly                   // one
	formText                   // one that is a string
	formOther                  // anything but a string
	formRange                  // one that is an interval of numbers
)

// fits reports whether a value is what a check wants.
func (c *check) fits(v *foundValue) bool {
	switch c.form {
	case formText:
		return v.value.kind == kindString && v.value.text == c.text
	case formOther:
		return v.value.kind != kindString || v.value.text != c.text
	case formRange:
		if v.value.kind != kindNumber {
			return false
		}
		n := v.number()
		return n.comparable && c.lower <= n.double && n.double <= c.upper
	case formMixed, formOnly:
	}
	if v.value.kind == kindNumber {
		v.number()
	}
	if c.form == formOnly {
		return c.only.matches(&v.value)
	}
	return c.matches(&v.value)
}

// known reports whether an event knows that it satisfies this check, or doesn't, before any branch is looked at. That is so where
// the check wants one exact text or number.
func (c *check) known() bool {
	switch a := c.only.(type) {
	case exactText, exactly, equalTo:
		return true
	case exactNumber:
		return a.number.comparable
	default:
		return false
	}
}

// checks finds or makes the check of a field. All but the list is the writer's.
type checks struct {
	list    paged[check] // by number
	states  []checkState // by number
	byHash  map[uint64]uint32
	numbers numbers
	bytes   int               // about how much memory all of them take
	broad   map[uint32]uint32 // by node: how many of them are broad
	key     []byte
	other   []byte
}

// checkState is what only the writer knows of a check.
type checkState struct {
	users uint32 // how many branches use it
	cost  int    // how undiscerning it is (costOf)
	next  uint32 // 1 + the number of another check of the same hash; 0 for none
	// seekers is how many branches have to be led to it by a value; while there are any, it is filed.
	seekers uint32
	filings []filing
}

// use returns the number of the check for a field, for one more branch.
func (c *checks) use(f *field, t *trieWriter, now edition) uint32 {
	c.key = appendFieldKey(c.key[:0], f)
	hash := hashText(string(c.key))
	for at := c.byHash[hash]; at != 0; at = c.states[at-1].next {
		if c.other = appendFieldKey(c.other[:0], c.list.at(at-1).field); slices.Equal(c.key, c.other) {
			c.states[at-1].users++
			return at - 1
		}
	}
	number := c.numbers.take()
	made := newCheck(f, t.want(f.path, now))
	*c.list.edit(number, now) = made
	c.states = grown(c.states, int(number)+1)
	c.states[number] = checkState{users: 1, cost: made.cost(), next: c.byHash[hash]}
	c.byHash[hash] = number + 1
	c.bytes += made.bytes()
	if made.broad() {
		c.broad[made.node]++
	}
	return number
}

// cost is how undiscerning the check is where it is filed: all alternatives together.
func (c *check) cost() int {
	cost := 0
	for _, a := range c.alternatives {
		cost += costOf(a)
	}
	return cost
}

func newCheck(f *field, node uint32) check {
	c := check{node: node, absence: f.absence}
	c.field = &field{path: strings.Clone(f.path), absence: f.absence, alternatives: make([]alternative, len(f.alternatives))}
	for i, a := range f.alternatives {
		c.alternatives[i] = ownAlternative(a)
	}
	if len(c.alternatives) > 1 {
		return c
	}
	c.form, c.only = formOnly, c.alternatives[0]
	switch a := c.only.(type) {
	case exactText:
		c.form, c.text = formText, string(a)
	case exactly:
		c.form, c.text = formText, string(a.exactText)
	case anythingBut:
		if text, ok := a.none[0].(exactText); ok && len(a.none) == 1 {
			c.form, c.text = formOther, string(text)
		}
	case between:
		c.form = formRange
		c.lower, c.upper = a.ends()
	default:
	}
	return c
}

// drop undoes one use.
func (c *checks) drop(gone uint32, t *trieWriter, now edition) {
	state := &c.states[gone]
	if state.users--; state.users > 0 {
		return
	}
	check := c.list.edit(gone, now)
	c.key = appendFieldKey(c.key[:0], check.field)
	hash := hashText(string(c.key))
	switch at := c.byHash[hash] - 1; {
	case at != gone:
		for c.states[at].next != gone+1 {
			at = c.states[at].next - 1
		}
		c.states[at].next = state.next
	case state.next != 0:
		c.byHash[hash] = state.next
	default:
		delete(c.byHash, hash)
	}
	c.bytes -= check.bytes()
	if check.broad() {
		if c.broad[check.node]--; c.broad[check.node] == 0 {
			delete(c.broad, check.node)
		}
	}
	node := check.node
	*state = checkState{}
	c.list.clear(gone, now)
	c.numbers.giveBack(gone)
	t.drop(node, now)
}

// ownAlternative copies an alternative, so that it doesn't hold on to the pattern's text.
func ownAlternative(a alternative) alternative {
	switch a := a.(type) {
	case exactText:
		return exactText(strings.Clone(string(a)))
	case exactly:
		return exactly{exactText(strings.Clone(string(a.exactText)))}
	case exactNumber:
		return exactNumber{text: strings.Clone(a.text), number: a.number}
	case equalTo:
		return equalTo{text: strings.Clone(a.text), double: a.double}
	case prefix:
		return prefix(strings.Clone(string(a)))
	case suffix:
		return suffix(strings.Clone(string(a)))
	case sameAddress:
		return sameAddress{text: strings.Clone(a.text), address: a.address}
	case between:
		a.lower.text, a.upper.text = strings.Clone(a.lower.text), strings.Clone(a.upper.text)
		return a
	case wildcard:
		// Its pieces were built one by one and are its own already.
		return wildcard{text: strings.Clone(a.text), pieces: a.pieces}
	case equalFold:
		return equalFold{ownFold(a.fold)}
	case prefixFold:
		return prefixFold{ownFold(a.fold)}
	case suffixFold:
		return suffixFold{ownFold(a.fold)}
	case anythingBut:
		own := anythingBut{none: make([]alternative, len(a.none))}
		for i, b := range a.none {
			own.none[i] = ownAlternative(b)
		}
		return own
	default: // literal, present, absent and block hold no text
		return a
	}
}

func ownFold(f fold) fold { return fold{text: strings.Clone(f.text), units: f.units} }

// appendFieldKey writes what a field means: equal keys, equal fields.
func appendFieldKey(key []byte, f *field) []byte {
	key = appendKeyText(key, f.path)
	for _, a := range f.alternatives {
		key = appendAlternativeKey(key, a)
	}
	return key
}

func appendKeyText(key []byte, text string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(text))), text...)
}

func appendAlternativeKey(key []byte, a alternative) []byte {
	switch a := a.(type) {
	case exactText:
		return appendKeyText(append(key, 't'), string(a))
	case exactly:
		return appendKeyText(append(key, 't'), string(a.exactText))
	case exactNumber:
		return appendKeyText(append(key, 'n'), a.text)
	case equalTo:
		return appendKeyText(append(key, '='), a.text)
	case literal:
		return append(key, 'l', byte(a))
	case prefix:
		return appendKeyText(append(key, 'p'), string(a))
	case suffix:
		return appendKeyText(append(key, 's'), string(a))
	case sameAddress:
		return appendKeyText(append(key, 'a'), a.text)
	case block:
		return appendKeyText(append(key, 'b'), a.prefix.String())
	case between:
		return appendBoundKey(appendBoundKey(append(key, '<'), a.lower), a.upper)
	case wildcard:
		return appendKeyText(append(key, 'w'), a.text)
	case equalFold:
		return appendKeyText(append(key, 'E'), a.text)
	case prefixFold:
		return appendKeyText(append(key, 'P'), a.text)
	case suffixFold:
		return appendKeyText(append(key, 'S'), a.text)
	case present:
		return append(key, 'x')
	case absent:
		return append(key, 'o')
	case anythingBut:
		key = append(key, '!')
		for _, b := range a.none {
			key = appendAlternativeKey(key, b)
		}
		return append(key, '.')
	default:
		panic("matcher: an alternative of an unknown kind")
	}
}

func appendBoundKey(key []byte, b bound) []byte {
	if b.text == "" {
		return append(key, '-')
	}
	included := byte('(')
	if b.included {
		included = '['
	}
	return binary.LittleEndian.AppendUint64(append(key, included), math.Float64bits(b.double))
}
