package block

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// runs decides on ascending runs within n events; some touch each other.
func (c *choices) runs(n int) []Run {
	var runs []Run
	for at := c.below(1 + n/2); at < n; at += c.below(9) * c.below(9) {
		run := Run{From: at, To: min(n, at+1+c.below(1+c.below(90)))}
		runs = append(runs, run)
		at = run.To
	}
	if runs == nil {
		return []Run{{0, n}}
	}
	return runs
}

// TestSelectTwin selects random runs of random blocks, and then of what was selected, and compares with slices.
func TestSelectTwin(t *testing.T) {
	var w Writer
	var s Selector
	var r Reader
	for seed := range uint64(80) {
		c := choicesOf(seed, 20_000)
		events := c.events(1 + c.below(300))
		for codec := range codecCount {
			want := asRead(events)
			b := encode(t, &w, Options{Codec: codec, Producer: testProducer}, events)
			s.Recompress, s.Verified = c.oneIn(2), c.oneIn(2)
			for range 3 {
				block := open(t, b)
				runs := c.runs(block.Len())
				var wanted []Event
				for _, run := range runs {
					wanted = append(wanted, want[run.From:run.To]...)
				}
				prefix := []byte("before")
				out, err := s.Select(prefix, block, runs)
				if err != nil || !bytes.HasPrefix(out, prefix) {
					t.Fatalf("seed %d, %v: %v", seed, runs, err)
				}
				b, want = slices.Clip(out[len(prefix):]), wanted
				got, producer := twinDecode(t, b)
				sameEvents(t, "selected", got, want)
				if producer != (Producer{}) {
					t.Fatalf("seed %d: selected block has producer %+v", seed, producer)
				}
				if err := r.Verify(open(t, b), DataBytesMax); err != nil {
					t.Fatalf("seed %d, %v: verify: %v", seed, runs, err)
				}
			}
		}
	}
}

// shopEvents returns events that each carry a word that no other has, in every place that can.
func shopEvents(n int) []Event {
	events := make([]Event, n)
	for i := range events {
		secret := fmt.Sprintf("secret%05d.", i)
		events[i] = Event{
			Data: []byte(secret + strings.Repeat("x", 300)), Key: secret + "key", DedupID: secret + "dedup",
			Source: secret + "source", DetailType: secret + "type", Attributes: []Attribute{{secret + "name", secret + "value"}},
		}
	}
	return events
}

// TestSelectKeepsSecrets is B5: nothing of an event that was not chosen is in the selected block, not even in the spare
// capacity that Select wrote to.
func TestSelectKeepsSecrets(t *testing.T) {
	events := shopEvents(250)
	for codec := range codecCount {
		for _, recompress := range []bool{false, true} {
			b := open(t, encode(t, new(Writer), Options{Codec: codec, Producer: testProducer}, events))
			dst := bytes.Repeat([]byte{0xaa}, len(b.Bytes())*3)[:0]
			s := Selector{Recompress: recompress}
			runs := []Run{{3, 9}, {70, 140}, {249, 250}}
			out, err := s.Select(dst, b, runs)
			if err != nil {
				t.Fatal(err)
			}
			selected := open(t, out)
			if selected.Sources() != 77 || selected.DetailTypes() != 77 {
				t.Errorf("%v: %d sources and %d detail types for 77 events", codec, selected.Sources(), selected.DetailTypes())
			}
			visible := slices.Clone(out[:cap(out)])
			for i := range selected.Frames() {
				if visible, err = selected.DecodeFrame(visible, i); err != nil {
					t.Fatal(err)
				}
			}
			for i := range events {
				chosen := slices.ContainsFunc(runs, func(r Run) bool { return i >= r.From && i < r.To })
				if found := bytes.Contains(visible, fmt.Appendf(nil, "secret%05d.", i)); found != chosen {
					t.Errorf("%v: event %d is there: %v, chosen: %v", codec, i, found, chosen)
				}
			}
			if bytes.Contains(out, testProducer.ID[8:]) {
				t.Errorf("%v: the producer's id is in the selected block", codec)
			}
		}
	}
}

// TestSelectWholeFrames is B4: frames that are wanted whole go as they are stored, with their checksum, and unread.
func TestSelectWholeFrames(t *testing.T) {
	b := open(t, encode(t, new(Writer), Options{Codec: CodecZstd}, shopEvents(250)))
	s := Selector{Inflated: func(*Block, int) ([]byte, error) { return nil, errors.New("asked for a frame that goes whole") }}
	first, last := b.Frame(1), b.Frame(3)
	out, err := s.Select(nil, b, []Run{{first.From, first.From + 2}, {first.From + 2, first.To}, {first.To, last.To}})
	if err != nil {
		t.Fatal(err)
	}
	selected := open(t, out)
	if selected.Frames() != 3 {
		t.Fatalf("%d frames, want 3", selected.Frames())
	}
	for i := range 3 {
		if !bytes.Equal(selected.stored(i), b.stored(i+1)) || selected.entry(i).checksum != b.entry(i+1).checksum {
			t.Errorf("frame %d is not frame %d as it was", i, i+1)
		}
	}
}

// TestSelectCache hands frames in from a cache, and refuses one that isn't the frame.
func TestSelectCache(t *testing.T) {
	events := shopEvents(250)
	b := open(t, encode(t, new(Writer), Options{Codec: CodecS2}, events))
	var asked []int
	s := Selector{Inflated: func(b *Block, frame int) ([]byte, error) {
		asked = append(asked, frame)
		return b.DecodeFrame(nil, frame)
	}}
	runs := []Run{{1, 2}, {4, 6}, {b.Frame(2).From, b.Frame(3).From + 1}}
	out, err := s.Select(nil, b, runs)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(asked, []int{0, 3}) {
		t.Errorf("frames %v were asked for, want 0 and 3", asked)
	}
	var want []Event
	for _, run := range runs {
		want = append(want, asRead(events)[run.From:run.To]...)
	}
	sameEvents(t, "selected", read(t, open(t, out)), want)

	s.Inflated = func(*Block, int) ([]byte, error) { return []byte("short"), nil }
	if out, err = s.Select([]byte("dst"), b, runs); err == nil || string(out) != "dst" {
		t.Errorf("a wrong frame from the cache gives %d bytes and %v", len(out), err)
	}
}

// TestSelectRefuses: wrong runs, and a frame that is broken.
func TestSelectRefuses(t *testing.T) {
	b := open(t, encode(t, new(Writer), Options{}, shopEvents(10)))
	var s Selector
	if _, err := s.Select(nil, b, nil); !errors.Is(err, ErrEmpty) {
		t.Errorf("no runs: %v", err)
	}
	for _, runs := range [][]Run{{{-1, 2}}, {{2, 2}}, {{3, 2}}, {{9, 11}}, {{0, 5}, {4, 6}}, {{5, 6}, {1, 2}}} {
		var fieldError *FieldError
		if out, err := s.Select([]byte("dst"), b, runs); !errors.As(err, &fieldError) || string(out) != "dst" {
			t.Errorf("runs %v: %v", runs, err)
		}
	}
	b.Bytes()[b.HeaderSize()+1] ^= 1
	if out, err := s.Select([]byte("dst"), b, []Run{{1, 3}}); !errors.Is(err, ErrCorrupt) || string(out) != "dst" {
		t.Errorf("a broken frame gives %d bytes and %v", len(out), err)
	}
}

// TestFrameBorders: frames are filled up to FrameBytesMax exactly, by the Writer and by Select.
func TestFrameBorders(t *testing.T) {
	record := func(bytes int) Event { return Event{Data: make([]byte, bytes-1)} }
	events := []Event{record(8192), record(8192), record(8192), record(8192), record(8193), record(8191), record(8192), record(8193)}
	b := open(t, encode(t, new(Writer), Options{}, events))
	var frames []Frame
	for i := range b.Frames() {
		frames = append(frames, b.Frame(i))
	}
	want := []Frame{{0, 2, 16384, 16384, false}, {2, 4, 16384, 16384, false}, {4, 6, 16384, 16384, false}, {6, 7, 8192, 8192, false}, {7, 8, 8193, 8193, false}}
	if !slices.Equal(frames, want) {
		t.Errorf("written frames are %+v, want %+v", frames, want)
	}
	for _, c := range []struct {
		runs   []Run
		frames int
	}{
		{[]Run{{1, 3}}, 1},         // 8192 of two frames each
		{[]Run{{1, 2}, {4, 5}}, 2}, // one byte too many
	} {
		out, err := new(Selector).Select(nil, b, c.runs)
		if err != nil {
			t.Fatal(err)
		}
		if got := open(t, out).Frames(); got != c.frames {
			t.Errorf("%v are in %d frames, want %d", c.runs, got, c.frames)
		}
	}
}

// TestDirtyDestination: what is appended to memory that was used before has its padding all zero.
func TestDirtyDestination(t *testing.T) {
	dirty := func() []byte { return bytes.Repeat([]byte{0xaa}, 100_000)[:0] }
	var w Writer
	encode(t, &w, Options{Codec: CodecS2}, []Event{{Data: make([]byte, 500_000)}, {Data: make([]byte, 500_000)}})
	b, err := w.Finish(dirty())
	if err != nil {
		t.Fatal(err)
	}
	block := open(t, b)
	if b, err = new(Selector).Select(dirty(), block, []Run{{1, 2}}); err != nil {
		t.Fatal(err)
	}
	if padding := open(t, b).header.paddingBytes; padding == 0 || block.header.paddingBytes == 0 {
		t.Error("there is no padding")
	}
}
