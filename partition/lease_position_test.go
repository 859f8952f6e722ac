package partition

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPositionsAreEveryEvent holds what a lease makes of positions to the obvious way: a list of the delivery's offsets, and which of them it holds
// still, after some were cut out of it.
func TestPositionsAreEveryEvent(t *testing.T) {
	for seed := range uint64(2_000) {
		rng := rand.New(rand.NewPCG(seed, seed))
		l := &lease{}
		var listed []Offset
		for at := Offset(rng.IntN(3)); len(listed) < 1+rng.IntN(40); at += Offset(1 + rng.IntN(3)) {
			l.join(Run{at, 1}, uint16(1+rng.IntN(5)/4))
			listed = append(listed, at)
		}
		held := map[Offset]bool{}
		for _, at := range listed {
			held[at] = true
		}
		for range rng.IntN(4) {
			var runs []Run
			for range rng.IntN(3) {
				runs = append(runs, Run{Offset(rng.IntN(80)), uint32(rng.IntN(9))})
			}
			ordered, _ := inOrder(runs)
			l.cut(ordered, func(r EventRun) {
				for at := r.First; at < r.end(); at++ {
					delete(held, at)
				}
			}, func(Run) {})
		}
		var named []Run
		for range 1 + rng.IntN(4) {
			named = append(named, Run{Offset(rng.IntN(45)), uint32(rng.IntN(20))})
		}
		named, _ = inOrder(named)
		var want, lost []Offset
		for at := range eachOf(named) {
			if int(at) < len(listed) && held[listed[at]] {
				want = append(want, listed[at])
			} else {
				lost = append(lost, at)
			}
		}
		offsets, missing := l.at(named)
		if a, b := slices.Collect(eachOf(offsets)), slices.Collect(eachOf(missing)); !slices.Equal(a, want) || !slices.Equal(b, lost) {
			t.Fatalf("seed %d: of %v, %v holds %v and misses %v, want %v and %v", seed, listed, l.runs, a, b, want, lost)
		}
		if len(named) == 1 && len(l.runs) > 0 {
			exactly := len(lost) == 0 && len(want) == len(held)
			if is := l.holdsExactly(&Leased{Runs: named, ByPosition: true}); is != exactly {
				t.Fatalf("seed %d: %v of %v is exactly %v: %v", seed, named, listed, l.runs, is)
			}
		}
	}
}

func eachOf(runs []Run) func(func(Offset) bool) {
	return func(yield func(Offset) bool) {
		for _, r := range runs {
			for at := r.First; at < r.end(); at++ {
				if !yield(at) {
					return
				}
			}
		}
	}
}

// TestLeasedListIsStrict: there is one way to write what is named, and no more is made room for than is there.
func TestLeasedListIsStrict(t *testing.T) {
	list := []Leased{
		{Delivery: 1}, {Delivery: 2, Runs: []Run{{0, 100}}, ByPosition: true}, {Delivery: 3, Runs: []Run{{7, 1}, {9, 2}}},
	}
	b := appendLeasedList(nil, list)
	d := decoder{b: b}
	if again := d.leasedList(); d.done("list") != nil || fmt.Sprint(again) != fmt.Sprint(list) {
		t.Fatalf("%v is read as %v: %v", list, again, d.err)
	}
	if n := appendLeasedList(nil, []Leased{{Delivery: 4, ByPosition: true}}); n[len(n)-1] != 0 {
		t.Errorf("positions of nothing are written as %v", n)
	}
	for _, b := range [][]byte{{1, 1, 1}, {1, 1, 200, 1}, {1, 1, 5, 0, 1}, {1, 1, 255, 255, 255, 255, 15, 0, 1}} {
		d := decoder{b: b}
		if list := d.leasedList(); d.done("list") == nil {
			t.Errorf("%v is read as %v", b, list)
		}
	}
}
