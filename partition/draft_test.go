package partition

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/freshet-mq/freshet/proto/block"
)

// TestDraft: an entry whose blocks are put in at the end is the same as one that is written section by section.
func TestDraft(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var d draft
	for range 200 {
		d.begin()
		want := appendEntryHeader(nil)
		for range r.IntN(6) {
			var s section = streamSection{Stream: StreamID(r.Uint64N(1000))}
			if r.IntN(2) == 0 {
				b := blockSection{Stream: 1, SetVersion: r.Uint64N(500), Matches: make([]byte, r.IntN(300)), Checked: Index(r.Uint64N(1 << 20))}
				for at := range r.IntN(3) {
					b.Repeats = append(b.Repeats, Repeat{Event: uint32(at + 1), First: Offset(r.Uint64N(1 << 30))})
				}
				if r.IntN(4) > 0 {
					b.Block = blockOf(t, block.Producer{}, "one", "two")
				}
				s = b
			}
			d.add(s)
			want = appendSection(want, s)
		}
		if d.bytes != len(want) {
			t.Fatalf("a draft of %d bytes, the entry has %d", d.bytes, len(want))
		}
		if got := d.entry(); !bytes.Equal(got, want) {
			t.Fatalf("%x\nwant %x", got, want)
		}
	}
	for _, p := range d.pieces[:cap(d.pieces)] {
		if p != nil {
			t.Fatal("a draft holds on to a piece of an entry that is made")
		}
	}
	for _, b := range d.blocks[:cap(d.blocks)] {
		if b.block != nil {
			t.Fatal("a draft holds on to a block whose entry is made")
		}
	}
}
