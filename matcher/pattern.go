package matcher

import (
	"cmp"
	"slices"
)

// Pattern is an event pattern, ready to be matched. It never changes; any number of goroutines may use it.
//
// A nil *Pattern is that of a subscription without one: it matches every event, JSON or not.
type Pattern struct {
	text string
	// fields are the leaves of the pattern that some branch uses, by path.
	fields []*field
	// branches are the disjunctive form that $or expands to; without one there is a single branch. The pattern matches where
	// any branch does, a branch where all its fields do.
	branches []branch
	// orIsName says that $or could not be meant as an alternative of branches, and was read as a field's name.
	orIsName bool
}

// branch lists fields by path, in the order of comparePaths. No path is there twice.
type branch []*field

// field is a leaf of a pattern: a path, and what a value there has to be.
type field struct {
	path         string
	alternatives []alternative
	absence      bool // whether exists: false is among the alternatives
	index        int  // in Pattern.fields
	offset       int  // of the list in the text
}

// Parse reads an event pattern; PATTERNS.md says what it means. The error is a *PatternError. The text is copied.
func Parse(text []byte) (*Pattern, error) {
	top, m := parseSyntax(text)
	if m != nil {
		return nil, m.in(string(text))
	}
	p, m := compile(top)
	if m != nil {
		return nil, m.in(string(text))
	}
	p.text = string(text)
	return p, nil
}

// compile reads the tree with $or as what it is for, and if that fails once more with $or as a name like any other, as
// EventBridge's engine does. If neither is valid, what was wrong at first is what the author wants to hear.
func compile(top *node) (*Pattern, *mistake) {
	p, m := (&compiler{folder: newFolder()}).pattern(top)
	if m == nil {
		return p, nil
	}
	if named, again := (&compiler{folder: newFolder(), orIsName: true}).pattern(top); again == nil {
		return named, nil
	}
	return nil, m
}

// String returns the text that the pattern was parsed from.
func (p *Pattern) String() string {
	if p == nil {
		return ""
	}
	return p.text
}

// matches reports whether any alternative fits a leaf, a number with its number filled in.
func (f *field) matches(v *value) bool {
	return slices.ContainsFunc(f.alternatives, func(a alternative) bool { return a.matches(v) })
}

// comparePaths orders paths by their UTF-16 code units, as Java compares strings. It is the order in which absence is judged
// (array.go). It differs from the order of bytes only where characters above U+FFFF meet those from U+E000 to U+FFFF.
func comparePaths(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	if i == len(a) || i == len(b) {
		return cmp.Compare(len(a), len(b))
	}
	// UTF-8 is ordered as code points are, so only the class of the first difference matters: a lead byte from 0xF0 begins
	// a surrogate pair, 0xEE and 0xEF what stands behind the surrogates. Where the difference is inside a character, both
	// have the same lead byte and the bytes decide.
	x, y := a[i], b[i]
	if x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0) {
		return cmp.Compare(y, x)
	}
	return cmp.Compare(x, y)
}
