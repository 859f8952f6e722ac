package store

import (
	"encoding/binary"
	"fmt"
	"iter"
	"testing"

	"github.com/freshet-mq/freshet/raftlog"
)

// BenchmarkCommit measures checkpoints on a real disk: changes of a few records and of many, and whole states.
func BenchmarkCommit(b *testing.B) {
	for _, c := range []struct {
		records, bytes int
		whole          bool
	}{{10, 200, false}, {10_000, 200, false}, {100_000, 200, false}, {100_000, 200, true}} {
		b.Run(fmt.Sprintf("records=%d/bytes=%d/whole=%v", c.records, c.bytes, c.whole), func(b *testing.B) {
			s, err := Open(Options{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Commit(1, raftlog.CheckpointMeta{}, many(c.records, c.bytes), true); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(c.records * c.bytes))
			index := uint64(0)
			for b.Loop() {
				index++
				if err := s.Commit(1, raftlog.CheckpointMeta{Index: index}, many(c.records, c.bytes), c.whole); err != nil {
					b.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkRead walks a checkpoint, as a node does that starts.
func BenchmarkRead(b *testing.B) {
	s, err := Open(Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Commit(1, raftlog.CheckpointMeta{}, many(100_000, 200), true); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(100_000 * 200)
	for b.Loop() {
		r, err := s.Open(1)
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range r.Records() {
			if err != nil {
				b.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func many(n, bytes int) iter.Seq2[raftlog.Record, error] {
	return func(yield func(raftlog.Record, error) bool) {
		key, value := make([]byte, 8), make([]byte, bytes)
		for i := range n {
			binary.BigEndian.PutUint64(key, uint64(i))
			binary.BigEndian.PutUint64(value, uint64(i)*0x9e3779b97f4a7c15)
			if !yield(raftlog.Record{Key: key, Value: value}, nil) {
				return
			}
		}
	}
}
