package partition

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// A match index says which events of a block each selective subscription gets. Subscriptions without a pattern aren't in it, since they get
// every event. Written by the leader, read by every replica.
//
//	count                        uvarint
//	count times, by ascending subscription:
//	  subscription               uvarint
//	  form                       u8: 0 all, 1 bitmap, 2 sparse
//	  bitmap: a bit an event     ceil(events / 64) words, little endian; bits beyond the events are 0
//	  sparse: positions          uvarint n, then n uvarints: the first position, then distances to the one before
const (
	matchAll    = 0
	matchBitmap = 1
	matchSparse = 2
)

// matched is one subscription of a match index.
type matched struct {
	Subscription SubscriptionID
	// Words is a bitmap over the block's events; nil means all of them.
	Words []uint64
}

// appendMatchIndex writes an index over a block of n events. Each list takes whichever form is smaller.
func appendMatchIndex(b []byte, n int, list []matched) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, m := range list {
		b = binary.AppendUvarint(b, uint64(m.Subscription))
		set := n
		if m.Words != nil {
			set = popCount(m.Words)
		}
		switch {
		case set == n:
			b = append(b, matchAll)
		case set*2 < len(m.Words)*8: // two bytes is what a distance takes at most, up to 16,383
			b = append(b, matchSparse)
			b = binary.AppendUvarint(b, uint64(set))
			last := 0
			for i := range setBits(m.Words) {
				b = binary.AppendUvarint(b, uint64(i-last))
				last = i
			}
		default:
			b = append(b, matchBitmap)
			for _, w := range m.Words {
				b = binary.LittleEndian.AppendUint64(b, w)
			}
		}
	}
	return b
}

// eachMatched walks an index over a block of n events. The words that it hands out are its own and hold until the next.
func eachMatched(index []byte, n int, visit func(matched)) error {
	d := decoder{b: index}
	words := make([]uint64, (n+63)/64)
	last := SubscriptionID(0)
	for i := range d.count("matched subscriptions") {
		m := matched{Subscription: SubscriptionID(d.uvarint("subscription"))}
		if i > 0 && m.Subscription <= last {
			return fmt.Errorf("%w: match index has subscription %d behind %d", ErrCorrupt, m.Subscription, last)
		}
		last = m.Subscription
		switch form := d.byte("form"); form {
		case matchAll:
		case matchBitmap:
			m.Words = words
			for j := range words {
				words[j] = binary.LittleEndian.Uint64(pad8(d.raw("bitmap", 8)))
			}
		case matchSparse:
			m.Words = words
			clear(words)
			d.sparse(words, n)
		default:
			return fmt.Errorf("%w: match index has form %d", ErrCorrupt, form)
		}
		if d.err != nil {
			return d.err
		}
		if m.Words != nil && n%64 != 0 && words[len(words)-1]>>(n%64) != 0 {
			return fmt.Errorf("%w: match index names an event beyond the block's %d", ErrCorrupt, n)
		}
		visit(m)
	}
	return d.done("match index")
}

// sparse sets the bits that a sparse list names.
func (d *decoder) sparse(words []uint64, n int) {
	at := uint64(0)
	for range d.count("positions") {
		at += d.bounded("position", uint64(n))
		if at >= uint64(n) {
			d.fail("position beyond the block")
			return
		}
		words[at/64] |= 1 << (at % 64)
	}
}

// pad8 stands in for bytes that weren't there; the decoder remembers that they weren't.
func pad8(b []byte) []byte {
	if len(b) < 8 {
		return make([]byte, 8)
	}
	return b
}

func popCount(words []uint64) (n int) {
	for _, w := range words {
		n += bits.OnesCount64(w)
	}
	return n
}

// setBits yields the positions of the bits that are set, ascending.
func setBits(words []uint64) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i, w := range words {
			for ; w != 0; w &= w - 1 {
				if !yield(i*64 + bits.TrailingZeros64(w)) {
					return
				}
			}
		}
	}
}
