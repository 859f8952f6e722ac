package matcher

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
)

// check is a field as rules share it: those with the same path and the same list have one check between them, which is asked once
// an event. It holds nothing of the pattern's text.
//
// A candidate's verification reads checks all over the memory, so what it needs stands together in 64 bytes.
type check struct {
	node uint32
	// number tells the checks of one program apart.
	number uint32
	users  uint32 // how many branches use it; the writer's
	// text is what the check wants if it is exact: one string and nothing else. only is what it wants if that is one alternative.
	exact   bool
	absence bool // the field's
	text    string
	only    alternative
	*field
	next *check // another of the same hash; the writer's
}

// checks finds or makes the check of a field. It is the writer's.
type checks struct {
	byHash  map[uint64]*check
	numbers numbers
	key     []byte
	other   []byte
}

// use returns the check for a field, for one more branch.
func (c *checks) use(f *field, t *trieWriter, now edition) *check {
	c.key = appendFieldKey(c.key[:0], f)
	hash := hashText(string(c.key))
	for known := c.byHash[hash]; known != nil; known = known.next {
		if c.other = appendFieldKey(c.other[:0], known.field); slices.Equal(c.key, c.other) {
			known.users++
			return known
		}
	}
	made := &check{node: t.want(f.path, now), number: c.numbers.take(), users: 1, absence: f.absence, next: c.byHash[hash]}
	made.field = &field{path: strings.Clone(f.path), absence: f.absence, alternatives: make([]alternative, len(f.alternatives))}
	for i, a := range f.alternatives {
		made.alternatives[i] = ownAlternative(a)
	}
	if len(made.alternatives) == 1 {
		made.only = made.alternatives[0]
		switch a := made.alternatives[0].(type) {
		case exactText:
			made.exact, made.text = true, string(a)
		case exactly:
			made.exact, made.text = true, string(a.exactText)
		default:
		}
	}
	c.byHash[hash] = made
	return made
}

// drop undoes one use.
func (c *checks) drop(gone *check, t *trieWriter, now edition) {
	if gone.users--; gone.users > 0 {
		return
	}
	c.key = appendFieldKey(c.key[:0], gone.field)
	hash := hashText(string(c.key))
	switch first := c.byHash[hash]; {
	case first != gone:
		for first.next != gone {
			first = first.next
		}
		first.next = gone.next
	case gone.next != nil:
		c.byHash[hash] = gone.next
	default:
		delete(c.byHash, hash)
	}
	c.numbers.giveBack(gone.number)
	t.drop(gone.node, now)
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
