package catalog

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestClosest(t *testing.T) {
	names := []string{"billing", "orders", "order-items", "payments", "pay", "x"}
	for asked, want := range map[string]string{
		"oders": "orders", "ordres": "orders", "Orders": "orders", "orders2": "orders", "order": "orders", "ord": "orders",
		"paymnts": "payments", "pa": "pay", "paym": "payments", "order-": "orders", "y": "", "zz": "", "": "", "nothing": "",
	} {
		if got := closest(asked, slices.Values(names)); got != want {
			t.Errorf("closest to %q is %q, want %q", asked, got, want)
		}
	}
}

// TestEditDistance compares the distance, which gives up early, with the whole table.
func TestEditDistance(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	word := func() string {
		return strings.Map(func(rune) rune { return rune('a' + r.IntN(3)) }, strings.Repeat("x", r.IntN(9)))
	}
	for range 20_000 {
		a, b, limit := word(), word(), 1+r.IntN(4)
		if got, want := editDistance(a, b, limit), min(plainDistance(a, b), limit); got != want {
			t.Fatalf("%q to %q, limit %d: %d, want %d", a, b, limit, got, want)
		}
	}
}

func plainDistance(a, b string) int {
	switch {
	case a == "" || b == "":
		return len(a) + len(b)
	case a[0] == b[0]:
		return plainDistance(a[1:], b[1:])
	}
	return 1 + min(plainDistance(a[1:], b), plainDistance(a, b[1:]), plainDistance(a[1:], b[1:]))
}
