package block

import (
	"bytes"
	"errors"
	"testing"
)

// TestReaderByIndex reads events in random order, with runs in between, and compares with reading from the beginning.
func TestReaderByIndex(t *testing.T) {
	for seed := range uint64(12) {
		c := choicesOf(seed, 20_000)
		events := c.events(200)
		for i := range events { // many small frames and a few of one larger event
			events[i].Data = events[i].Data[:min(len(events[i].Data), 20_000)]
		}
		b := open(t, encode(t, new(Writer), Options{Codec: Codec(seed % 3)}, events))
		var r Reader
		r.Reset(b)
		for range 100 {
			i := c.below(len(events))
			if c.oneIn(10) {
				r.Seek(b.Len())
				if r.Next() || r.Err() != nil {
					t.Fatalf("seed %d: an event behind the last, or %v", seed, r.Err())
				}
			}
			view, err := r.At(i)
			if err != nil || !bytes.Equal(view.Data(), events[i].Data) || r.Index() != i {
				t.Fatalf("seed %d: event %d by index: %v", seed, i, err)
			}
			for range c.below(100) {
				if i++; r.Next() != (i < len(events)) {
					t.Fatalf("seed %d: Next at event %d of %d: %v", seed, i, len(events), r.Err())
				}
				if i == len(events) {
					break
				}
				if !bytes.Equal(r.View().Data(), events[i].Data) {
					t.Fatalf("seed %d: event %d after one by index has other data", seed, i)
				}
			}
		}
	}
}

// TestReaderKept keeps what views return, and changes it, while the Reader goes on to other blocks.
func TestReaderKept(t *testing.T) {
	var r Reader
	for seed := range uint64(6) {
		events := choicesOf(seed, 20_000).events(200)
		b := open(t, encode(t, new(Writer), Options{Codec: Codec(seed % 3)}, events))
		var kept [][]byte
		for range 2 {
			for r.ResetKept(b); r.Next(); {
				kept = append(kept, r.View().Data())
			}
			if r.Err() != nil {
				t.Fatalf("seed %d: %v", seed, r.Err())
			}
			if err := r.Verify(b, DataBytesMax); err != nil { // in memory that is used again
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		for i, data := range kept {
			if want := events[i%len(events)].Data; !bytes.Equal(data, want) || cap(data) > len(data) {
				t.Fatalf("seed %d: event %d has other data, or room behind it", seed, i)
			}
			clear(data)
		}
		if r.ResetKept(b); !r.Next() || !bytes.Equal(r.View().Data(), events[0].Data) {
			t.Fatalf("seed %d: the block has changed", seed)
		}
	}
}

// TestReaderOutOfRange: an index out of range is the caller's fault and panics as a slice's does.
func TestReaderOutOfRange(t *testing.T) {
	var r Reader
	r.Reset(open(t, encode(t, new(Writer), Options{}, []Event{{}})))
	defer func() {
		if recover() == nil {
			t.Error("event 1 of 1 was read")
		}
	}()
	_, _ = r.At(1) // panics before it has a result
}

// TestReaderStops: from the first broken frame on there is nothing more, whatever is asked.
func TestReaderStops(t *testing.T) {
	b := open(t, encode(t, new(Writer), Options{}, shopEvents(100)))
	b.body[b.Frame(0).StoredBytes] ^= 1 // of frame 1
	var r Reader
	n := 0
	for r.Reset(b); r.Next(); {
		n++
	}
	if n != b.Frame(0).To || !errors.Is(r.Err(), ErrCorrupt) {
		t.Errorf("%d events, want %d of frame 0: %v", n, b.Frame(0).To, r.Err())
	}
	if view, err := r.At(0); view != nil || !errors.Is(err, ErrCorrupt) || r.Next() {
		t.Errorf("a stopped reader goes on: %v", err)
	}
	r.Reset(b)
	if _, err := r.At(0); err != nil {
		t.Errorf("after Reset: %v", err)
	}
}

// TestViewsAreCapped: appending to what a view returns must not write into the bytes behind it.
func TestViewsAreCapped(t *testing.T) {
	e := Event{Data: []byte("{}"), Key: "k", Schema: "s", Attributes: []Attribute{{"n", "v"}}, Source: "src", DetailType: "type"}
	encoded := encode(t, new(Writer), Options{}, []Event{e, e})
	before := bytes.Clone(encoded)
	b := open(t, encoded)
	var r Reader
	r.Reset(b)
	view, err := r.At(0)
	if err != nil {
		t.Fatal(err)
	}
	slices := [][]byte{view.Data(), view.Key(), view.Schema(), b.Source(1), b.DetailType(1)}
	for name, value := range view.Attributes() {
		slices = append(slices, name, value)
	}
	for _, s := range slices {
		_ = append(s, '!') // what matters is where it was written
	}
	if !bytes.Equal(encoded, before) {
		t.Error("the block was written to")
	}
	if view.AttributeCount() != 1 || !view.IsJSON() || view.DedupID() != nil || view.ContentType() != nil {
		t.Errorf("view of %+v is wrong", e)
	}
}

// TestFinishAgain: a Writer may go on after Finish, and number what it has anew.
func TestFinishAgain(t *testing.T) {
	events := choicesOf(5, 20_000).events(100)
	for codec := range codecCount {
		var w Writer
		encode(t, &w, Options{Codec: codec}, events[:50])
		if err := w.SetProducer(testProducer); err != nil {
			t.Fatal(err)
		}
		for i := range events[50:] {
			if err := w.Append(&events[50+i]); err != nil {
				t.Fatal(err)
			}
		}
		b, err := w.Finish([]byte("before"))
		if err != nil || !bytes.HasPrefix(b, []byte("before")) {
			t.Fatal(err)
		}
		block := open(t, b[len("before"):])
		sameEvents(t, codec.String(), read(t, block), asRead(events))
		if block.Producer() != testProducer || !bytes.Equal(block.Bytes(), b[len("before"):]) {
			t.Errorf("%v: producer %+v", codec, block.Producer())
		}
	}
	if _, err := new(Writer).Finish(nil); !errors.Is(err, ErrEmpty) {
		t.Errorf("finishing nothing: %v", err)
	}
}
