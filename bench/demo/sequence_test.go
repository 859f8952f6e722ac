package demo

import "testing"

func TestSequence(t *testing.T) {
	s := newSequence()
	for _, b := range []struct {
		reader    Reader
		partition uint32
		offset    uint64
		key       string
		wrong     int // by then
	}{
		{0, 0, 5, "a", 0},
		{0, 0, 3, "b", 0}, // another key
		{1, 0, 3, "a", 0}, // another reader
		{0, 1, 3, "a", 0}, // another partition
		{0, 0, 9, "a", 0},
		{0, 0, 7, "a", 1}, // behind 9
		{0, 0, 8, "a", 2},
		{0, 0, 10, "a", 2},
	} {
		s.began(b.reader, Place{Partition: b.partition, Offset: b.offset}, b.key)
		if got := s.wrong(); got != b.wrong {
			t.Errorf("%+v: %d out of order", b, got)
		}
	}
}
