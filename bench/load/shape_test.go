package load

import (
	"bytes"
	"encoding/json"
	"testing"
)

// TestShape makes events of many sizes, and wants them to be JSON, of the right
// length, half random and recognised.
func TestShape(t *testing.T) {
	for _, size := range []int{eventBytesMin, eventBytesMin + 1, 200, 256, 300, 1000, 4096, eventBytesMax} {
		s := newShape(size, 7)
		event := s.appendTo(nil, 3, 1<<40+5, 123_456_789)
		if len(event) != size || !json.Valid(event) {
			t.Fatalf("%d bytes: %d, %.300q", size, len(event), event)
		}
		producer, number, at, err := s.read(event)
		if err != nil || producer != 3 || number != 1<<40+5 || at != 123_456_789 {
			t.Errorf("%d bytes: read %d, %d, %d, %v", size, producer, number, at, err)
		}
		if size >= 300 && s.random != size/2 {
			t.Errorf("%d bytes: %d random", size, s.random)
		}
	}
}

// TestShapeDistinct wants all events to differ, and neighbours in their random part
// too.
func TestShapeDistinct(t *testing.T) {
	s := newShape(256, 7)
	randomPart := func(event []byte) []byte { return event[randomAt : randomAt+s.random] }
	var before []byte
	seen := map[string]bool{}
	for producer := range 3 {
		for number := range uint64(2_000) {
			event := s.appendTo(nil, producer, number, 0)
			if seen[string(event)] {
				t.Fatalf("event %d of producer %d was made before", number, producer)
			}
			seen[string(event)] = true
			if before != nil && bytes.Equal(randomPart(event), randomPart(before)) {
				t.Fatalf("event %d of producer %d has its neighbour's random part", number, producer)
			}
			before = event
		}
	}
}

// TestShapeRefuses wants an error for what isn't one of the run's events.
func TestShapeRefuses(t *testing.T) {
	s := newShape(256, 7)
	event := s.appendTo(nil, 1, 2, 3)
	for _, broken := range [][]byte{
		nil, event[:255], append(bytes.Clone(event), '}'),
		bytes.Replace(event, []byte(`"version"`), []byte(`"Version"`), 1),
		bytes.Replace(event, []byte("0001-"), []byte("000x-"), 1),
		bytes.Replace(event, []byte("-000000000002"), []byte("-00000000000G"), 1),
	} {
		if _, _, _, err := s.read(broken); err == nil {
			t.Errorf("%q is taken for an event", broken)
		}
	}
}

func BenchmarkShape(b *testing.B) {
	s := newShape(256, 7)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		var event []byte
		number := uint64(0)
		for b.Loop() {
			event = s.appendTo(event[:0], 1, number, int64(number))
			number++
		}
	})
	b.Run("read", func(b *testing.B) {
		event := s.appendTo(nil, 1, 2, 3)
		b.ReportAllocs()
		for b.Loop() {
			if _, _, _, err := s.read(event); err != nil {
				b.Fatal(err)
			}
		}
	})
}
