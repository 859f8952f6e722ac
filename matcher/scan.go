package matcher

import (
	"encoding/binary"
	"slices"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// scanner reads one event after another, in one pass each. It judges the whole text as strictly as CheckJSON, and keeps the values
// at nodes of the trie, and the arrays and elements around those; the rest is passed over. It builds no tree, and allocates only
// to grow.
//
// The text is copied first, which costs little and gives it scanPadding, and strings with escapes are unescaped in the copy. What the
// scanner found refers to the copy and is valid until the next text.
type scanner struct {
	text   []byte
	frames []frame
	ends   []byte // what closes the objects and arrays that are passed over
	// found are the values at nodes, in the order of the text.
	found []foundValue
	// places are what the index of postings has for each of found as it is; filled in by whoever looks them up.
	places []uint32
	// values is how many values the event has, wherever they are.
	values   int
	elements []element // as in ParsedEvent, numbered among those at nodes
	arrays   []array
	// heads has for each node 1 + the number of the last value found there; 0 for none. touched are the nodes that have one.
	heads   []int32
	touched []uint32
	guesses *guesses // shared by scanners that take turns
}

// foundValue is a leaf at a node.
type foundValue struct {
	value   value
	kinds   *valueKinds // of the node
	node    uint32
	before  int32 // as heads: the value found before at this node
	element int32 // the innermost element around it; 0 for none
	counted bool  // whether value.number is filled in
	again   bool  // whether the value found before at this node is the same
}

// frame is an object or an array around the place where the scanner is.
type frame struct {
	node    int32       // noNode inside of what no rule uses
	kinds   *valueKinds // of the node, for elements that are values (trie.wantedAt)
	element int32       // the innermost element around what is in it
	self    int32       // the element that it is itself; 0 for none
	array   int32       // the array that it is; noArray for an object, and inside of what no rule uses
	end     byte        // what closes it
	guess   int32       // of an array: which guess came next where its first element began
}

const noArray = -1

// reset forgets the last event.
func (s *scanner) reset(t *trie) {
	for _, at := range s.touched {
		s.heads[at] = 0
	}
	s.touched = s.touched[:0]
	if room := t.nodes.room(); len(s.heads) < room {
		s.heads = append(s.heads, make([]int32, room-len(s.heads))...)
	}
	s.found = s.found[:0]
	s.values = 0
	s.elements = append(s.elements[:0], element{})
	s.arrays = s.arrays[:0]
	s.guesses.next = 0
}

// scan reads an event's JSON. It returns whether that is an event.
func (s *scanner) scan(t *trie, text []byte) bool {
	s.reset(t)
	s.text = append(s.text[:0], text...)
	s.text = append(s.text, make([]byte, scanPadding)...)
	b := s.text
	i := skipSpace(b, 0)
	if b[i] != '{' {
		return false
	}
	depth := 0
	f := s.frame(0)
	*f = frame{node: 0, array: noArray, end: '}'}
	for i = skipSpace(b, i+1); ; {
		// b[i] is where a member or an element begins, or where an empty object or array ends.
		if b[i] != f.end {
			at, kinds := f.node, f.kinds
			if f.end == '}' {
				if at, kinds, i = s.name(t, at, i); i < 0 {
					return false
				}
			}
			switch c := b[i]; {
			case c != '{' && c != '[':
				if i = s.scalar(kinds, f.element, at, i); i < 0 {
					return false
				}
			case at == noNode || c == '{' && t.nodes.at(uint32(at)).steps == 0 && f.array == noArray: // no rule looks into it
				if i = s.pass(i, depth+1); i < 0 {
					return false
				}
			default:
				if depth++; depth >= NestingMax {
					return false
				}
				if f.end == ']' { // elements of an array have the same names, mostly
					s.guesses.next = int(f.guess)
				}
				inner := s.frame(depth)
				s.open(t, &s.frames[depth-1], inner, at, kinds, c)
				f = inner
				i = skipSpace(b, i+1)
				continue
			}
			if b[i] <= ' ' {
				i = skipSpace(b, i)
			}
		}
		for b[i] == f.end {
			s.shut(f)
			if i++; b[i] <= ' ' {
				i = skipSpace(b, i)
			}
			if depth--; depth < 0 {
				return i == len(text)
			}
			f = &s.frames[depth]
		}
		if b[i] != ',' {
			return false
		}
		if i++; b[i] <= ' ' {
			i = skipSpace(b, i)
		}
		if b[i] == f.end {
			return false
		}
	}
}

// frame returns the frame at a depth. Frames stay where they are and are filled in there: copying them took longer than all else about them.
func (s *scanner) frame(depth int) *frame {
	if depth == len(s.frames) {
		s.frames = append(s.frames, frame{})
	}
	return &s.frames[depth]
}

// pass reads an object or an array that no rule looks into, with all that is in it, and keeps nothing. It returns the place behind it; below 0 if it is
// not valid. depth is how many objects and arrays are around it.
func (s *scanner) pass(i, depth int) int {
	if depth >= NestingMax {
		return -1
	}
	b := s.text
	ends := s.ends[:0]
	end := b[i] + 2
	values := 0
	for i = skipSpace(b, i+1); ; {
		if b[i] != end {
			if end == '}' {
				if i = passName(b, i); i < 0 {
					return -1
				}
			}
			switch c := b[i]; {
			case c == '"':
				if i, _ = skipString(b, i+1); i < 0 {
					return -1
				}
				i++
			case c == '{' || c == '[':
				ends, end = append(ends, end), c+2
				if depth+len(ends) >= NestingMax {
					s.ends = ends
					return -1
				}
				i = skipSpace(b, i+1)
				continue
			case c == '-' || c-'0' <= 9:
				if i = skipNumber(b, i); i < 0 {
					return -1
				}
			default:
				if i = skipLiteral(b, i); i < 0 {
					return -1
				}
			}
			values++
			if b[i] <= ' ' {
				i = skipSpace(b, i)
			}
		}
		for b[i] == end {
			i++
			last := len(ends) - 1
			if last < 0 {
				s.ends = ends
				s.values += values
				return i
			}
			end, ends = ends[last], ends[:last]
			if b[i] <= ' ' {
				i = skipSpace(b, i)
			}
		}
		if b[i] != ',' {
			return -1
		}
		i++
		if b[i] <= ' ' {
			i = skipSpace(b, i)
		}
		if b[i] == end {
			return -1
		}
	}
}

// passName reads a member's name and the colon, and returns the place of the value; below 0 if it is not valid.
func passName(b []byte, i int) int {
	if b[i] != '"' {
		return -1
	}
	if i, _ = skipString(b, i+1); i < 0 {
		return -1
	}
	if i++; b[i] != ':' {
		if i = skipSpace(b, i); b[i] != ':' {
			return -1
		}
	}
	if i++; b[i] <= ' ' {
		i = skipSpace(b, i)
	}
	return i
}

// name reads a member's name and the colon. It returns the node that the name leads to, what is filed there (trie.wantedAt), and where
// the value begins; below 0 if it is not valid.
func (s *scanner) name(t *trie, from int32, i int) (at int32, kinds *valueKinds, next int) {
	b := s.text
	if g := s.guesses.right(b, i, from); g != nil {
		if i += g.length; b[i] <= ' ' {
			i = skipSpace(b, i)
		}
		return g.at, g.kinds, i
	}
	if b[i] != '"' {
		return noNode, nil, -1
	}
	begin, start := i, i+1
	end, escaped := skipString(b, start)
	if end < 0 {
		return noNode, nil, -1
	}
	if i = end + 1; b[i] != ':' {
		if i = skipSpace(b, i); b[i] != ':' {
			return noNode, nil, -1
		}
	}
	if i++; b[i] <= ' ' {
		i = skipSpace(b, i)
	}
	at = noNode
	if escaped {
		end = unescape(b, start, end)
	}
	if from != noNode {
		name := s.string(start, end)
		if at = t.step(from, name); at == noNode && hasDot(b, start, end) {
			at = t.walk(from, name)
		}
	}
	kinds = t.wantedAt(at)
	if !escaped {
		s.guesses.learn(b[begin:end+1], from, at, kinds)
	}
	return at, kinds, i
}

// hasDot reports whether there is a dot in a text.
func hasDot(b []byte, start, end int) bool {
	for ; start+8 <= end; start += 8 {
		if marks := binary.LittleEndian.Uint64(b[start:]) ^ eachDot; (marks-eachLow)&^marks&eachHigh != 0 {
			return true
		}
	}
	marks := binary.LittleEndian.Uint64(b[start:]) ^ eachDot
	return (marks-eachLow)&^marks&eachHigh<<(64-8*(end-start)) != 0
}

// open begins an object or an array at a node.
func (s *scanner) open(t *trie, around, f *frame, at int32, kinds *valueKinds, kind byte) {
	f.node, f.kinds, f.element, f.self, f.array, f.end, f.guess = at, kinds, around.element, 0, noArray, kind+2, int32(s.guesses.next)
	if around.array != noArray {
		f.self = int32(len(s.elements))
		f.element = f.self
		s.elements = append(s.elements, element{around: around.element, array: around.array})
	}
	if kind == '[' {
		f.array = int32(len(s.arrays))
		s.arrays = append(s.arrays, array{name: at, first: int32(len(s.elements))})
	} else if t.nodes.at(uint32(at)).steps == 0 {
		f.node = noNode // no rule looks into it, but it is an element
	}
}

// shut ends an object or an array.
func (s *scanner) shut(f *frame) {
	last := int32(len(s.elements)) - 1
	if f.array != noArray {
		s.arrays[f.array].last = last
	}
	if f.self != 0 {
		s.elements[f.self].last = last
	}
}

// scalar reads a string, a number or a literal, and keeps it if some rule wants it. It returns the place behind it; below 0 if it
// is not valid.
func (s *scanner) scalar(kinds *valueKinds, element, at int32, i int) int {
	b := s.text
	s.values++
	start := i
	var end, next int
	var k kind
	switch c := b[i]; {
	case c == '"':
		var escaped bool
		start++
		if end, escaped = skipString(b, start); end < 0 {
			return -1
		}
		next = end + 1
		if kinds == nil {
			return next
		}
		if escaped {
			end = unescape(b, start, end)
		}
		k = kindString
	case c == '-' || '0' <= c && c <= '9':
		next = skipNumber(b, i)
		end, k = next, kindNumber
	default:
		next = skipLiteral(b, i)
		end, k = next, kindOf(jsontext.Kind(c))
	}
	if next >= 0 && kinds != nil {
		s.keep(kinds, uint32(at), element, k, s.string(start, end))
	}
	return next
}

// keep notes a value at a node.
func (s *scanner) keep(kinds *valueKinds, at uint32, element int32, k kind, text string) {
	before := s.heads[at]
	if before == 0 {
		s.touched = append(s.touched, at)
	}
	n := len(s.found)
	if n == cap(s.found) {
		s.found = slices.Grow(s.found, 1)
	}
	s.found = s.found[:n+1]
	v := &s.found[n] // field by field: a whole value would be made first and copied then
	v.value.text, v.value.kind = text, k
	v.kinds = kinds
	v.node, v.before, v.element = at, before, element
	v.counted = false
	v.again = before != 0 && s.found[before-1].value.kind == k && s.found[before-1].value.text == text
	s.heads[at] = int32(n) + 1
}

// string is a part of the copy as a string, without copying it again. Nothing keeps it beyond the next text, which overwrites it.
func (s *scanner) string(start, end int) string {
	return unsafe.String(unsafe.SliceData(s.text[start:]), end-start) //nolint:gosec // see above: it lives as long as the text does
}

// attributes reads an event that is not JSON.
func (s *scanner) attributes(t *trie, list []Attribute) {
	s.reset(t)
	s.values = len(list)
	s.text = s.text[:0]
	for _, a := range list {
		at := t.walk(0, a.Name)
		if kinds := t.wantedAt(at); kinds != nil {
			start := len(s.text)
			s.text = append(s.text, a.Value...)
			s.keep(kinds, uint32(at), 0, kindString, s.string(start, len(s.text)))
		}
	}
}
