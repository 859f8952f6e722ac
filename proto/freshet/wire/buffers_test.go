package wire

import (
	"sync"
	"testing"
)

// TestBuffers wants each buffer to be one caller's alone, and as long as was asked for.
func TestBuffers(t *testing.T) {
	var buffers Buffers
	var users sync.WaitGroup
	for user := range byte(4) {
		users.Go(func() {
			for i := range 2_000 {
				length := i * 37 % (frameBytes + 5_000)
				b := buffers.Get(length)
				if len(*b) != length {
					t.Errorf("%d bytes, wanted %d", len(*b), length)
				}
				for at := range *b {
					(*b)[at] = user
				}
				for at, by := range *b {
					if by != user {
						t.Errorf("byte %d of %d is user %d's, not %d's", at, length, by, user)
						return
					}
				}
				*b = (*b)[:length/2] // gRPC gives a prefix back
				buffers.Put(b)
			}
		})
	}
	users.Wait()
}

func BenchmarkBuffers(b *testing.B) {
	var buffers Buffers
	b.ReportAllocs()
	for b.Loop() {
		buffers.Put(buffers.Get(frameBytes))
	}
}
