package load

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// twin is the ledger as anybody would write it: maps, of events and of deliveries.
type twin struct {
	copies   int
	stored   map[[2]uint64]bool
	arrived  map[[3]uint64]bool
	repeated int64
}

func (w *twin) findings() findings {
	f := findings{Stored: int64(len(w.stored)), Arrived: int64(len(w.arrived)), Repeated: w.repeated}
	for event := range w.stored {
		for copied := range w.copies {
			if !w.arrived[[3]uint64{event[0], event[1], uint64(copied)}] {
				f.Lost++
			}
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
			copies := []int{1, 3, 10, 0}[seed]
			l, w := newLedger(3, copies), &twin{copies: copies, stored: map[[2]uint64]bool{}, arrived: map[[3]uint64]bool{}}
			events := uint64(1) << l.shift
			arrive := func(account, number uint64) {
				for copied := range copies {
					if copied > 0 && draw.IntN(100) == 0 {
						continue // one of them is late, or lost
					}
					first, err := l.arrived(int(account), number, copied)
					if err != nil {
						t.Fatal(err)
					}
					event := [3]uint64{account, number, uint64(copied)}
					if first == w.arrived[event] {
						t.Fatalf("event %d of account %d, delivery %d: first is %v", number, account, copied, first)
					}
					if !first {
						w.repeated++
					}
					w.arrived[event] = true
				}
			}
			store := func(producer, first uint64, count int) {
				l.stored(int(producer), first, count)
				for i := range uint64(count) {
					w.stored[[2]uint64{producer, first + i}] = true
				}
			}
			// The first pages whole, so that they settle; then here and there.
			for first := uint64(0); first < 2*events; first += 1024 {
				store(0, first, 1024)
				for i := range uint64(1024) {
					if seed%2 == 0 || first+i != 77 {
						arrive(0, first+i)
					}
				}
			}
			for range 20_000 {
				producer, number := draw.Uint64N(3), draw.Uint64N(4*events)
				if draw.IntN(3) == 0 {
					store(producer, number, 1+draw.IntN(40))
				} else {
					arrive(producer, number)
				}
			}
			if got, want := l.findings(), w.findings(); got != want {
				t.Errorf("the ledger says %+v, its twin %+v", got, want)
			}
			if copies < 2 && seed%2 == 0 && l.accounts[0].settled < 2 {
				t.Errorf("%d pages are settled of two that are whole", l.accounts[0].settled)
			}
			if got := l.repeated(); got != w.repeated {
				t.Errorf("%d repeated, the twin says %d", got, w.repeated)
			}
		})
	}
}

// TestLedgerStrangers wants an error for events that no producer sent.
func TestLedgerStrangers(t *testing.T) {
	l := newLedger(2, 3)
	if _, err := l.arrived(2, 0, 0); err == nil {
		t.Error("an event of an account that isn't there is taken")
	}
	if _, err := l.arrived(0, eventsMax, 0); err == nil {
		t.Error("an event of a number that isn't there is taken")
	}
	if _, err := l.arrived(0, 0, 3); err == nil {
		t.Error("a delivery that isn't there is taken")
	}
}

func BenchmarkLedger(b *testing.B) {
	l := newLedger(1, 1)
	b.ReportAllocs()
	number := uint64(0)
	for b.Loop() {
		if number%1_000 == 0 {
			l.stored(0, number, 1_000)
		}
		if _, err := l.arrived(0, number, 0); err != nil {
			b.Fatal(err)
		}
		number++
	}
}
