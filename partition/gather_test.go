package partition

import (
	"runtime"
	"testing"

	"github.com/freshet-mq/freshet/proto/block"
)

// TestGather: while an entry is on its way, small commands wait for it and become one entry together; a large one doesn't wait.
func TestGather(t *testing.T) {
	p := openPartition(t, t.TempDir())
	publish(t, p, "one")
	const events = 20
	answered := make(chan error, events+2)
	put := func(b []byte) {
		t.Helper()
		if err := p.PublishAsync(t.Context(), Publication{Stream: 1, Block: b}, func(_ Published, err error) { answered <- err }); err != nil {
			t.Fatal(err)
		}
	}
	await := func(entries int) {
		t.Helper()
		for len(p.inFlight) != entries {
			if t.Context().Err() != nil {
				t.Fatal("the test is over")
			}
			runtime.Gosched()
		}
	}
	sealed := func() { // a place is taken before the entry is made
		await(1)
		for p.flying.Load() == 0 {
			runtime.Gosched()
		}
	}
	await(0)
	small, large := blockOf(t, block.Producer{}, "one"), testBlock(t, 1, 2*gatherBytes, block.Producer{})
	before := p.group.Usage().Last
	p.replica.look(func(*Machine) { // nothing is applied meanwhile
		put(small)
		sealed()
		for range events {
			put(small)
		}
		await(1) // they are held, not under way
	})
	for range events + 1 {
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
	}
	if made := p.group.Usage().Last - before; made != 2 {
		t.Errorf("%d entries were made of one event and of %d that came meanwhile", made, events)
	}
	await(0)
	p.replica.look(func(*Machine) {
		put(small)
		sealed()
		put(large)
		await(2)
	})
	for range 2 {
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
	}
}
