package main

import "testing"

func TestClosest(t *testing.T) {
	names := []string{"billing", "audit", "shipping", "sub", "send"}
	for word, want := range map[string]string{
		"biling": "billing", "bililng": "billing", "BILLING": "billing", "audti": "audit", "ship": "shipping", "shippings": "shipping",
		"sbu": "sub", "x": "", "": "", "invoices": "", "snd": "send",
	} {
		if got := closest(word, names); got != want {
			t.Errorf("closest to %q is %q, want %q", word, got, want)
		}
	}
}

// TestEditDistance compares with the definition, written down as recursion.
func TestEditDistance(t *testing.T) {
	words := []string{"", "a", "ab", "ba", "abc", "acb", "cab", "abcd", "badc", "äb", "bä"}
	for _, a := range words {
		for _, b := range words {
			if got, want := editDistance(a, b), editDistanceByDefinition([]rune(a), []rune(b)); got != want {
				t.Errorf("from %q to %q: %d, want %d", a, b, got, want)
			}
		}
	}
}

func editDistanceByDefinition(a, b []rune) int {
	if len(a) == 0 || len(b) == 0 {
		return len(a) + len(b)
	}
	i, j := len(a)-1, len(b)-1
	cost := 1
	if a[i] == b[j] {
		cost = 0
	}
	best := min(editDistanceByDefinition(a[:i], b)+1, editDistanceByDefinition(a, b[:j])+1, editDistanceByDefinition(a[:i], b[:j])+cost)
	if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
		best = min(best, editDistanceByDefinition(a[:i-1], b[:j-1])+1)
	}
	return best
}
