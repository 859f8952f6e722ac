package matcher

import (
	"slices"
	"strings"
)

// list examines a field's alternatives.
func (l *linter) list(n *node, s scope) {
	f, m := l.compiler.field(n, s)
	if m != nil {
		return // it was compiled before
	}
	for i, a := range f.alternatives {
		l.alternative(a, n.elements[i], s.at.element(i), s)
	}
	l.types(f, n, s)
	if l.always(f, n, s) {
		return
	}
	l.covered(f, n, s)
	l.exceptTwice(f, n, s)
}

// alternative examines one by itself.
func (l *linter) alternative(a alternative, n *node, at *step, s scope) {
	switch a := a.(type) {
	case wildcard:
		if len(a.pieces) == 1 {
			l.addf(LintWildcardLiteral, at, n.offset, "a wildcard without a star matches the string %s and no other; a plain string says the same", quote(clip(a.pieces[0])))
		}
	case anythingBut:
		for _, b := range a.none {
			if text, ok := b.(exactText); ok && isAddress(string(text)) {
				l.addf(LintExceptAddress, at, n.offset, "anything-but compares %s as text, so another spelling of the address is let through", quote(clip(string(text))))
			}
		}
	case exactNumber:
		if !a.number.comparable {
			l.addf(LintInexactNumber, at, n.offset, "a double does not hold %s exactly, so it matches this spelling only; as a string it would be safe from being rounded on its way", clip(a.text))
		}
	case exactText:
		if strings.HasPrefix(s.path, "detail.") && isNumber(string(a)) {
			l.addf(LintNumberInQuotes, at, n.offset, "the string %s does not match the number %s", a.wants(), clip(string(a)))
		}
	}
}

func isAddress(text string) bool {
	_, ok := parseAddress(text)
	return ok
}

// isNumber reports whether a string is a number as JSON writes it.
func isNumber(text string) bool {
	if text == "" || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return false
	}
	d := newDecoder([]byte(text))
	value, err := d.ReadValue()
	return err == nil && len(value) == len(text)
}

// types is about strings beside numbers: a field seldom has both.
func (l *linter) types(f *field, n *node, s scope) {
	text, numbers := false, false
	for _, a := range f.alternatives {
		switch a.(type) {
		case exactText, exactly, sameAddress:
			text = true
		case exactNumber, equalTo, between:
			numbers = true
		}
	}
	if text && numbers && strings.HasPrefix(s.path, "detail") {
		l.addf(LintMixedTypes, s.at, n.offset, "the list holds strings and numbers; they never match each other, and a field seldom has both")
	}
}

// always is about exists: true and exists: false in one list.
func (l *linter) always(f *field, n *node, s scope) bool {
	if f.absence && slices.Contains(f.alternatives, alternative(present{})) {
		l.addf(LintAlways, s.at, n.offset, "the list accepts any value and none, so the field says nothing")
		return true
	}
	return false
}

// covered finds alternatives that match nothing which another one doesn't match.
func (l *linter) covered(f *field, n *node, s scope) {
	if i := slices.Index(f.alternatives, alternative(present{})); i >= 0 {
		if len(f.alternatives) > 1 {
			l.addf(LintCovered, s.at.element(i), n.elements[i].offset, `{"exists": true} accepts any value, so the others in the list add nothing`)
		}
		return
	}
	seen := make(map[value]bool)
	for i, a := range f.alternatives {
		v, ok := example(a)
		if ok && seen[v] {
			l.addf(LintCovered, s.at.element(i), n.elements[i].offset, "%s stands in the list already", a.wants())
			continue
		}
		seen[v] = true
		for j, b := range f.alternatives {
			if _, exact := example(b); i != j && !exact && (ok && b.matches(&v) || affixCovers(b, a, j < i)) {
				l.addf(LintCovered, s.at.element(i), n.elements[i].offset, "%s is accepted by another entry of the list already: %s", a.wants(), b.wants())
				break
			}
		}
	}
}

// example is the value that an alternative stands for, if it stands for one.
func example(a alternative) (value, bool) {
	switch a := a.(type) {
	case exactText:
		return value{kind: kindString, text: string(a)}, true
	case exactly:
		return value{kind: kindString, text: string(a.exactText)}, true
	case sameAddress:
		return value{kind: kindString, text: a.text}, true
	case literal:
		return value{kind: kind(a)}, true
	case exactNumber:
		if a.number.comparable {
			return value{kind: kindNumber, number: a.number}, true
		}
		return value{kind: kindNumber, text: a.text}, true
	default:
		return value{}, false
	}
}

// affixCovers reports whether a prefix or suffix is covered by a shorter one, or by an equal one in front of it.
func affixCovers(b, a alternative, before bool) bool {
	switch b := b.(type) {
	case prefix:
		a, ok := a.(prefix)
		return ok && strings.HasPrefix(string(a), string(b)) && (a != b || before)
	case suffix:
		a, ok := a.(suffix)
		return ok && strings.HasSuffix(string(a), string(b)) && (a != b || before)
	default:
		return false
	}
}

// exceptTwice is about [{"anything-but": "a"}, {"anything-but": "b"}], which accepts both.
func (l *linter) exceptTwice(f *field, n *node, s scope) {
	first := true
	for i, a := range f.alternatives {
		if _, ok := a.(anythingBut); !ok {
			continue
		}
		if !first {
			l.addf(LintExceptTwice, s.at.element(i), n.elements[i].offset, "the entries of a list are alternatives, so this one accepts what the anything-but before it leaves out; one anything-but with a list leaves out all of it")
			return
		}
		first = false
	}
}
