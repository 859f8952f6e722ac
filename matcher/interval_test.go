package matcher

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestInterval adds and removes at random, and holds the treap and its snapshots against lists.
func TestInterval(t *testing.T) {
	for seed := range uint64(10) {
		draw := rand.New(rand.NewPCG(seed, 0))
		type snapshot struct {
			treap *interval
			list  []*interval
		}
		var now snapshot
		var past []snapshot
		for step := range 2000 {
			if len(now.list) > 0 && draw.IntN(3) == 0 {
				at := draw.IntN(len(now.list))
				now.treap = now.treap.without(now.list[at])
				now.list = slices.Delete(now.list, at, at+1)
			} else {
				lower := float64(draw.IntN(50))
				added := newInterval(lower, lower+float64(draw.IntN(20)), draw.Uint32N(40))
				now.treap = now.treap.with(added)
				now.list = append(now.list, added)
			}
			if step%200 == 0 {
				past = append(past, snapshot{now.treap, slices.Clone(now.list)})
			}
		}
		for i, p := range append(past, now) {
			for number := -1.0; number < 75; number += 0.5 {
				var want []uint32
				for _, n := range p.list {
					if n.lower <= number && number <= n.upper {
						want = append(want, n.check)
					}
				}
				got := p.treap.holding(nil, number)
				slices.Sort(want)
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Fatalf("seed %d, snapshot %d: %v is held by %v, want %v", seed, i, number, got, want)
				}
			}
		}
	}
}
