package matcher

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// node is a value in a pattern's text. The tree of nodes is the text as JSON and nothing more; it lives while the text is
// parsed or examined.
type node struct {
	kind     jsontext.Kind // { [ " 0 t f n; 0 stands for every number
	text     string        // of a string what it says, of a number or literal what stands there
	offset   int
	members  []member
	elements []*node
}

// member is a name with its value. Names may repeat; the list is in the order of the text.
type member struct {
	name   string
	offset int
	value  *node
}

// seen says what a node is, for people.
func (n *node) seen() string {
	switch n.kind {
	case '{':
		if len(n.members) == 0 {
			return "an empty object"
		}
		return "an object"
	case '[':
		if len(n.elements) == 0 {
			return "an empty list"
		}
		return "a list"
	case '"':
		return "string " + quote(clip(n.text))
	case '0':
		return "number " + clip(n.text)
	default:
		return n.text
	}
}

// token is what EventBridge's messages quote of a node.
func (n *node) token() string {
	if n.kind == '{' || n.kind == '[' {
		return string(rune(n.kind))
	}
	return clipTo(n.text, nameShown)
}

// source writes a scalar as it would stand in a pattern.
func (n *node) source() string {
	if n.kind == '"' {
		return quote(n.text)
	}
	return n.text
}

// syntaxReader reads a pattern's text into nodes.
type syntaxReader struct {
	tokens tokens
}

// parseSyntax reads the text as JSON, an object with nothing behind it.
func parseSyntax(text []byte) (*node, *mistake) {
	if len(text) > PatternBytesMax {
		return nil, &mistake{
			offset: PatternBytesMax,
			reason: "Event pattern is too long",
			advice: fmt.Sprintf("the text has %d bytes, at most %d are allowed", len(text), PatternBytesMax),
		}
	}
	r := syntaxReader{tokens: newTokens(text)}
	top, m := r.value(nil)
	if m != nil {
		return nil, m
	}
	if err := r.tokens.end(); err != nil {
		return nil, r.broken(nil, err)
	}
	if top.kind != '{' {
		return nil, &mistake{
			offset: top.offset,
			reason: "Filter is not an object",
			advice: `a pattern is an object like {"source": ["orders"]}, got ` + top.seen(),
		}
	}
	return top, nil
}

// broken words what the decoder found while it read the value at a place.
func (r *syntaxReader) broken(at *step, err error) *mistake {
	advice := cause(err).Error()
	if errors.Is(err, errTrailing) {
		advice = "a pattern is one object, with nothing but white space behind it"
	}
	return &mistake{at: at, offset: r.tokens.failedAt(err), reason: "Not valid JSON", advice: advice}
}

// offset is where the next value begins.
func (r *syntaxReader) offset() int {
	at := int(r.tokens.decoder.InputOffset())
	for ; at < len(r.tokens.text); at++ {
		switch r.tokens.text[at] {
		case ' ', '\t', '\n', '\r', ',', ':':
		default:
			return at
		}
	}
	return at
}

func (r *syntaxReader) value(at *step) (*node, *mistake) {
	n := &node{kind: r.tokens.decoder.PeekKind(), offset: r.offset()}
	switch n.kind {
	case '{':
		return n, r.object(n, at)
	case '[':
		return n, r.array(n, at)
	default:
		text, offset, err := r.tokens.scalar()
		if err != nil {
			return nil, r.broken(at, err)
		}
		n.text, n.offset = text, offset
		return n, nil
	}
}

func (r *syntaxReader) object(n *node, at *step) *mistake {
	if err := r.tokens.open(); err != nil {
		return r.broken(at, err)
	}
	for r.tokens.decoder.PeekKind() != '}' {
		name, offset, err := r.tokens.scalar()
		if err != nil {
			return r.broken(at, err)
		}
		value, m := r.value(at.member(name))
		if m != nil {
			return m
		}
		n.members = append(n.members, member{name: name, offset: offset, value: value})
	}
	if err := r.tokens.shut(); err != nil {
		return r.broken(at, err)
	}
	return nil
}

func (r *syntaxReader) array(n *node, at *step) *mistake {
	if err := r.tokens.open(); err != nil {
		return r.broken(at, err)
	}
	for r.tokens.decoder.PeekKind() != ']' {
		value, m := r.value(at.element(len(n.elements)))
		if m != nil {
			return m
		}
		n.elements = append(n.elements, value)
	}
	if err := r.tokens.shut(); err != nil {
		return r.broken(at, err)
	}
	return nil
}
