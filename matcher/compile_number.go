package matcher

import (
	"fmt"
	"net/netip"
	"strings"
)

// numeric reads [operator, number], or a range of two.
func (c *compiler) numeric(operand *node, at *step) (alternative, *mistake) {
	if operand.kind != '[' {
		return nil, &mistake{
			at: at, offset: operand.offset, reason: "Value of numeric must be an array.",
			advice: `"numeric" wants a list like [">", 0, "<=", 5], got ` + operand.seen(),
		}
	}
	t := terms{list: operand, at: at}
	operator, m := t.operator()
	if m != nil {
		return nil, m
	}
	first, m := t.operand(operator)
	if m != nil {
		return nil, m
	}
	switch operator {
	case "=":
		return first, t.end("Too many elements in numeric expression")
	case "<", "<=":
		return between{upper: first.bound(operator)}, t.end("Too many elements in numeric expression")
	}
	b := between{lower: first.bound(operator)}
	if t.next == len(operand.elements) {
		return b, nil
	}
	return t.rangeAbove(b)
}

// terms reads a numeric's list from left to right.
type terms struct {
	list *node
	at   *step
	next int
}

// take returns the next term, or nil behind the last, and the place to complain about.
func (t *terms) take() (n *node, at *step, offset int) {
	if t.next >= len(t.list.elements) {
		return nil, t.at, t.list.offset
	}
	n = t.list.elements[t.next]
	at = t.at.element(t.next)
	t.next++
	return n, at, n.offset
}

// termSeen says what a term is, for people; nil is the end of the list.
func termSeen(n *node) string {
	if n == nil {
		return "the end of the list"
	}
	return n.seen()
}

// termToken is what EventBridge quotes of a term.
func termToken(n *node) string {
	if n == nil {
		return "]"
	}
	return n.token()
}

func (t *terms) operator() (string, *mistake) {
	n, at, offset := t.take()
	advice := `"numeric" begins with one of = < <= > >= in quotes, got ` + termSeen(n)
	if n == nil || n.kind != '"' {
		return "", &mistake{at: at, offset: offset, reason: "Invalid member in numeric match: " + termToken(n), advice: advice}
	}
	switch n.text {
	case "=", "<", "<=", ">", ">=":
		return n.text, nil
	default:
		return "", &mistake{at: at, offset: offset, reason: "Unrecognized numeric range operator: " + n.token(), advice: advice}
	}
}

func (t *terms) operand(operator string) (equalTo, *mistake) {
	n, at, offset := t.take()
	if n != nil && n.kind == '0' {
		return readComparable(n, at)
	}
	called := operator
	if operator == "=" {
		called = "equals"
	}
	return equalTo{}, &mistake{
		at: at, offset: offset, reason: "Value of " + called + " must be numeric",
		advice: fmt.Sprintf(`"numeric" wants a number after %q, got %s`, operator, termSeen(n)),
	}
}

// rangeAbove reads the upper end behind a lower one.
func (t *terms) rangeAbove(b between) (alternative, *mistake) {
	n, at, offset := t.take()
	advice := `the upper end of a range is "<" or "<=", got ` + termSeen(n)
	switch {
	case n.kind != '"':
		return nil, &mistake{at: at, offset: offset, reason: "Bad value in numeric range: " + n.token(), advice: advice}
	case n.text != "<" && n.text != "<=":
		return nil, &mistake{at: at, offset: offset, reason: "Bad numeric range operator: " + n.token(), advice: advice}
	}
	top, m := t.operand(n.text)
	if m != nil {
		return nil, m
	}
	b.upper = top.bound(n.text)
	if m := t.end("Too many terms in numeric range expression"); m != nil {
		return nil, m
	}
	if b.lower.double >= b.upper.double {
		return nil, &mistake{
			at: t.at, offset: t.list.offset, reason: "Bottom must be less than top",
			advice: fmt.Sprintf("no number is above %s and below %s; for one number write [\"=\", number]", clip(b.lower.text), clip(b.upper.text)),
		}
	}
	return b, nil
}

func (t *terms) end(reason string) *mistake {
	n, at, offset := t.take()
	if n == nil {
		return nil
	}
	return &mistake{
		at: at, offset: offset, reason: reason,
		advice: `"numeric" is one comparison, or "> or >=" and then "< or <="; got ` + n.seen() + " behind that",
	}
}

// bound makes an end of a range of an operand.
func (e equalTo) bound(operator string) bound {
	return bound{text: e.text, double: e.double, included: strings.HasSuffix(operator, "=")}
}

// cidr reads a block of addresses: an address, one slash, the number of leading bits.
func (c *compiler) cidr(operand *node, at *step) (alternative, *mistake) {
	// EventBridge says prefix here.
	s, m := text("cidr", "prefix match pattern must be a string", operand, at)
	if m != nil {
		return nil, m
	}
	prefix, reason := parseBlock(s)
	if reason != "" {
		return nil, &mistake{
			at: at, offset: operand.offset, reason: reason,
			advice: `"cidr" wants an address and how many of its leading bits count, like "10.0.0.0/8" (0 to 31) or "2001:db8::/32" (0 to 127); got ` + operand.seen(),
		}
	}
	return block{prefix: prefix}, nil
}

// parseBlock reads a CIDR block, or says why not in EventBridge's words.
func parseBlock(text string) (prefix netip.Prefix, reason string) {
	literal, mask, ok := strings.Cut(text, "/")
	if !ok || mask == "" || strings.Contains(mask, "/") {
		return prefix, "Malformed CIDR, one '/' required"
	}
	bits := 0
	for i := range len(mask) {
		switch c := mask[i]; {
		case c == '-' && i == 0 && len(mask) > 1 && strings.Trim(mask[1:], "0123456789") == "":
			return prefix, "Malformed CIDR, mask bits must not be negative"
		case c < '0' || c > '9':
			return prefix, "Malformed CIDR, mask bits must be an integer"
		default:
			bits = min(bits*10+int(c-'0'), 1<<20) // enough to be out of range
		}
	}
	address, ok := parseAddress(literal)
	switch {
	case !ok:
		return prefix, "Nonstandard IP address: " + clipTo(literal, nameShown)
	case address.Is4() && bits > 31:
		return prefix, "IPv4 mask bits must be < 32"
	case address.Is6() && bits > 127:
		return prefix, "IPv6 mask bits must be < 128"
	}
	return netip.PrefixFrom(address, bits).Masked(), ""
}
