package partition

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/freshet-mq/freshet/proto/block"
)

// TestOpenedIsBounded asserts that what is kept open is the last, within both bounds, and that what has a block's offsets finds it.
func TestOpenedIsBounded(t *testing.T) {
	var o opened
	for i := range 100 {
		raw := testBlock(t, 10, 100+i*1_000, block.Producer{})
		b, err := block.Open(raw)
		if err != nil {
			t.Fatal(err)
		}
		one := &openBlock{place: place{stream: StreamID(1 + i%2), first: Offset(i * 10), count: 10}, block: b}
		o.release(o.keep(one))
		other := o.keep(&openBlock{place: one.place, block: b}) // another consumer's
		if found := o.find(one.stream, one.first+9); found != one || other != one {
			t.Fatalf("block %d isn't found", i)
		}
		o.release(one)
		o.release(one)
		if o.find(one.stream+2, one.first) != nil || o.find(one.stream, one.end()) != nil {
			t.Fatalf("block %d is found for what it hasn't", i)
		}
		booked := 0
		for _, b := range o.mu.blocks {
			booked += len(b.block.Bytes())
		}
		if booked != o.mu.bytes || booked > openedBytesMax || len(o.mu.blocks) > openedMax {
			t.Fatalf("%d blocks of %d bytes are open, booked with %d", len(o.mu.blocks), booked, o.mu.bytes)
		}
	}
	if n := len(o.mu.blocks); n >= openedMax || n < 2 {
		t.Errorf("%d large blocks are open", n)
	}
}

// TestManyQueuesOfOneBlock asserts that queues which get a few events each of the same blocks get theirs.
func TestManyQueuesOfOneBlock(t *testing.T) {
	const queues, events = 20, 400
	p := openPartition(t, t.TempDir())
	var consumers []*consumer
	for q := range queues {
		id := SubscriptionID(100 + q)
		if err := p.PutSubscription(t.Context(), queue(id, fmt.Sprintf(`{"q":[%d]}`, q))); err != nil {
			t.Fatal(err)
		}
		consumers = append(consumers, consume(t, p, fmt.Sprint("c", q), CursorID{Subscription: id}, 1_000))
	}
	want := make([][]string, queues)
	for n := 0; n < events; {
		var data []string
		for range 100 {
			data = append(data, fmt.Sprintf(`{"q":%d,"n":%d}`, n%queues, n))
			want[n%queues] = append(want[n%queues], data[len(data)-1])
			n++
		}
		publish(t, p, data...)
	}
	for q, c := range consumers {
		c.take(len(want[q]))
		if !slices.Equal(c.got, want[q]) {
			t.Errorf("queue %d got %q, expected %q", q, c.got, want[q])
		}
	}
	p.opened.mu.Lock()
	defer p.opened.mu.Unlock()
	if len(p.opened.mu.blocks) == 0 {
		t.Error("no block was kept open")
	}
}

// compressedBlock has n events of so many bytes each, in S2. They compress as far as the format lets them: to a hundredth.
func compressedBlock(tb testing.TB, n, size, seed int) block.Block {
	tb.Helper()
	var w block.Writer
	if err := w.Reset(block.Options{Codec: block.CodecS2}); err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		data := bytes.Repeat([]byte{byte(seed), byte(i)}, size/2)
		if err := w.Append(&block.Event{Data: data, ContentType: "application/octet-stream"}); err != nil {
			tb.Fatal(err)
		}
	}
	raw, err := w.Finish(nil)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := block.Open(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// TestOpenedInflatesOnce asserts that consumers of a few events each share what a frame inflates to, that all that is inflated counts against the bound,
// however little it is compressed, and that what is let go of isn't looked at any more: under -race its memory is overwritten.
func TestOpenedInflatesOnce(t *testing.T) {
	const blocks, events, size, consumers = 12, 100, 10_000, 4
	var o opened
	var list []block.Block
	var want [blocks][][]byte
	for i := range blocks {
		list = append(list, compressedBlock(t, events, size, i))
		for frame := range list[i].Frames() {
			records, err := list[i].DecodeFrame(nil, frame)
			if err != nil {
				t.Fatal(err)
			}
			want[i] = append(want[i], records)
		}
	}
	var wg sync.WaitGroup
	for c := range consumers {
		wg.Go(func() {
			var own []byte
			for i := range blocks * 4 {
				n := (i*7 + c) % blocks
				pl := place{stream: 1, first: Offset(n * events), count: events}
				b := o.find(1, pl.first)
				if b == nil {
					b = o.keep(&openBlock{place: pl, block: list[n]})
				}
				for frame := i % 3; frame < b.block.Frames(); frame += 3 {
					records, next, err := o.records(b, frame, own)
					if own = next; err != nil || !bytes.Equal(records, want[n][frame]) {
						t.Errorf("frame %d of block %d isn't what it inflates to: %v", frame, n, err)
					}
				}
				o.release(b)
			}
		})
	}
	wg.Wait()
	booked := 0
	for _, b := range o.mu.blocks {
		held := len(b.block.Bytes())
		for i := range b.inflated {
			if records := b.inflated[i].Load(); records != nil {
				held += cap(*records)
			}
		}
		if held != b.bytes || b.users != 0 {
			t.Errorf("block %d holds %d bytes for %d users, booked with %d", b.first, held, b.users, b.bytes)
		}
		booked += held
	}
	if booked != o.mu.bytes || booked > openedBytesMax || booked < openedBytesMax/2 {
		t.Errorf("%d bytes are booked, there are %d", o.mu.bytes, booked)
	}

	b := o.find(1, o.mu.blocks[0].first)
	one, _, err := o.records(b, 0, nil)
	again, _, err2 := o.records(b, 0, nil)
	if err != nil || err2 != nil || &one[0] != &again[0] {
		t.Errorf("a frame is inflated twice: %v", errors.Join(err, err2))
	}
}

// TestOpenedWithoutRoom asserts that a consumer gets its events also where all that is open is in use.
func TestOpenedWithoutRoom(t *testing.T) {
	const events, size = 300, 10_000
	var o opened
	var own []byte
	for i := range 4 {
		list := compressedBlock(t, events, size, i)
		b := o.keep(&openBlock{place: place{stream: 1, first: Offset(i * events), count: events}, block: list})
		for frame := range b.block.Frames() {
			records, next, err := o.records(b, frame, own)
			want, err2 := list.DecodeFrame(nil, frame)
			if own = next; err != nil || err2 != nil || !bytes.Equal(records, want) {
				t.Fatalf("frame %d of block %d isn't what it inflates to: %v", frame, i, errors.Join(err, err2))
			}
		}
	}
	if o.mu.bytes > openedBytesMax {
		t.Errorf("%d bytes are booked, at most %d", o.mu.bytes, openedBytesMax)
	}
	if own == nil {
		t.Error("all of it was kept")
	}
}

// TestOpenedOfCorruptFrame asserts that what doesn't inflate takes no room.
func TestOpenedOfCorruptFrame(t *testing.T) {
	var o opened
	good := compressedBlock(t, 10, 1_000, 1)
	raw := slices.Clone(good.Bytes())
	raw[good.HeaderSize()+3] ^= 1 // in the first frame
	bad, err := block.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	b := o.keep(&openBlock{place: place{stream: 1, count: 10}, block: bad})
	before := o.mu.bytes
	if _, _, err := o.records(b, 0, nil); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("a corrupt frame: %v", err)
	}
	if o.mu.bytes != before || b.bytes != before {
		t.Errorf("a corrupt frame takes %d bytes", o.mu.bytes-before)
	}
}
