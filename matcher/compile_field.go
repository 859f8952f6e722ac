package matcher

import (
	"fmt"
	"strings"
)

// field reads a list of alternatives.
func (c *compiler) field(n *node, s scope) (*field, *mistake) {
	if len(n.elements) == 0 {
		return nil, &mistake{
			at: s.at, offset: n.offset, reason: "Empty arrays are not allowed",
			advice: `list at least one accepted value; to accept any, write [{"exists": true}]`,
		}
	}
	if c.pathBytes += len(s.path); c.pathBytes > PathBytesMax {
		return nil, &mistake{
			at: s.at, offset: n.offset, reason: "Event pattern is too long",
			advice: fmt.Sprintf("its paths, written out, have more than %d bytes; names on the outside repeat in each of them", PathBytesMax),
		}
	}
	f := &field{path: s.path, offset: n.offset, alternatives: make([]alternative, 0, len(n.elements))}
	for i, e := range n.elements {
		a, m := c.alternative(e, s.at.element(i))
		if m != nil {
			return nil, m
		}
		if _, ok := a.(absent); ok {
			f.absence = true
		}
		f.alternatives = append(f.alternatives, a)
	}
	return f, nil
}

// alternative reads an entry of a field's list.
func (c *compiler) alternative(n *node, at *step) (alternative, *mistake) {
	switch n.kind {
	case '{':
		return c.operator(n, at)
	case '"':
		if a, ok := parseAddress(n.text); ok {
			return sameAddress{text: n.text, address: a}, nil
		}
		return exactText(n.text), nil
	case '0':
		return exactNumber{text: n.text, number: parseNumber(n.text)}, nil
	case 'n', 't', 'f':
		return literal(kindOf(n.kind)), nil
	default:
		return nil, &mistake{
			at: at, offset: n.offset, reason: "Match value must be String, number, true, false, or null",
			advice: "a list inside a field's list means nothing; an event's list is matched by its elements",
		}
	}
}

// operator reads {"name": operand}.
func (c *compiler) operator(n *node, at *step) (alternative, *mistake) {
	if len(n.members) == 0 {
		return nil, &mistake{
			at: at, offset: n.offset, reason: "Match expression name not found",
			advice: "an object in a field's list holds one operator, as in {\"prefix\": \"a\"}",
		}
	}
	name, operand := n.members[0].name, n.members[0].value
	read, ok := operators[name]
	if !ok {
		return nil, &mistake{
			at: at.member(name), offset: n.members[0].offset, reason: "Unrecognized match type " + clipTo(name, nameShown),
			advice: "the operators are " + operatorNames + meant(name),
		}
	}
	a, m := read(c, operand, at.member(name))
	if m == nil && len(n.members) > 1 {
		m = secondKey(n, at, name)
	}
	return a, m
}

// secondKey refuses an operator beside an operator. EventBridge has two texts for that.
func secondKey(n *node, at *step, operator string) *mistake {
	reason := "Only one key allowed in match expression"
	if operator == "numeric" || operator == "anything-but" {
		reason = "Too many elements in numeric expression"
	}
	second := n.members[1]
	return &mistake{
		at: at.member(second.name), offset: second.offset, reason: reason,
		advice: fmt.Sprintf("one operator an object; %s and %s as alternatives are two objects in the list", quote(clip(operator)), quote(clip(second.name))),
	}
}

// operatorNames is for messages, in the order in which people think of them.
const operatorNames = "prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, exists, cidr and exactly"

// operators read the operand of each operator.
var operators = map[string]func(c *compiler, operand *node, at *step) (alternative, *mistake){
	"exactly":            (*compiler).exactly,
	"prefix":             (*compiler).prefix,
	"suffix":             (*compiler).suffix,
	"equals-ignore-case": (*compiler).equalsIgnoreCase,
	"wildcard":           (*compiler).wildcard,
	"anything-but":       (*compiler).anythingBut,
	"numeric":            (*compiler).numeric,
	"exists":             (*compiler).exists,
	"cidr":               (*compiler).cidr,
}

// meant guesses an operator that differs in case only.
func meant(name string) string {
	for known := range operators {
		if strings.EqualFold(known, name) {
			return "; did you mean " + known + "?"
		}
	}
	return ""
}

func (c *compiler) exists(operand *node, at *step) (alternative, *mistake) {
	switch operand.kind {
	case 't':
		return present{}, nil
	case 'f':
		return absent{}, nil
	default:
		return nil, &mistake{
			at: at, offset: operand.offset, reason: "exists match pattern must be either true or false.",
			advice: `"exists" wants true or false, got ` + operand.seen(),
		}
	}
}
