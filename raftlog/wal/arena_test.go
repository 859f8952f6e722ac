package wal

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

// TestArenas: batches share one, the whole of which is used again when the last of them has left the cache, nobody was lent any
// and all are applied; and no more of them is made than the cache has, with what is being filled.
func TestArenas(t *testing.T) {
	o := testOptions(t, vfs.NewMem())
	o.CacheBytes = 1
	l := mustOpen(t, o)
	g := mustGroup(t, l, 1)
	must(t, g.SetUint64([]byte(keyCurrentTerm), 1))
	g.Following(1)
	next := uint64(1)
	store := func(applied bool) (*arena, raft.Log) {
		t.Helper()
		must(t, g.StoreLog(entry(next, 1, 3000))) // a batch of one block
		var e raft.Log
		must(t, g.GetLog(next, &e))
		if applied {
			g.Applied(next)
		}
		next++
		return l.arenas.current, e
	}
	// fill stores until the present arena has left the cache, and returns what of it was read.
	fill := func(applied bool) (a *arena, read []raft.Log) {
		t.Helper()
		for {
			now, e := store(applied)
			if a != nil && now != a {
				return a, read
			}
			a, read = now, append(read, e)
		}
	}
	whole := func(read []raft.Log) (n int) {
		for _, e := range read {
			if slices.Equal(e.Data, entry(e.Index, 1, 3000).Data) {
				n++
			}
		}
		return n
	}
	first, read := fill(true)
	if len(read) < 3 {
		t.Fatalf("an arena of %d bytes had %d batches", len(first.bytes), len(read))
	}
	if n := whole(read); n != 0 {
		t.Errorf("%d of %d batches are as they were", n, len(read))
	}
	seen := map[*arena]bool{first: true}
	for range 10 {
		a, _ := fill(true)
		seen[a] = true
	}
	if len(seen) > 2 {
		t.Errorf("%d arenas were used, one after the other", len(seen))
	}
	if _, read := fill(false); whole(read) != len(read) {
		t.Error("an arena was used again before all of it was applied")
	}
	g.Applied(next - 1)
	must(t, g.Set([]byte(keyCurrentTerm), binary.BigEndian.AppendUint64(nil, 2))) // it stands for election
	if _, read := fill(true); whole(read) != len(read) {
		t.Error("an arena was used again of which something was lent")
	}
	must(t, l.Close())
}

// TestBatchOutgrowsItsArena: what is in it already goes along, also into one that is as large as a single entry needs.
func TestBatchOutgrowsItsArena(t *testing.T) {
	o := testOptions(t, vfs.NewMem())
	o.SegmentBytes, o.BytesMax, o.arenaBytes = 4*segmentBytesMin, 64*segmentBytesMin, 12<<10
	l := mustOpen(t, o)
	g := mustGroup(t, l, 1)
	index := uint64(1)
	for _, sizes := range [][]int{{100, 5000}, {100, 4000, 4000, 4000, 4000}, {3000}, {60_000}, {10, 30_000, 10}, {10}} {
		var entries []*raft.Log
		for _, size := range sizes {
			entries = append(entries, entry(index, 1, size))
			index++
		}
		must(t, g.StoreLogs(entries))
		for _, e := range entries {
			wantEntry(t, g, e)
		}
	}
	must(t, l.Close())
	l = mustOpen(t, o)
	g = mustGroup(t, l, 1)
	if last, err := g.LastIndex(); err != nil || last != index-1 {
		t.Errorf("the last entry is %d, %v", last, err)
	}
	must(t, l.Close())
}
