package partition

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestEachRow asserts that rows are the bits in a row, also across words.
func TestEachRow(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 2_000 {
		words := make([]uint64, rng.IntN(5))
		for i := range words {
			switch rng.IntN(4) {
			case 0:
				words[i] = ^uint64(0)
			case 1:
				words[i] = rng.Uint64() & rng.Uint64() & rng.Uint64()
			case 2:
				words[i] = rng.Uint64() | rng.Uint64()
			}
		}
		var got, want []Run
		eachRow(words, func(from, n int) { got = append(got, Run{Offset(from), uint32(n)}) })
		for i := range setBits(words) {
			want = joinRun(want, Run{Offset(i), 1})
		}
		if !slices.Equal(got, want) {
			t.Fatalf("round %d: %x has rows %v, expected %v", round, words, got, want)
		}
	}
}

// TestRowsAtOnce asserts that rows which a set or a size table takes at once leave it as rows one by one do: its members, its sum, what is marked and what
// is counted.
func TestRowsAtOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var changes [2]changes
	var sets [2]*offsetSet
	var tables [2]sizeTable
	var counts [2]waiting
	var ps [2]pieces
	m := NewMachine()
	owner := m.newCursor(&subscription{}, "", 1)
	for i := range sets {
		ps[i] = pieces{changes: &changes[i], owner: owner, kind: recordEvents, shift: 6}
		sets[i] = newOffsetSet(&ps[i])
		tables[i].pieces = pieces{changes: &changes[i], owner: owner, kind: recordSizes}
	}
	var scratch []uint64
	var held [][]Run
	next := Offset(rng.IntN(100))
	for round := range 3_000 {
		if rng.IntN(2) == 0 || len(held) == 0 {
			first, classes := next, []sizeClass{sizeClass(rng.IntN(2))}
			var runs []Run
			for range 1 + rng.IntN(40) {
				next += Offset(rng.IntN(4) * rng.IntN(200) / 10)
				r := Run{next, uint32(1 + rng.IntN(5))}
				runs, next = joinRun(runs, r), r.end()
			}
			if rng.IntN(3) == 0 {
				classes = make([]sizeClass, next-first)
				for i := range classes {
					classes[i] = sizeClass(rng.IntN(20))
				}
			}
			scratch = sets[0].addRuns(runs, scratch)
			tables[0].holdRuns(&counts[0], runs, first, classes)
			for _, r := range runs {
				sets[1].addRun(r)
				part := classes
				if len(classes) > 1 {
					part = classes[r.First-first : r.end()-first]
				}
				tables[1].hold(&counts[1], r, part)
			}
			held = append(held, runs)
		} else {
			at := rng.IntN(len(held)) // mostly in turn, and sometimes every other of a list
			if rng.IntN(4) > 0 {
				at = 0
			}
			runs := held[at]
			var rest []Run
			if rng.IntN(4) == 0 {
				var some []Run
				for i, r := range runs {
					if i%2 == 0 {
						some = append(some, r)
					} else {
						rest = append(rest, r)
					}
				}
				runs = some
			}
			if held[at] = rest; rest == nil {
				held = slices.Delete(held, at, at+1)
			}
			events, bytes := uint64(0), uint64(0)
			for _, r := range runs {
				events += uint64(r.Count)
				bytes += tables[1].bytesOf(r)
				tables[1].release(&counts[1], r)
				sets[1].removeRun(r)
			}
			sets[0].removeRuns(runs, events)
			if got := tables[0].releaseRuns(&counts[0], runs); got != bytes {
				t.Fatalf("round %d: %v has %d bytes, expected %d", round, runs, got, bytes)
			}
		}
		if !sets[0].Equals(sets[1].Bitmap) || sets[0].sum != sets[1].sum || !ps[0].dirty.set.Equals(ps[1].dirty.set) {
			t.Fatalf("round %d: the sets differ: %d and %d members", round, sets[0].GetCardinality(), sets[1].GetCardinality())
		}
		if counts[0] != counts[1] || len(tables[0].chunks) != len(tables[1].chunks) {
			t.Fatalf("round %d: %+v is counted, expected %+v", round, counts[0], counts[1])
		}
	}
	if sum := sets[0].sum; sets[0].resum() != sum {
		t.Error("the sum isn't what the set has")
	}
}

// TestGrantKeepsItsRuns asserts that what is settled of a delivery leaves the delivery's list of events as it was granted: it is read, by others, later.
func TestGrantKeepsItsRuns(t *testing.T) {
	l := &lease{runs: []EventRun{{Run{0, 10}, 1, 0}, {Run{20, 10}, 2, 10}, {Run{40, 10}, 1, 20}}}
	grant := l.runs
	want := slices.Clone(grant)
	for _, r := range []Run{{0, 3}, {24, 2}, {45, 5}, {40, 1}, {5, 1}} {
		l.cut([]Run{r}, func(EventRun) {}, func(Run) { t.Errorf("%v is lost", r) })
		if !slices.Equal(grant, want) {
			t.Fatalf("after %v the grant is %v", r, grant)
		}
	}
	if n := eventsOf(l.runs); n != 18 {
		t.Errorf("%d events are left: %v", n, l.runs)
	}
}
