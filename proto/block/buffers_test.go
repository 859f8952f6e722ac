package block

import "testing"

// TestBuffers: memory is of the length that was asked for, and what comes from elsewhere isn't taken.
func TestBuffers(t *testing.T) {
	for _, n := range []int{0, 1, 4095, 4096, 4097, 100_000, 1 << 20, 1<<20 + 1, 5 << 20} {
		b := NewBuffer(n)
		if len(b) != n {
			t.Fatalf("asked for %d bytes, got %d", n, len(b))
		}
		for i := range b {
			b[i] = byte(i)
		}
		FreeBuffer(b)
	}
	FreeBuffer(nil)
	FreeBuffer(make([]byte, 5000))
	for range 100 {
		if b := NewBuffer(5000); cap(b) != 8192 {
			t.Fatalf("a buffer with room for %d bytes, expected 8192", cap(b))
		}
	}
}
