package partition

import (
	"fmt"
	"slices"
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
		one := &openBlock{place{stream: StreamID(1 + i%2), first: Offset(i * 10), count: 10}, b}
		o.keep(one)
		o.keep(&openBlock{one.place, b}) // another consumer's
		if found := o.find(one.stream, one.first+9); found != one {
			t.Fatalf("block %d isn't found", i)
		}
		if o.find(one.stream+2, one.first) != nil || o.find(one.stream, one.end()) != nil {
			t.Fatalf("block %d is found for what it hasn't", i)
		}
		bytes := 0
		for _, b := range o.mu.blocks {
			bytes += len(b.block.Bytes())
		}
		if bytes != o.mu.bytes || bytes > openedBytesMax || len(o.mu.blocks) > openedMax {
			t.Fatalf("%d blocks of %d bytes are open, booked with %d", len(o.mu.blocks), bytes, o.mu.bytes)
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
