package matcher

import (
	"fmt"
	"slices"
	"strings"
)

// Event is what patterns look at.
type Event struct {
	// JSON is the event's bytes, if it is JSON: one object, the whole envelope. It is not written to, and must not change
	// while a call uses it. Nil means that the event is not JSON; then patterns see Attributes, and only them. Bytes that
	// turn out not to be an event (see CheckJSON) match no pattern; that goes for no bytes at all too, if the slice is not
	// nil.
	JSON []byte
	// Attributes are seen as top-level string fields where JSON is nil, and not at all where it isn't. A repeated name gives
	// a field with several values. As everywhere, the name "a.b" is the same field as b in a.
	Attributes []Attribute
}

// Attribute is a named property of an event that is not JSON. Both strings should be UTF-8; they are compared byte by byte.
type Attribute struct {
	Name, Value string
}

// ParsedEvent is an event that was read once, to be put to many patterns. It never changes: any number of goroutines may use
// it. It refers to none of the bytes that it was read from.
//
// Only leaves count: strings, numbers, true, false and null. Each leaf belongs to a name node, and arrays are not seen in
// names, so {"a":[{"b":1},{"b":2}]} has two leaves at one node. Where a leaf lies in arrays is kept beside:
//
//	{"a":[{"b":1},{"b":[2,3]}]}      names     (top) - a - b
//	                                 arrays    1: the one at a, 2: the one at b
//	                                 elements  1: a[0], 2: a[1]        (both of array 1)
//	                                 leaves    1 in element 1; 2 and 3 in element 2
//
// A scalar that is itself an element has no element of its own: two scalars of one array never exclude each other.
type ParsedEvent struct {
	err      error
	names    []name    // names[0] is the top
	leaves   []leaf    // in the order of the text
	elements []element // elements[0] stands for "in no array"; numbered in the order of the text
	arrays   []array   // numbered in the order of the text
}

// name is a node of the tree of names.
type name struct {
	name     string // as it stands in the event, dots and all
	above    int32  // index of the name around it
	children map[string]int32
	leaves   []int32 // at this very name
	objects  bool    // an object was seen here
	lists    bool    // an array was seen here
}

// element is an object or an array that stands in an array.
type element struct {
	around int32 // the innermost element around its array; 0 for none
	array  int32 // the array that it is an element of
	index  int32 // its place there
	last   int32 // the last element within this one; itself, if there is none
}

// array is a list in the event. Its elements, and what lies in them, are the elements from first up to last.
type array struct {
	name        int32
	first, last int32
}

type leaf struct {
	value   value
	name    int32
	element int32 // the innermost element around it; 0 for none
}

// kind is what sort of leaf a value is.
type kind uint8

const (
	kindNull kind = iota + 1
	kindFalse
	kindTrue
	kindNumber
	kindString
)

func (k kind) String() string {
	switch k {
	case kindNull:
		return "null"
	case kindFalse, kindTrue:
		return "a boolean"
	case kindNumber:
		return "a number"
	case kindString:
		return "a string"
	default:
		return fmt.Sprintf("kind %d", uint8(k))
	}
}

// value is a leaf's: for a string what it says once unescaped, for the others what stands in the text.
type value struct {
	text   string
	number number // of a number; filled in where a leaf is put to a field
	kind   kind
}

// ParseEvent reads an event once, for use with many patterns.
func ParseEvent(e Event) *ParsedEvent {
	p := &ParsedEvent{names: []name{{}}, elements: []element{{}}}
	if e.JSON == nil {
		for _, a := range e.Attributes {
			p.addLeaf(p.child(0, a.Name), 0, value{kind: kindString, text: a.Value})
		}
		return p
	}
	r := eventReader{event: p, tokens: newTokens(e.JSON)}
	if err := r.read(); err != nil {
		return &ParsedEvent{err: err}
	}
	return p
}

// Err says why the event's JSON is none that patterns could look at; nil if it is, and for events that are not JSON.
func (e *ParsedEvent) Err() error { return e.err }

// child finds or makes the name below another.
func (e *ParsedEvent) child(above int32, text string) int32 {
	children := e.names[above].children
	if i, ok := children[text]; ok {
		return i
	}
	if children == nil {
		children = make(map[string]int32)
		e.names[above].children = children
	}
	i := int32(len(e.names))
	children[text] = i
	e.names = append(e.names, name{name: text, above: above})
	return i
}

func (e *ParsedEvent) addLeaf(at, element int32, v value) {
	e.names[at].leaves = append(e.names[at].leaves, int32(len(e.leaves)))
	e.leaves = append(e.leaves, leaf{value: v, name: at, element: element})
}

// at appends to found every name whose path, joined with dots, is the one given. There may be several: {"a":{"b":1},"a.b":2} has
// two with the path a.b.
func (e *ParsedEvent) at(found []int32, path string) []int32 { return e.below(found, 0, path) }

// below is at, with a path that starts at a name. It costs a look at each child, or at each dot of the path, whichever are
// fewer, and goes on only where names fit; no name is visited twice.
func (e *ParsedEvent) below(found []int32, from int32, path string) []int32 {
	children := e.names[from].children
	if len(children) <= 1+strings.Count(path, ".") {
		for text, child := range children {
			if rest, ok := strings.CutPrefix(path, text); ok {
				found = e.within(found, child, rest)
			}
		}
		return found
	}
	for end := 0; ; end++ {
		dot := strings.IndexByte(path[end:], '.')
		if dot < 0 {
			break
		}
		end += dot
		if child, ok := children[path[:end]]; ok {
			found = e.within(found, child, path[end:])
		}
	}
	if child, ok := children[path]; ok {
		found = append(found, child)
	}
	return found
}

// within goes on below a name that fits, or arrives.
func (e *ParsedEvent) within(found []int32, child int32, rest string) []int32 {
	switch {
	case rest == "":
		return append(found, child)
	case rest[0] == '.':
		return e.below(found, child, rest[1:])
	default:
		return found
	}
}

// leavesAt returns the leaves at a path, in the order of the text. The list is not the caller's to change; names is memory for
// the search, and is returned for the next.
func (e *ParsedEvent) leavesAt(path string, names []int32) (leaves, memory []int32) {
	names = e.at(names[:0], path)
	if len(names) == 1 {
		return e.names[names[0]].leaves, names
	}
	for _, at := range names {
		leaves = append(leaves, e.names[at].leaves...)
	}
	slices.Sort(leaves)
	return leaves, names
}
