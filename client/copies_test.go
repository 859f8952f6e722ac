package client

import (
	"bytes"
	"testing"
)

// TestCopies wants copies that are nobody else's, of all sizes.
func TestCopies(t *testing.T) {
	var c copies
	var all, want [][]byte
	source := bytes.Repeat([]byte("freshet "), copiesBytes/4)
	for i := range 3 * copiesPiece {
		n := i * 7 % (copiesPiece + 20)
		b := source[i%8:][:n]
		all, want = append(all, c.of(b)), append(want, bytes.Clone(b))
	}
	for i, b := range all {
		if b == nil || !bytes.Equal(b, want[i]) {
			t.Fatalf("copy %d is %q, want %q", i, b, want[i])
		}
		if cap(b) > len(b) && len(b) <= copiesPiece {
			t.Fatalf("copy %d has room behind it, which is its neighbour's", i)
		}
		for j := range b {
			b[j] = 0
		}
		if i+1 < len(all) && !bytes.Equal(all[i+1], want[i+1]) {
			t.Fatalf("copy %d has changed with copy %d", i+1, i)
		}
	}
}
