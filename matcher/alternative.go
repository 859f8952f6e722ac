package matcher

import (
	"fmt"
	"strconv"
	"strings"
)

// alternative is one entry of a field's list: what a leaf has to be.
type alternative interface {
	// matches judges a leaf; a number comes with its number filled in.
	matches(v *value) bool
	// wants says what leaf would match, for people.
	wants() string
}

// exactText matches one string.
type exactText string

func (s exactText) matches(v *value) bool { return v.kind == kindString && v.text == string(s) }
func (s exactText) wants() string         { return quote(clip(string(s))) }

// exactly is exactText as the operator of that name, which people used to keep an IP address from being more than its text.
type exactly struct{ exactText }

func (s exactly) wants() string { return "exactly " + s.exactText.wants() }

// exactNumber matches a number of the same value, or one that is spelt the same.
type exactNumber struct {
	text   string
	number number
}

func (n exactNumber) matches(v *value) bool {
	switch {
	case v.kind != kindNumber:
		return false
	case n.number.comparable && v.number.comparable:
		return n.number.double == v.number.double
	default:
		return n.text == v.text
	}
}

func (n exactNumber) wants() string {
	if !n.number.comparable {
		return "a number spelt " + clip(n.text)
	}
	return clip(n.text)
}

// literal matches null, false or true.
type literal kind

func (l literal) matches(v *value) bool { return v.kind == kind(l) }

func (l literal) wants() string {
	switch kind(l) {
	case kindFalse:
		return "false"
	case kindTrue:
		return "true"
	default:
		return "null"
	}
}

// prefix and suffix match strings by their beginning or end.
type (
	prefix string
	suffix string
)

func (p prefix) matches(v *value) bool {
	return v.kind == kindString && strings.HasPrefix(v.text, string(p))
}

func (s suffix) matches(v *value) bool {
	return v.kind == kindString && strings.HasSuffix(v.text, string(s))
}

func (p prefix) wants() string { return "a string that begins with " + quote(clip(string(p))) }
func (s suffix) wants() string { return "a string that ends with " + quote(clip(string(s))) }

// between matches numbers within bounds; either may be missing.
type between struct {
	lower, upper bound
}

// bound is one end of between.
type bound struct {
	text     string // empty where there is no bound
	double   float64
	included bool
}

func (b between) matches(v *value) bool {
	if v.kind != kindNumber || !v.number.comparable {
		return false
	}
	n := v.number.double
	return (b.lower.text == "" || n > b.lower.double || b.lower.included && n == b.lower.double) &&
		(b.upper.text == "" || n < b.upper.double || b.upper.included && n == b.upper.double)
}

func (b between) wants() string {
	var parts []string
	for _, end := range []struct {
		bound
		sign string
	}{{b.lower, ">"}, {b.upper, "<"}} {
		if end.text == "" {
			continue
		}
		if end.included {
			end.sign += "="
		}
		parts = append(parts, end.sign+" "+clip(end.text))
	}
	return "a number " + strings.Join(parts, " and ")
}

// equalTo is numeric's "=".
type equalTo struct {
	text   string
	double float64
}

func (e equalTo) matches(v *value) bool {
	return v.kind == kindNumber && v.number.comparable && v.number.double == e.double
}

func (e equalTo) wants() string { return "the number " + clip(e.text) }

// present is exists: true, absent is exists: false. That there is no leaf is judged by the search (array.go), not by leaves.
type (
	present struct{}
	absent  struct{}
)

func (present) matches(*value) bool { return true }
func (present) wants() string       { return "any value" }
func (absent) matches(*value) bool  { return false }
func (absent) wants() string        { return "no value at all" }

// anythingBut matches every leaf that none of its alternatives does, of whatever kind.
type anythingBut struct {
	none []alternative
}

func (a anythingBut) matches(v *value) bool {
	for _, b := range a.none {
		if b.matches(v) {
			return false
		}
	}
	return true
}

func (a anythingBut) wants() string {
	if len(a.none) == 1 {
		return "anything but " + a.none[0].wants()
	}
	return "anything but (" + anyOf(a.none) + ")"
}

// listed is how many alternatives people get to see.
const listed = 8

// anyOf words a list of alternatives.
func anyOf(list []alternative) string {
	var b strings.Builder
	for i, a := range list[:min(len(list), listed)] {
		switch {
		case i > 0 && i == len(list)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(a.wants())
	}
	if more := len(list) - listed; more > 0 {
		b.WriteString(" or " + strconv.Itoa(more) + " more")
	}
	return b.String()
}

// show writes a leaf's value for people.
func (v *value) show() string {
	if v.kind == kindString {
		return quote(clip(v.text))
	}
	return clip(v.text)
}

// String is for tests and debugging.
func (v *value) String() string { return fmt.Sprintf("%s %s", v.kind, v.show()) }
