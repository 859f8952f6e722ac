package matcher

import (
	"strings"
	"testing"
)

// TestFoldUnits holds what foldUnit promises against every character that is folded: at most one of the forms fits at any place,
// from either end.
func TestFoldUnits(t *testing.T) {
	f := newFolder()
	for r := rune(0); r <= 0xFFFF; r++ {
		if r >= 0xD800 && r < 0xE000 {
			continue
		}
		u := f.unit(r)
		if u.lower == "" || u.upper == "" {
			t.Errorf("%U has an empty form: %q and %q", r, u.lower, u.upper)
		}
		if u.lower == u.upper {
			continue
		}
		if strings.HasPrefix(u.lower, u.upper) || strings.HasPrefix(u.upper, u.lower) ||
			strings.HasSuffix(u.lower, u.upper) || strings.HasSuffix(u.upper, u.lower) {
			t.Errorf("%U: one of its forms %q and %q begins or ends with the other", r, u.lower, u.upper)
		}
	}
}

func TestFold(t *testing.T) {
	for _, c := range []struct {
		pattern string
		matches []string
		differ  []string
		begins  string // this begins with the pattern, in any case
		ends    string // and ends this
	}{
		{pattern: "straße", matches: []string{"straße", "STRASSE", "STRAßE", "straSSe"}, differ: []string{"strasse", "STRAẞE"}},
		{pattern: "STRASSE", matches: []string{"strasse", "Strasse"}, differ: []string{"straße"}},
		{pattern: "ß", matches: []string{"ß", "SS"}, differ: []string{"ss", "Ss", "ẞ", ""}, begins: "SSx", ends: "xSS"},
		{pattern: "\u212A", matches: []string{"k", "\u212A"}, differ: []string{"K"}},           // the Kelvin sign
		{pattern: "k", matches: []string{"k", "K"}, differ: []string{"\u212A"}},                // is not found by k
		{pattern: "\u01C5", matches: []string{"\u01C6", "\u01C4"}, differ: []string{"\u01C5"}}, // title case is neither
		{pattern: "\u017F", matches: []string{"\u017F", "S"}, differ: []string{"s"}},           // long s
		{pattern: "ΟΔΟΣ", matches: []string{"οδοσ", "ΟΔΟΣ"}, differ: []string{"οδος"}},         // no final sigma
		{pattern: "οδος", matches: []string{"οδος", "ΟΔΟΣ"}, differ: []string{"οδοσ"}},
		{pattern: "İ", matches: []string{"i\u0307", "İ"}, differ: []string{"i", "I", "ı"}},
		{pattern: "ı", matches: []string{"ı", "I"}, differ: []string{"i", "İ"}},
		{pattern: "i", matches: []string{"i", "I"}, differ: []string{"ı", "İ"}},
		{pattern: "ﬁ", matches: []string{"ﬁ", "FI"}, differ: []string{"fi", "Fi"}, begins: "FInd", ends: "xﬁ"},
		{pattern: "ŉ", matches: []string{"ŉ", "ʼN"}, differ: []string{"ʼn"}},
		{pattern: "ΐ", matches: []string{"ΐ", "\u0399\u0308\u0301"}, differ: []string{"Ϊ"}},
		{pattern: "ᾳ", matches: []string{"ᾳ", "ΑΙ"}, differ: []string{"ᾼ"}},
		{pattern: "ᾈ", matches: []string{"ᾀ", "ἈΙ"}, differ: []string{"ᾈ"}},
		{pattern: "և", matches: []string{"և", "ԵՒ"}, differ: []string{"Եւ"}},
		{pattern: "ⱥ", matches: []string{"ⱥ", "Ⱥ"}, begins: "Ⱥb", ends: "bȺ"},
		{pattern: "é", matches: []string{"é", "É"}, differ: []string{"e\u0301"}},
		{pattern: "😀a", matches: []string{"😀a", "😀A"}, begins: "😀Ab", ends: "b😀A"},
		{pattern: "\U00010400", matches: []string{"\U00010400"}, differ: []string{"\U00010428"}}, // above U+FFFF stands for itself
		{pattern: "", matches: []string{""}, differ: []string{"a"}, begins: "a", ends: "a"},
		{pattern: "aBc", matches: []string{"abc", "ABC", "AbC"}, differ: []string{"ab", "abcd"}, begins: "ABCd", ends: "dabC"},
	} {
		f := newFolder().fold(c.pattern)
		for _, s := range c.matches {
			if !f.equal(s) {
				t.Errorf("%q does not match %q", c.pattern, s)
			}
		}
		for _, s := range c.differ {
			if f.equal(s) {
				t.Errorf("%q matches %q", c.pattern, s)
			}
		}
		if _, ok := f.cutPrefix(c.begins); c.begins != "" && !ok {
			t.Errorf("%q does not begin %q", c.pattern, c.begins)
		}
		if c.ends != "" && !f.ends(c.ends) {
			t.Errorf("%q does not end %q", c.pattern, c.ends)
		}
	}
}
