package matcher

import "testing"

// TestCanonical holds what filing relies on against every character that is folded: whichever of its two forms an event has, the
// canonical form is one.
func TestCanonical(t *testing.T) {
	f := newFolder()
	for r := rune(0); r <= 0xFFFF; r++ {
		if r >= 0xD800 && r < 0xE000 {
			continue
		}
		u := f.unit(r)
		if lower, upper := canonical(u.lower), canonical(u.upper); lower != upper || string(appendCanonical(nil, u.lower)) != lower {
			t.Errorf("%U: the canonical forms of %q and %q are %q and %q", r, u.lower, u.upper, lower, upper)
		}
	}
	for text, want := range map[string]string{"": "", "AbZ09-ß": "abz09-ss", "K\u212Ak": "kkk", "日本\U00010400": "日本\U00010400", "\xffA\xc3": "\xffa\xc3", "ΣςσÄ": "σσσä", "Straße": "strasse", "İ": "i\u0307", "ﬁ": "fi"} {
		if got := string(appendCanonical(nil, text)); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
