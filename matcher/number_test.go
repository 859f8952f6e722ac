package matcher

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		text       string
		comparable bool
		double     float64
	}{
		{"0", true, 0}, {"-0", true, 0}, {"0.0", true, 0}, {"0e10", true, 0}, {"-0.000e-99999999999999999999", true, 0},
		{"1", true, 1}, {"1.0", true, 1}, {"10e-1", true, 1}, {"0.1e1", true, 1}, {"0.1e+1", true, 1}, {"-1", true, -1},
		{"0.1", true, 0.1}, {"100.50", true, 100.5}, {"1005e-1", true, 100.5}, {"10050000e-5", true, 100.5},
		{"123456789012", true, 123456789012},
		{"9007199254740992", true, 1 << 53}, {"9007199254740993", false, 0}, {"9007199254740994", true, 1<<53 + 2},
		{"0.1234567890123456789", false, 0}, {"18446744073709551615", false, 0}, {"18446744073709552000", true, 1 << 64},
		{"1e400", false, 0}, {"-1e400", false, 0}, {"1e-400", false, 0}, {"1e999999999", false, 0}, {"1e-999999999", false, 0},
		{"1e99999999999999999999999999", false, 0}, {"0.1e99999999999999999999999999", false, 0},
		{"1.7976931348623157e308", true, math.MaxFloat64}, {"-1.7976931348623157e308", true, -math.MaxFloat64},
		{"1.7976931348623158e308", false, 0}, {"1.7976931348623159e308", false, 0},
		{"17976931348623157" + strings.Repeat("0", 292), true, math.MaxFloat64},
		{"4.9e-324", true, math.SmallestNonzeroFloat64}, {"5e-324", true, math.SmallestNonzeroFloat64},
		{"49e-325", true, math.SmallestNonzeroFloat64}, {"0.49e-323", true, math.SmallestNonzeroFloat64},
		{"4.90e-324", true, math.SmallestNonzeroFloat64}, {"0.5e-323", true, math.SmallestNonzeroFloat64},
		{"-4.9e-324", true, -math.SmallestNonzeroFloat64}, {"-5e-324", true, -math.SmallestNonzeroFloat64},
		{"4e-324", false, 0}, {"4.94e-324", false, 0}, {"3e-324", false, 0}, {"1e-323", true, 2 * math.SmallestNonzeroFloat64},
		{"9.9e-324", false, 0}, {"1e23", true, 1e23},
		// More digits of exponent than strconv believes in, and a mantissa that makes up for them.
		{"0." + strings.Repeat("0", 20000) + "1e20001", true, 1},
		{"1" + strings.Repeat("0", 20000) + "e-20000", true, 1},
		{"1" + strings.Repeat("0", 400) + ".5e-400", false, 0},
	} {
		got := parseNumber(c.text)
		if got.comparable != c.comparable || got.double != c.double {
			t.Errorf("%.60s: got %v, want %v %v", c.text, got, c.double, c.comparable)
		}
	}
}

// TestNumberAgainstBig draws spellings and judges them with numbers of any size.
func TestNumberAgainstBig(t *testing.T) {
	const seed = 1
	r := rand.New(rand.NewPCG(seed, 0))
	digits := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "00123456789"[r.IntN(11)]
		}
		return string(b)
	}
	agreed := 0
	for range 20000 {
		text := strconv.Itoa(r.IntN(100))
		switch r.IntN(4) {
		case 0:
			text += digits(r.IntN(25))
		case 1:
			text += "." + digits(1+r.IntN(20))
		case 2:
			text = strconv.FormatFloat(math.Float64frombits(r.Uint64()&^(1<<62)), 'e', -1, 64)
			text = strings.Replace(text, "NaN", "0", 1)
		}
		if !strings.Contains(text, "e") && r.IntN(2) == 0 {
			text += "e" + strconv.Itoa(r.IntN(700)-350)
		}
		want := slowComparable(t, text)
		if got := parseNumber(text); got.comparable != want {
			t.Fatalf("seed %d: %s: comparable %t, want %t", seed, text, got.comparable, want)
		}
		if want {
			agreed++
		}
	}
	if agreed < 5000 {
		t.Errorf("only %d of 20000 were comparable: the test says little", agreed)
	}
}

// slowComparable is the definition: the decimal value is that of the shortest form of the nearest double.
func slowComparable(t *testing.T, text string) bool {
	t.Helper()
	exact, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%q is no number", text)
	}
	double, _ := exact.Float64()
	if math.IsInf(double, 0) {
		return false
	}
	shortest, _ := new(big.Rat).SetString(strconv.FormatFloat(double, 'g', -1, 64))
	old, _ := new(big.Rat).SetString("4.9e-324")
	return shortest.Cmp(exact) == 0 || new(big.Rat).Abs(exact).Cmp(old) == 0
}
