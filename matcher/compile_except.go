package matcher

import "fmt"

// anythingBut reads what anything-but leaves out: a string or a number, a list of either, or an operator with one or several
// strings.
func (c *compiler) anythingBut(operand *node, at *step) (alternative, *mistake) {
	switch operand.kind {
	case '"':
		return anythingBut{none: []alternative{exactText(operand.text)}}, nil
	case '0':
		n, m := readComparable(operand, at)
		return anythingBut{none: []alternative{n}}, m
	case '[':
		return c.anythingButList(operand, at)
	case '{':
		return c.anythingButOperator(operand, at)
	default:
		return nil, &mistake{
			at: at, offset: operand.offset,
			reason: "Value of anything-but must be an array or single string/number value.",
			advice: `"anything-but" wants a string, a number, a list of either, or an operator, got ` + operand.seen(),
		}
	}
}

// readComparable reads a number in a place where only numbers count that a double holds exactly.
func readComparable(n *node, at *step) (equalTo, *mistake) {
	v := parseNumber(n.text)
	if !v.comparable {
		return equalTo{}, &mistake{
			at: at, offset: n.offset, reason: "Cannot compare number : " + clipTo(n.text, nameShown),
			advice: "it has more digits than a double holds, or is out of a double's range; only as a plain value in a field's list would it be matched, by its text",
		}
	}
	return equalTo{text: n.text, double: v.double}, nil
}

// anythingButList reads a list that is all strings or all numbers.
func (c *compiler) anythingButList(n *node, at *step) (alternative, *mistake) {
	a := anythingBut{none: make([]alternative, 0, len(n.elements))}
	for i, e := range n.elements {
		switch e.kind {
		case '"':
			a.none = append(a.none, exactText(e.text))
		case '0':
			number, m := readComparable(e, at.element(i))
			if m != nil {
				return nil, m
			}
			a.none = append(a.none, number)
		default:
			return nil, &mistake{
				at: at.element(i), offset: e.offset, reason: "Inside anything but list, start|null|boolean is not supported.",
				advice: `a list in "anything-but" holds strings, or numbers, got ` + e.seen(),
			}
		}
	}
	if len(a.none) == 0 {
		return nil, mixedList(at, n, `the list in "anything-but" is empty`)
	}
	for i, e := range n.elements {
		if e.kind != n.elements[0].kind {
			return nil, mixedList(at.element(i), e, `a list in "anything-but" holds strings or numbers, not both`)
		}
	}
	return a, nil
}

func mixedList(at *step, n *node, advice string) *mistake {
	return &mistake{
		at: at, offset: n.offset, advice: advice,
		reason: "Inside anything but list, either all values are number or string, mixed type is not supported",
	}
}

// exceptOperator is an operator that anything-but may turn round.
type exceptOperator struct {
	reason string // EventBridge's, where an operand is no string
	filled bool   // whether an empty string is refused
	read   func(c *compiler, s string, n *node, at *step) (alternative, *mistake)
}

var exceptOperators = map[string]exceptOperator{
	"prefix": {
		reason: "prefix/suffix match pattern must be a string", filled: true,
		read: func(_ *compiler, s string, _ *node, _ *step) (alternative, *mistake) { return prefix(s), nil },
	},
	"suffix": {
		reason: "prefix/suffix match pattern must be a string", filled: true,
		read: func(_ *compiler, s string, _ *node, _ *step) (alternative, *mistake) { return suffix(s), nil },
	},
	"equals-ignore-case": {
		reason: "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.",
		read: func(c *compiler, s string, _ *node, _ *step) (alternative, *mistake) {
			return equalFold{c.folder.fold(s)}, nil
		},
	},
	"wildcard": {
		reason: "wildcard match pattern must be a string",
		read: func(_ *compiler, s string, n *node, at *step) (alternative, *mistake) {
			return readWildcard(s, n, at)
		},
	},
}

// anythingButOperator reads {"prefix": "a"} or {"prefix": ["a", "b"]} inside anything-but.
func (c *compiler) anythingButOperator(n *node, at *step) (alternative, *mistake) {
	if len(n.members) == 0 {
		return nil, &mistake{
			at: at, offset: n.offset, reason: "Anything-But expression name not found",
			advice: `an object in "anything-but" holds prefix, suffix, equals-ignore-case or wildcard`,
		}
	}
	name, operand := n.members[0].name, n.members[0].value
	inner := at.member(name)
	operator, ok := exceptOperators[name]
	if !ok {
		return nil, &mistake{
			at: inner, offset: n.members[0].offset, reason: "Unsupported anything-but pattern: " + clipTo(name, nameShown),
			advice: `"anything-but" turns round prefix, suffix, equals-ignore-case and wildcard only`,
		}
	}
	a, m := c.except(name, operator, operand, inner)
	if m == nil && len(n.members) > 1 {
		m = secondKey(n, at, "anything-but")
	}
	return a, m
}

func (c *compiler) except(name string, operator exceptOperator, operand *node, at *step) (alternative, *mistake) {
	switch operand.kind {
	case '"', '0':
		a, m := c.exceptOne(name, operator, operand, at)
		return anythingBut{none: []alternative{a}}, m
	case '[':
	default:
		return nil, &mistake{
			at: at, offset: operand.offset,
			reason: "Value of anything-but must be an array or single string/number value.",
			advice: fmt.Sprintf(`%q in "anything-but" wants a string or a list of strings, got %s`, name, operand.seen()),
		}
	}
	if len(operand.elements) == 0 {
		return nil, &mistake{
			at: at, offset: operand.offset, reason: "Empty arrays are not allowed",
			advice: fmt.Sprintf(`the list of %q in "anything-but" is empty`, name),
		}
	}
	list := anythingBut{none: make([]alternative, 0, len(operand.elements))}
	for i, e := range operand.elements {
		a, m := c.exceptOne(name, operator, e, at.element(i))
		if m != nil {
			return nil, m
		}
		list.none = append(list.none, a)
	}
	return list, nil
}

func (c *compiler) exceptOne(name string, operator exceptOperator, n *node, at *step) (alternative, *mistake) {
	switch {
	case n.kind != '"':
		return nil, &mistake{
			at: at, offset: n.offset, reason: operator.reason,
			advice: fmt.Sprintf(`%q in "anything-but" wants strings, got %s`, name, n.seen()),
		}
	case operator.filled && n.text == "":
		return nil, &mistake{
			at: at, offset: n.offset, reason: "Null prefix/suffix not allowed",
			advice: "every string begins and ends with the empty string, so this would leave no string",
		}
	default:
		return operator.read(c, n.text, n, at)
	}
}
