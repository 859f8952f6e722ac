package matcher

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf16"
)

// TestComparePaths compares with what the order is defined by, UTF-16 code units.
func TestComparePaths(t *testing.T) {
	const seed = 1
	r := rand.New(rand.NewPCG(seed, 0))
	letters := []rune{'a', '.', '-', 'é', '\u07ff', '\u0800', '\ud7ff', '\ue000', '\uffff', '\U00010000', '\U00010001', '\U0001F600', '\U0010FFFF'}
	draw := func() string {
		var s []rune
		for range r.IntN(4) {
			s = append(s, letters[r.IntN(len(letters))])
		}
		return string(s)
	}
	for range 100000 {
		a, b := draw(), draw()
		want := slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
		if got := comparePaths(a, b); got != want {
			t.Fatalf("seed %d: %q and %q: %d, want %d", seed, a, b, got, want)
		}
	}
}

// TestAbsenceInUTF16Order: the name above U+FFFF sorts before U+E000 here, unlike in bytes, so it is found first and narrows down
// where the other has to be absent.
func TestAbsenceInUTF16Order(t *testing.T) {
	event := Event{JSON: []byte(`{"m":[{"😀":1},{"😀":2,"` + "\ue000" + `":3}]}`)}
	for pattern, want := range map[string]bool{
		`{"m":{"😀":[1],"` + "\ue000" + `":[{"exists":false}]}}`: true,
		`{"m":{"😀":[{"exists":false}],"` + "\ue000" + `":[3]}}`: false,
	} {
		p, err := Parse([]byte(pattern))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Match(event); got != want {
			t.Errorf("%s: %t, want %t", pattern, got, want)
		}
	}
}
