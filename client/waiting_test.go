package client

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestWaitingLineTwin does the same to a line and to a plain slice.
func TestWaitingLineTwin(t *testing.T) {
	draw := rand.New(rand.NewPCG(7, 1))
	var line waitingLine
	var twin []*Delivery
	for step := range 5_000 {
		switch draw.IntN(5) {
		case 0, 1:
			ds := make([]*Delivery, draw.IntN(20))
			for i := range ds {
				ds[i] = &Delivery{Offset: uint64(step*100 + i)}
			}
			line.add(ds...)
			twin = append(twin, ds...)
		case 2, 3:
			for range min(draw.IntN(30), len(twin)) {
				if d := line.take(); d != twin[0] {
					t.Fatalf("step %d: took %d, want %d", step, d.Offset, twin[0].Offset)
				}
				twin = twin[1:]
			}
		case 4:
			out := func(d *Delivery) bool { return d.Offset%7 == uint64(step%7) }
			line.drop(out)
			twin = slices.DeleteFunc(slices.Clone(twin), out)
		}
		if line.len() != len(twin) || cap(line.events) > 4_096 {
			t.Fatalf("step %d: %d wait, want %d, in room for %d", step, line.len(), len(twin), cap(line.events))
		}
	}
	if all := line.takeAll(); !slices.Equal(all, twin) || line.len() != 0 {
		t.Errorf("%d were left, want %d", len(all), len(twin))
	}
}
