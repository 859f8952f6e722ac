package partition

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
)

// TestSparseReferences publishes on two streams, sends blocks again, which takes no offsets, and has the replica forget all places but its
// references. Every offset must lead to its own block, from wherever one begins to read.
func TestSparseReferences(t *testing.T) {
	const seed = 4
	rng := rand.New(rand.NewPCG(seed, seed))
	dir := t.TempDir()
	p := openPartition(t, dir)
	if err := p.PutStream(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	c := queue(20, "")
	c.Stream = 2
	if err := p.PutSubscription(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	want := map[StreamID][]string{}
	var before block.Producer
	var again []byte
	for i := range 400 {
		id := StreamID(1 + rng.IntN(2))
		if id == 1 && again != nil && rng.IntN(4) == 0 {
			pub, err := p.Publish(t.Context(), Publication{Stream: 1, Block: again})
			if err != nil || !pub.Duplicate {
				t.Fatalf("sent again: %+v, %v", pub, err)
			}
			continue
		}
		var data []string
		for k := range 1 + rng.IntN(5) {
			data = append(data, fmt.Sprintf("event %d of block %d", k, i))
		}
		producer := block.Producer{}
		if id == 1 {
			before = block.Producer{ID: block.ProducerID{1}, Epoch: 1, Sequence: before.Sequence + 1}
			producer = before
		}
		raw := blockOf(t, producer, data...)
		if id == 1 {
			again = raw
		}
		if _, err := p.Publish(t.Context(), Publication{Stream: id, Block: raw}); err != nil {
			t.Fatal(err)
		}
		want[id] = append(want[id], data...)
	}
	for id, data := range want {
		refs := 0
		p.replica.look(func(m *Machine) { refs = len(m.streams[id].refs) })
		if refs > 100 {
			t.Errorf("stream %d of %d events has %d references", id, len(data), refs)
		}
		for range 30 {
			p.places.mu.Lock() // what a replica that has just started knows
			p.places.init()
			p.places.mu.order, p.places.mu.next = nil, 0
			p.places.mu.Unlock()
			at := Offset(rng.IntN(len(data)))
			for range 10 {
				s, err := p.Next(t.Context(), id, at, false)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				got := blockEvents(t, s.Block)
				if at < s.First || at >= s.First+Offset(s.Count) || fmt.Sprint(got) != fmt.Sprint(data[s.First:s.First+Offset(s.Count)]) {
					t.Fatalf("offset %d of stream %d leads to %d, %v", at, id, s.First, got)
				}
				at = s.First + Offset(s.Count)
			}
		}
	}
}

// TestRetentionBytes keeps the last so many bytes of settled events readable, and what the log is kept for bounded.
func TestRetentionBytes(t *testing.T) {
	const keep = 64 << 10
	p := openPartition(t, t.TempDir())
	if err := p.SetRetention(t.Context(), 1, Retention{Bytes: keep}); err != nil {
		t.Fatal(err)
	}
	if err := p.SetRetention(t.Context(), 1, Retention{Drop: true}); err == nil {
		t.Fatal("a retention that drops everything is accepted")
	}
	c := consume(t, p, "ana", CursorID{Subscription: 10}, 100)
	raw := testBlock(t, 2, 500, block.Producer{})
	for i := range 300 {
		if _, err := p.Publish(t.Context(), Publication{Stream: 1, Block: raw}); err != nil {
			t.Fatal(err)
		}
		c.take(i*2 + 2)
	}
	var floor, next Offset
	p.replica.look(func(m *Machine) { floor, next = m.streams[1].floor, m.streams[1].next })
	kept := int(next-floor) / 2 * len(raw)
	if kept < keep || kept > keep+keep/refsPerRetention+17*len(raw) { // trimmed every 16 entries
		t.Fatalf("of %d events %d are kept, %d bytes, want %d", next, next-floor, kept, keep)
	}
	if _, err := p.Next(t.Context(), 1, floor, false); err != nil {
		t.Fatal(err)
	}
}

// TestOffsetAt finds the first event of a time between two references.
func TestOffsetAt(t *testing.T) {
	p := openPartition(t, t.TempDir())
	publish(t, p, "one", "two")
	publish(t, p, "three")
	for at, want := range map[time.Duration]Offset{-time.Hour: 0, time.Hour: 3} {
		got, err := p.OffsetAt(1, time.Now().Add(at))
		if err != nil || got != want {
			t.Errorf("%v from now: offset %d, error %v; want %d", at, got, err, want)
		}
	}
	if _, err := p.OffsetAt(9, time.Now()); err == nil {
		t.Error("a stream that isn't there has offsets")
	}
	if _, err := p.Next(context.WithoutCancel(t.Context()), 1, 3, false); !errors.Is(err, io.EOF) {
		t.Errorf("at the head: %v", err)
	}
}
