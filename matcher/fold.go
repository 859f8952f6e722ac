package matcher

import (
	"slices"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// fold is a text in which case doesn't matter. Each of its characters stands for its lower case or its upper case, chosen
// character by character, and for nothing else; the mappings are the full ones of Unicode without any language's rules, so a
// character may become several. Only the pattern is folded, never the event. That is why "straße" finds "STRASSE" but not the
// other way round, and why a character that is neither its own lower nor its own upper case (U+01C5) does not find itself.
//
// Characters above U+FFFF stand for themselves.
type fold struct {
	text  string
	units []foldUnit
}

// foldUnit is a character's two forms. Neither begins, nor ends, with the other unless they are equal (fold_test.go looks at
// all of them), so at any place in a text at most one of the two fits and there is nothing to try again.
type foldUnit struct {
	lower, upper string
}

// folder makes folds. It must not be used by two goroutines at once.
type folder struct {
	lower, upper cases.Caser
}

func newFolder() *folder {
	return &folder{lower: cases.Lower(language.Und), upper: cases.Upper(language.Und)}
}

func (f *folder) fold(text string) fold {
	folded := fold{text: text, units: make([]foldUnit, 0, len(text))}
	for _, r := range text {
		folded.units = append(folded.units, f.unit(r))
	}
	return folded
}

func (f *folder) unit(r rune) foldUnit {
	self := string(r)
	switch {
	case r > 0xFFFF:
		return foldUnit{lower: self, upper: self}
	case r < 0x80:
		return foldUnit{lower: strings.ToLower(self), upper: strings.ToUpper(self)}
	default:
		// One character at a time: there is no context, such as the end of a word, that could change its form.
		return foldUnit{lower: f.lower.String(self), upper: f.upper.String(self)}
	}
}

func (f fold) equal(text string) bool {
	rest, ok := f.cutPrefix(text)
	return ok && rest == ""
}

func (f fold) cutPrefix(text string) (rest string, ok bool) {
	for _, unit := range f.units {
		if rest, ok = strings.CutPrefix(text, unit.lower); !ok {
			if rest, ok = strings.CutPrefix(text, unit.upper); !ok {
				return text, false
			}
		}
		text = rest
	}
	return text, true
}

func (f fold) ends(text string) bool {
	for _, unit := range slices.Backward(f.units) {
		rest, ok := strings.CutSuffix(text, unit.lower)
		if !ok {
			if rest, ok = strings.CutSuffix(text, unit.upper); !ok {
				return false
			}
		}
		text = rest
	}
	return true
}

// equalFold, prefixFold and suffixFold are the three operators that ignore case.
type (
	equalFold  struct{ fold }
	prefixFold struct{ fold }
	suffixFold struct{ fold }
)

func (f equalFold) matches(v *value) bool { return v.kind == kindString && f.equal(v.text) }

func (f prefixFold) matches(v *value) bool {
	if v.kind != kindString {
		return false
	}
	_, ok := f.cutPrefix(v.text)
	return ok
}

func (f suffixFold) matches(v *value) bool {
	return v.kind == kindString && f.ends(v.text)
}

func (f equalFold) wants() string { return quote(clip(f.text)) + " in any case" }

func (f prefixFold) wants() string {
	return "a string that begins with " + quote(clip(f.text)) + " in any case"
}

func (f suffixFold) wants() string {
	return "a string that ends with " + quote(clip(f.text)) + " in any case"
}
