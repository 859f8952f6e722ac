package matcher

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestWildcard(t *testing.T) {
	for _, c := range []struct {
		text    string
		matches []string
		differ  []string
	}{
		{"", []string{""}, []string{"a"}},
		{"*", []string{"", "a", "*", "日本"}, nil},
		{"a", []string{"a"}, []string{"", "aa"}},
		{"a*", []string{"a", "ab"}, []string{"", "ba"}},
		{"*a", []string{"a", "ba", "aa"}, []string{"ab"}},
		{"a*a", []string{"aa", "aba"}, []string{"a", "ab"}},
		{"*a*b*", []string{"ab", "xaxbx", "aab"}, []string{"ba", "b", "a"}},
		{`\*`, []string{"*"}, []string{"a", `\*`}},
		{`*\*`, []string{"*", "a*", "**"}, []string{"", "a", "*a"}},
		{`\\*`, []string{`\`, `\a`}, []string{"", "a"}},
		{`*\\\**`, []string{`\*`, `a\*b`}, []string{`\`, "*"}},
		{"a*bc*c", []string{"abcc", "axbcxc"}, []string{"abc", "acbc"}},
	} {
		w, wrong := parseWildcard(c.text)
		if wrong != nil {
			t.Errorf("%s: %s", c.text, wrong.reason())
			continue
		}
		for _, s := range c.matches {
			if !w.fits(s) {
				t.Errorf("%s does not match %q", c.text, s)
			}
		}
		for _, s := range c.differ {
			if w.fits(s) {
				t.Errorf("%s matches %q", c.text, s)
			}
		}
	}
}

func TestWildcardMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"**":       "Consecutive wildcard characters at pos 1",
		"ab**":     "Consecutive wildcard characters at pos 3",
		"é**":      "Consecutive wildcard characters at pos 3",
		`a\b`:      "Invalid escape character at pos 2",
		`a\`:       "Invalid escape character at pos 2",
		`\\\`:      "Invalid escape character at pos 3",
		`*\\**`:    "Consecutive wildcard characters at pos 4",
		`*\**`:     "",
		`\**`:      "",
		`*\\*\\\*`: "",
	} {
		got := ""
		if _, wrong := parseWildcard(text); wrong != nil {
			got = wrong.reason()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// TestWildcardAgainstTable compares with the textbook's table of prefixes, over short texts of few letters.
func TestWildcardAgainstTable(t *testing.T) {
	const seed = 1
	r := rand.New(rand.NewPCG(seed, 0))
	draw := func(letters string) string {
		b := make([]byte, r.IntN(9))
		for i := range b {
			b[i] = letters[r.IntN(len(letters))]
		}
		return string(b)
	}
	matched := 0
	for range 50000 {
		text, value := draw(`ab**\`), draw(`ab*`)
		w, wrong := parseWildcard(text)
		if wrong != nil {
			continue
		}
		want := fitsByTable(text, value)
		if got := w.fits(value); got != want {
			t.Fatalf("seed %d: %s on %q: %t, want %t", seed, text, value, got, want)
		}
		if want {
			matched++
		}
	}
	if matched < 1000 {
		t.Errorf("only %d matched: the test says little", matched)
	}
}

func fitsByTable(text, value string) bool {
	// reach[i] says that what was read of the wildcard fits the first i bytes.
	reach := make([]bool, len(value)+1)
	reach[0] = true
	for i := 0; i < len(text); i++ {
		next := make([]bool, len(value)+1)
		if text[i] == '*' {
			for j := range next {
				next[j] = reach[j] || j > 0 && next[j-1]
			}
		} else {
			if text[i] == '\\' {
				i++
			}
			for j := 1; j < len(next); j++ {
				next[j] = reach[j-1] && value[j-1] == text[i]
			}
		}
		reach = next
	}
	return reach[len(value)]
}

// BenchmarkWildcard is the case that grows without bound where stars are tried one inside the other.
func BenchmarkWildcard(b *testing.B) {
	w, _ := parseWildcard(strings.Repeat("a*", 50) + "b*")
	value := strings.Repeat("a", 10000)
	for b.Loop() {
		w.fits(value)
	}
}
