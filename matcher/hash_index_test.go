package matcher

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// TestHashIndex puts and removes at random, and holds the index and its snapshots against maps.
func TestHashIndex(t *testing.T) {
	for seed := range uint64(8) {
		draw := rand.New(rand.NewPCG(seed, 0))
		var x hashIndex
		want := map[uint32]uint32{}
		type snapshot struct {
			index hashIndex
			want  map[uint32]uint32
		}
		var past []snapshot
		now := edition(1)
		for step := range 20_000 {
			hash := draw.Uint32() % 6000 << 6
			if seed%2 == 0 {
				hash *= 0x9E3779B1 // spread over all bits; else crowded in one corner of the directory
			}
			value := draw.Uint32() % 3
			if value == 0 {
				delete(want, hash)
			} else {
				want[hash] = value
			}
			x.put(hash, value, now)
			if step%2_500 == 0 {
				past = append(past, snapshot{x, maps.Clone(want)})
				now++
			}
		}
		for i, p := range append(past, snapshot{x, want}) {
			for n := range uint32(6000) {
				hash := n << 6
				if seed%2 == 0 {
					hash *= 0x9E3779B1
				}
				if got := p.index.find(hash); got != p.want[hash] {
					t.Fatalf("seed %d, snapshot %d: %#x gives %d, want %d", seed, i, hash, got, p.want[hash])
				}
			}
		}
	}
}
