package transport

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestQueueFair puts frames of many groups into a queue at random, and expects those of a group to keep their order, and no group to
// wait for more than a frame of each other one when it has nothing else waiting.
func TestQueueFair(t *testing.T) {
	const groups, largest = 6, 1000
	random := rand.New(rand.NewPCG(1, 2))
	var q queue
	type entry struct {
		frame *frame
		group GroupNumber
		ahead int // bytes that were written since it came, of others
	}
	var waiting []*entry // as they came
	for range 20_000 {
		if random.IntN(2) == 0 || len(waiting) > 100 {
			taken, size := q.take(nil, random.IntN(3*largest))
			if len(waiting) > 0 && len(taken) == 0 {
				t.Fatal("nothing was taken")
			}
			total := 0
			for _, f := range taken {
				total += f.size
				at := slices.IndexFunc(waiting, func(e *entry) bool { return e.frame == f })
				e := waiting[at]
				first := slices.IndexFunc(waiting, func(o *entry) bool { return o.group == e.group })
				if first != at {
					t.Fatalf("group %d: out of order", e.group)
				}
				if e.ahead >= 0 && e.ahead > 2*(groups-1)*largest {
					t.Fatalf("group %d had nothing waiting, and %d bytes of others went before its frame", e.group, e.ahead)
				}
				waiting = slices.Delete(waiting, at, at+1)
				for _, o := range waiting {
					if o.ahead >= 0 {
						o.ahead += f.size
					}
				}
			}
			if total != size {
				t.Fatalf("%d bytes were taken, it says %d", total, size)
			}
			continue
		}
		e := &entry{frame: &frame{size: random.IntN(largest) + 1}, group: GroupNumber(random.IntN(groups))}
		if slices.ContainsFunc(waiting, func(o *entry) bool { return o.group == e.group }) {
			e.ahead = -1 // it waits for its own group
		}
		waiting = append(waiting, e)
		q.put(e.frame, e.group)
	}
}
