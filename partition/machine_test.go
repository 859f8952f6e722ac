package partition

import "testing"

// TestSizeClass holds every size to its bound: never below, and at most an eighth above.
func TestSizeClass(t *testing.T) {
	for n := range 3 << 20 {
		got := int(classOf(n).bytes())
		if got < n || got > n+n/8+1 {
			t.Fatalf("%d bytes are counted as %d", n, got)
		}
	}
}
