package load

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// twin is the ledger as anybody would write it: maps.
type twin struct {
	stored   map[[2]uint64]bool
	arrived  map[[2]uint64]bool
	repeated int64
}

func (w *twin) findings() findings {
	f := findings{Stored: int64(len(w.stored)), Arrived: int64(len(w.arrived)), Repeated: w.repeated}
	for event := range w.stored {
		if !w.arrived[event] {
			f.Lost++
		}
	}
	return f
}

// TestLedgerTwin tells a ledger and its twin the same, in disorder, with events that
// never arrive, that come twice, and that come before their publisher knows.
func TestLedgerTwin(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			draw := rand.New(rand.NewPCG(seed, 1))
			l, w := newLedger(3), &twin{stored: map[[2]uint64]bool{}, arrived: map[[2]uint64]bool{}}
			arrive := func(producer, number uint64) {
				first, err := l.arrived(int(producer), number)
				if err != nil {
					t.Fatal(err)
				}
				event := [2]uint64{producer, number}
				if first == w.arrived[event] {
					t.Fatalf("event %d of producer %d: first is %v", number, producer, first)
				}
				if !first {
					w.repeated++
				}
				w.arrived[event] = true
			}
			store := func(producer, first uint64, count int) {
				l.stored(int(producer), first, count)
				for i := range uint64(count) {
					w.stored[[2]uint64{producer, first + i}] = true
				}
			}
			// The first pages whole, so that they settle; then here and there.
			for first := uint64(0); first < 2*pageEvents; first += 1024 {
				store(0, first, 1024)
				for i := range uint64(1024) {
					if seed%2 == 0 || first+i != 77 {
						arrive(0, first+i)
					}
				}
			}
			for range 20_000 {
				producer, number := draw.Uint64N(3), draw.Uint64N(4*pageEvents)
				if draw.IntN(3) == 0 {
					store(producer, number, 1+draw.IntN(40))
				} else {
					arrive(producer, number)
				}
			}
			if got, want := l.findings(), w.findings(); got != want {
				t.Errorf("the ledger says %+v, its twin %+v", got, want)
			}
			if seed%2 == 0 && l.producers[0].settled < 2 {
				t.Errorf("%d pages are settled of two that are whole", l.producers[0].settled)
			}
		})
	}
}

// TestLedgerStrangers wants an error for events that no producer sent.
func TestLedgerStrangers(t *testing.T) {
	l := newLedger(2)
	if _, err := l.arrived(2, 0); err == nil {
		t.Error("an event of a producer that isn't there is taken")
	}
	if _, err := l.arrived(0, pageEvents*pagesMax); err == nil {
		t.Error("an event of a number that isn't there is taken")
	}
}

func BenchmarkLedger(b *testing.B) {
	l := newLedger(1)
	b.ReportAllocs()
	number := uint64(0)
	for b.Loop() {
		if number%1_000 == 0 {
			l.stored(0, number, 1_000)
		}
		if _, err := l.arrived(0, number); err != nil {
			b.Fatal(err)
		}
		number++
	}
}
