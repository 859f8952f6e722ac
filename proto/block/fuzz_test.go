package block

import (
	"slices"
	"testing"
)

// FuzzVerify gives arbitrary bytes to Open and Verify, as they are and with checksums made right, so that the fuzzer gets past
// them: nothing panics, memory stays within what B2 allows, and what is accepted reads the same in every way there is.
func FuzzVerify(f *testing.F) {
	for codec := range codecCount {
		for seed := range uint64(4) {
			events := choicesOf(seed, 3000).events(1 + int(seed)*5)
			for i := range events {
				events[i].Data = events[i].Data[:min(len(events[i].Data), 200)]
			}
			f.Add(encode(f, new(Writer), Options{Codec: codec, Producer: testProducer}, events), seed%2 == 0)
		}
	}
	bomb := oneFrame(CodecZstd, zstdFrame(7<<3, 4000, 100_000), 20_000)
	f.Add(bomb.bytes(), false)
	f.Add(encode(f, new(Writer), Options{Codec: CodecS2}, []Event{{Data: make([]byte, 20_000)}}), true)
	f.Fuzz(func(t *testing.T, b []byte, right bool) {
		if right {
			b = slices.Clone(b) // the fuzzer's own must not change
			reseal(b)
		}
		var r Reader
		err := verify(&r, b)
		if cap(r.scratch) > RatioMax*len(b)*3/2 {
			t.Fatalf("a buffer of %d bytes for a block of %d", cap(r.scratch), len(b))
		}
		if err == nil {
			checkAccepted(t, b)
		}
	})
}

// FuzzRoundTrip makes events of the fuzzer's choices, and holds Writer, Reader and Selector against the twin.
func FuzzRoundTrip(f *testing.F) {
	for seed := range uint64(6) {
		f.Add(choicesOf(seed, 600).bytes, uint8(seed), uint8(20*seed))
	}
	f.Fuzz(func(t *testing.T, bytes []byte, codec, n uint8) {
		c := &choices{bytes}
		events := c.events(1 + int(n))
		want := asRead(events)
		b := encode(t, new(Writer), Options{Codec: Codec(codec % uint8(codecCount)), Producer: testProducer}, events)
		got, _ := twinDecode(t, b)
		sameEvents(t, "twin", got, want)
		if err := verify(new(Reader), b); err != nil {
			t.Fatal(err)
		}
		runs := c.runs(len(events))
		wanted := []Event{}
		for _, run := range runs {
			wanted = append(wanted, want[run.From:run.To]...)
		}
		s := Selector{Recompress: codec >= 128}
		selected, err := s.Select(nil, open(t, b), runs)
		if err != nil {
			t.Fatal(err)
		}
		got, _ = twinDecode(t, selected)
		sameEvents(t, "twin of selected", got, wanted)
		if err := verify(new(Reader), selected); err != nil {
			t.Fatal(err)
		}
	})
}
