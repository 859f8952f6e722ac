package store

import (
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet-mq/freshet/raftlog"
)

// TestDamageIsASentence flips bits of a table, and reads it with what Pebble is told here. What it is told of the damage is a line that names the file, and no
// more goes on behind it.
func TestDamageIsASentence(t *testing.T) {
	fs := vfs.NewMem()
	o := Options{FS: fs, Dir: "state"}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(1, raftlog.CheckpointMeta{Index: 1}, records("key", strings.Repeat("value", 10_000)), true); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	tables := filesOf(t, fs, "state/pebble", ".sst")
	if len(tables) == 0 {
		t.Fatal("there is no table")
	}
	flip(t, fs, tables[0], 100) // in its first block

	var told error
	o.Fatal = func(err error) { told = err }
	o.EnsureDefaults()
	options := o.pebbleOptions()
	options.ReadOnly, options.DisableTableStats = true, true
	db, err := pebble.Open("state/pebble", options)
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("it was read on")
			}
		}()
		it, err := db.NewIter(nil)
		if err != nil {
			t.Error(err)
			return
		}
		for more := it.First(); more; {
			more = it.Next()
		}
	}()
	if told == nil || !strings.HasPrefix(told.Error(), "store: damaged: state/pebble/") || !strings.Contains(told.Error(), "checksum") || strings.Contains(told.Error(), "\n") {
		t.Errorf("it is told so: %v", told)
	}
}
