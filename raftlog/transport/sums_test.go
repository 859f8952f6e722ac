package transport

import (
	"bytes"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/raft"
)

// TestCombine compares what is combined with what is summed, for lengths around every digit.
func TestCombine(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	both := make([]byte, 3<<20)
	for i := range both {
		both[i] = byte(r.Uint32())
	}
	lengths := []int{0, 1, 7, 255, 256, 257, 4095, 65535, 65536, 65537, 2<<20 - 1, 2 << 20}
	for range 50 {
		lengths = append(lengths, r.IntN(1<<uint(1+r.IntN(20))))
	}
	for _, n := range lengths {
		a, b := both[:r.IntN(1000)], both[1000:1000+n]
		got := combine(crc32.Checksum(a, castagnoli), crc32.Checksum(b, castagnoli), n)
		if want := crc32.Update(crc32.Checksum(a, castagnoli), castagnoli, b); got != want {
			t.Fatalf("%d and %d bytes: %08x, want %08x", len(a), n, got, want)
		}
	}
}

// TestCarriedSums: a message is the same bytes, whoever has summed the entries; and what its receiver notes is the sums of what
// was sent.
func TestCarriedSums(t *testing.T) {
	var entries []*raft.Log
	for i, size := range []int{sumBytesMin, 0, 100, 20_000, sumBytesMin - 1, 1 << 20, copyBytesMax, sumBytesMin + 3} {
		entries = append(entries, entriesOf(uint64(i+1), 1, size)...)
	}
	asked := 0
	known := &sums{sum: func(e *raft.Log) (uint32, bool) {
		asked++
		return crc32.Checksum(e.Data, castagnoli), e.Index != 4 // which is not known
	}}
	request := &raft.AppendEntriesRequest{RPCHeader: header("n1"), Term: 7, Entries: entries}
	frames := [][]byte{}
	for _, s := range []*sums{nil, known} {
		f := must(appendFrame(testPool(), request, s))
		f.seal(kindAppend, 1, 9)
		frames = append(frames, bytesOf(f))
	}
	if asked != 4 {
		t.Errorf("%d sums were asked for", asked)
	}
	if !bytes.Equal(frames[0], frames[1]) {
		t.Fatal("a frame depends on who has summed its entries")
	}
	h, payload := must(parseFrameHeader(frames[0])), frames[0][frameHeaderBytes:]
	var m appendMessage
	if err := m.decode(payload, &names{}); err != nil {
		t.Fatal(err)
	}
	noted := map[uint64]uint32{}
	noting := &sums{note: func(e *raft.Log, sum uint32) { noted[e.Index] = sum }}
	if _, err := h.checkEntries(payload, m.entries, noting, nil); err != nil {
		t.Fatal(err)
	}
	if len(noted) != 4 {
		t.Errorf("noted %v", noted)
	}
	for _, e := range entries {
		if sum, there := noted[e.Index]; there && sum != crc32.Checksum(e.Data, castagnoli) {
			t.Errorf("entry %d: %08x", e.Index, sum)
		}
	}
	// Any bit that flips is found, and nothing of such a message is noted (T1).
	clear(noted)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 400 {
		at := r.IntN(len(payload))
		if i < 200 {
			at = i
		}
		payload[at] ^= 1 << r.IntN(8)
		in := &inbox{group: &GroupTransport{}}
		in.group.sums.Store(noting)
		err := in.checkAppend(&received{header: h, payload: &buffer{bytes: payload}}, &m)
		if !errors.Is(err, ErrCorrupt) {
			t.Fatalf("a bit at %d: %v", at, err)
		}
		if len(noted) > 0 {
			t.Fatalf("a bit at %d: noted %v", at, noted)
		}
		payload[at] = frames[1][frameHeaderBytes+at]
	}
}

// TestChangedInMemory: what is not any more what was summed goes out, and is refused by who receives it; what was sent before and after
// it on a new connection arrives.
func TestChangedInMemory(t *testing.T) {
	forEachCarrier(t, func(t *testing.T, c carrier) {
		s := startSuite(t, c)
		var arrived, noted atomic.Int64
		to := s.to.answering(t, 1, func(rpc raft.RPC) { arrived.Add(1); agree(rpc) })
		to.CarrySums(nil, func(*raft.Log, uint32) { noted.Add(1) })
		entries := entriesOf(1, 1, 10_000)
		sum := crc32.Checksum(entries[0].Data, castagnoli)
		s.from.Group(1).CarrySums(func(*raft.Log) (uint32, bool) { return sum, true }, func(*raft.Log, uint32) {})
		if err := appendTo(s.from, 1, s.target, entries); err != nil {
			t.Fatal(err)
		}
		entries[0].Data[5000] ^= 4
		if err := appendTo(s.from, 1, s.target, entries); !errors.Is(err, ErrBroken) {
			t.Errorf("changed: %v", err)
		}
		entries[0].Data[5000] ^= 4
		if err := appendTo(s.from, 1, s.target, entries); err != nil {
			t.Errorf("as it was: %v", err)
		}
		if a, n := arrived.Load(), noted.Load(); a != 2 || n != 2 {
			t.Errorf("%d messages arrived, %d sums were noted", a, n)
		}
	})
}

func BenchmarkCombine(b *testing.B) {
	for b.Loop() {
		combine(0x12345678, 0x9abcdef0, 70_000)
	}
}
