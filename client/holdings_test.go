package client

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestHoldingsTwin does the same to holdings and to a map, also while going through them.
func TestHoldingsTwin(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			draw := rand.New(rand.NewPCG(seed, 2))
			var h holdings
			twin := map[*Delivery]struct{}{}
			remove := func(d *Delivery) {
				h.remove(d)
				delete(twin, d)
			}
			check := func() {
				t.Helper()
				bytes, seen := 0, map[*Delivery]struct{}{}
				for d := range h.all() {
					if _, ok := twin[d]; !ok {
						t.Fatalf("event %d is held, and was removed", d.Offset)
					}
					seen[d] = struct{}{}
					bytes += len(d.Event.Data)
				}
				if len(seen) != len(twin) || h.events != len(twin) || h.bytes != bytes {
					t.Fatalf("%d of %d events, it says %d; %d bytes, it says %d", len(seen), len(twin), h.events, bytes, h.bytes)
				}
			}
			for step := range 200 {
				switch draw.IntN(4) {
				case 0:
					p := &parcel{}
					for i := range 1 + draw.IntN(50) {
						d := &Delivery{Offset: uint64(100*step + i), Event: Event{Data: make([]byte, draw.IntN(9))}}
						d.lease.parcel, d.lease.bytes = p, int32(len(d.Event.Data))
						p.deliveries, p.bytes = append(p.deliveries, d), p.bytes+len(d.Event.Data)
						twin[d] = struct{}{}
					}
					h.add(p)
				case 1: // as a Settled does, in order
					share := draw.IntN(100)
					for d := range twin {
						if draw.IntN(100) < share {
							remove(d)
							remove(d) // twice changes nothing
						}
					}
				case 2: // as the keeper does
					for d := range h.all() {
						if _, ok := twin[d]; !ok {
							t.Fatalf("event %d is come to, and was removed", d.Offset)
						}
						if draw.IntN(3) == 0 {
							remove(d)
						}
						for other := range twin { // and somebody else on the way
							if draw.IntN(4) == 0 {
								remove(other)
							}
							break
						}
					}
				}
				check()
			}
			for d := range twin {
				remove(d)
			}
			if len(h.parcels) != 0 {
				t.Errorf("%d parcels of nothing", len(h.parcels))
			}
		})
	}
}
