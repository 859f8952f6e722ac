package load

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestIdentity writes as fmt does, and reads what was written and nothing else.
func TestIdentity(t *testing.T) {
	draw := rand.New(rand.NewPCG(3, 9))
	for range 10_000 {
		account, number, at := draw.IntN(1<<16), draw.Uint64()>>(16+draw.IntN(48)), int64(draw.Uint64()>>draw.IntN(64))
		b := appendIdentity([]byte("before"), account, number, at)[6:]
		if want := fmt.Sprintf("%04x-%012x-%016x", account, number, uint64(at)); string(b) != want {
			t.Fatalf("wrote %s, want %s", b, want)
		}
		a, n, m, ok := readIdentity(b)
		if !ok || a != account || n != number || m != at {
			t.Fatalf("%s was read as %x, %x, %x, %v", b, a, n, m, ok)
		}
		i := draw.IntN(len(b))
		was, other := b[i], byte(draw.IntN(256))
		b[i] = other
		_, _, _, ok = readIdentity(b)
		valid := other >= '0' && other <= '9' || other >= 'a' && other <= 'f'
		if was == identityDash {
			valid = other == identityDash
		}
		if ok != valid {
			t.Fatalf("%q is an identity: %v", b, ok)
		}
	}
}

func BenchmarkIdentity(b *testing.B) {
	to := make([]byte, 0, identityBytes)
	b.ReportAllocs()
	for number := uint64(0); b.Loop(); number++ {
		if _, read, _, ok := readIdentity(appendIdentity(to, 3, number, 1<<40)); !ok || read != number {
			b.Fatal("it was read as another")
		}
	}
}
