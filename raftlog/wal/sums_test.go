package wal

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

// TestSumsAreCarried: the log's record has the sum that was noted when the data came, so that what became of them before they were
// stored is found; and the log knows the sums of what it has stored.
func TestSumsAreCarried(t *testing.T) {
	fatal := make(chan error, 10)
	o := testOptions(t, vfs.NewMem())
	o.Fatal = func(err error) { fatal <- err }
	l := mustOpen(t, o)
	g := mustGroup(t, l, 1)
	first, second, third := entry(1, 1, 10_000), entry(2, 1, 100), entry(3, 1, 10_000)
	must(t, g.StoreLogs([]*raft.Log{first, second}))
	if sum, known := g.Sum(first); !known || sum != checksum(first.Data) {
		t.Errorf("entry 1: %08x, %v", sum, known)
	}
	for what, e := range map[string]*raft.Log{"short": second, "not stored": third, "of another term": entry(1, 2, 10_000), "longer": entry(1, 1, 10_001)} {
		if _, known := g.Sum(e); known {
			t.Errorf("the sum of an entry that is %s is known", what)
		}
	}
	g.NoteSum(third, checksum(third.Data))
	must(t, g.StoreLog(third))
	wantEntry(t, g, third)

	fourth := entry(4, 1, 10_000)
	g.NoteSum(fourth, checksum(fourth.Data))
	fourth.Data[77] ^= 1
	must(t, g.StoreLog(fourth))
	must(t, l.Close())
	if _, err := Open(o); !errors.Is(err, ErrCorrupt) {
		t.Errorf("data that changed after they were summed: %v", err)
	}
	if len(fatal) > 0 {
		t.Error(<-fatal)
	}
}

// TestSumsOfNewest: only so many are kept, and an index that is used again has its own.
func TestSumsOfNewest(t *testing.T) {
	l := mustOpen(t, testOptions(t, vfs.NewMem()))
	g := mustGroup(t, l, 1)
	var all []*raft.Log
	for i := range uint64(sumSlots + 5) {
		all = append(all, entry(i+1, 1, sumBytesMin))
		must(t, g.StoreLog(all[i]))
	}
	for i, e := range all {
		if _, known := g.Sum(e); known != (i >= 5) {
			t.Errorf("entry %d: known %v", e.Index, known)
		}
	}
	newest := all[len(all)-1]
	must(t, g.DeleteRange(newest.Index, newest.Index))
	other := entry(newest.Index, 2, sumBytesMin)
	must(t, g.StoreLog(other))
	if _, known := g.Sum(newest); known {
		t.Error("the sum of an entry that was overruled is known")
	}
	wantEntry(t, g, other)
	must(t, l.Close())
	l = mustOpen(t, l.options)
	wantEntry(t, mustGroup(t, l, 1), other)
	must(t, l.Close())
}
