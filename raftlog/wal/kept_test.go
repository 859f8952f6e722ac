package wal

import (
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

// isData says whether two slices are the same memory.
func isData(a, b []byte) bool { return len(a) > 0 && len(a) == len(b) && &a[0] == &b[0] }

// TestKeptAreRead: entries that their owner has left to the log are read in place of the batch's copy, as long as they are what
// the log has under their index and term.
func TestKeptAreRead(t *testing.T) {
	o := testOptions(t, vfs.NewMem())
	l := mustOpen(t, o)
	g := mustGroup(t, l, 1)
	store := func(keep bool, entries ...*raft.Log) {
		must(t, g.StoreLogs(entries))
		if keep {
			g.Keep(entries)
		}
	}
	reads := func(want *raft.Log, kept bool) {
		t.Helper()
		for name, get := range map[string]func(uint64, *raft.Log) error{"GetLog": g.GetLog, "Read": g.Read} {
			var e raft.Log
			must(t, get(want.Index, &e))
			if e.Term != want.Term || !slices.Equal(e.Data, want.Data) || isData(e.Data, want.Data) != kept {
				t.Fatalf("%s of entry %d, term %d: term %d, kept %v, want %v", name, want.Index, want.Term, e.Term, isData(e.Data, want.Data), kept)
			}
		}
	}
	first, second := entry(1, 1, 100), entry(2, 1, 200)
	store(true, first, second)
	reads(first, true)
	reads(second, true)

	must(t, g.DeleteRange(2, 2)) // another leader overruled it
	var e raft.Log
	if err := g.GetLog(2, &e); err == nil {
		t.Fatal("an entry that was removed is read")
	}
	other := entry(2, 2, 200)
	store(false, other)
	reads(first, true)
	reads(other, false) // R3

	third := entry(3, 3, 300)
	store(false, third)
	fourth := entry(4, 3, 100)
	store(true, fourth) // a gap: what was before is forgotten
	reads(first, false)
	reads(third, false)
	reads(fourth, true)

	must(t, g.SetUint64([]byte(keyCurrentTerm), 4))
	g.Following(4)
	reads(fourth, false)
	must(t, l.Close())
}

// TestKeptAreBounded: in bytes, the newest excepted.
func TestKeptAreBounded(t *testing.T) {
	var k kept
	for i := range uint64(10) {
		k.put([]*raft.Log{{Index: i + 1, Term: 1, Data: make([]byte, keptBytesMax/4)}})
	}
	var e raft.Log
	for i := uint64(1); i <= 10; i++ {
		if want := i > 7; k.get(i, 1, &e) != want {
			t.Errorf("entry %d is kept: %v, want %v", i, !want, want)
		}
	}
	k.put([]*raft.Log{{Index: 11, Term: 1, Data: make([]byte, 2*keptBytesMax)}})
	if !k.get(11, 1, &e) || k.get(10, 1, &e) {
		t.Error("of entries the newest of which is too large, not just that is kept")
	}
}

// TestKeptLeaveTheirBatch: what was kept is lent in the batch's place, whose memory is used again.
func TestKeptLeaveTheirBatch(t *testing.T) {
	o := testOptions(t, vfs.NewMem())
	o.CacheBytes, o.arenaBytes = 1, 1
	l := mustOpen(t, o)
	leading, following := mustGroup(t, l, 1), mustGroup(t, l, 2)
	must(t, following.SetUint64([]byte(keyCurrentTerm), 1))
	following.Following(1)
	mine := entry(1, 1, 100)
	must(t, leading.StoreLogs([]*raft.Log{mine}))
	leading.Keep([]*raft.Log{mine})
	var sent raft.Log
	must(t, leading.GetLog(1, &sent))
	leading.Applied(1)
	l.cache.mu.RLock()
	buffer := l.cache.mu.batches[0].buffer
	l.cache.mu.RUnlock()
	must(t, following.StoreLogs([]*raft.Log{entry(1, 1, 100)})) // pushes it out
	if buffer[0] != 0xdb {
		t.Error("a batch whose entries were kept isn't used again")
	}
	if !slices.Equal(sent.Data, entry(1, 1, 100).Data) {
		t.Error("what is being sent has changed")
	}
	must(t, l.Close())
}
