package store

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet-mq/freshet/raftlog"
)

func testRand() *rand.Rand { return rand.New(rand.NewPCG(1, 1)) }

// TestKeep follows a kept record's life: durable at once, in every reader's view from then on, gone with a commit.
func TestKeep(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := open(t, fs)
	kept := []raftlog.Record{{Key: []byte("p1"), Value: []byte("payload")}, {Key: []byte("p2"), Value: []byte{}}}
	if err := s.Keep(1, kept); !errors.Is(err, ErrNoCheckpoint) {
		t.Fatalf("beside no checkpoint: %v", err)
	}
	if err := s.Commit(1, raftlog.CheckpointMeta{Index: 3}, records("a", "1"), true); err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(1, kept); err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(1, []raftlog.Record{{Key: []byte("p1")}}); err == nil {
		t.Fatal("a record without a value was kept")
	}
	closeStore(t, s)
	s = open(t, fs.CrashClone(vfs.CrashCloneCfg{}))
	expectKept := func(key, want string, there bool) {
		t.Helper()
		v, found, err := s.Kept(1, []byte(key))
		if err != nil || found != there || string(v) != want {
			t.Fatalf("%s is %q, %v, %v; expected %q, %v", key, v, found, err, want, there)
		}
	}
	expectKept("p1", "payload", true)
	expectKept("p2", "", true)
	expectKept("p3", "", false)
	if meta, _, err := s.Latest(1); err != nil || meta.Index != 3 {
		t.Fatalf("keeping moved the checkpoint to %d, %v", meta.Index, err)
	}
	r, err := s.Open(1)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, err := range r.Records() {
		if err != nil {
			t.Fatal(err)
		}
		seen++
	}
	if seen != 3 {
		t.Fatalf("a reader sees %d records", seen)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	removal := func(yield func(raftlog.Record, error) bool) { yield(raftlog.Record{Key: []byte("p1")}, nil) }
	if err := s.Commit(1, raftlog.CheckpointMeta{Index: 4}, removal, false); err != nil {
		t.Fatal(err)
	}
	expectKept("p1", "", false)
	expectKept("p2", "", true)
	if err := s.Commit(1, raftlog.CheckpointMeta{Index: 5}, records("b", "2"), true); err != nil {
		t.Fatal(err)
	}
	expectKept("p2", "", false)
	if _, found, err := s.Kept(9, []byte("b")); found || err != nil {
		t.Fatalf("of a group that isn't there: %v, %v", found, err)
	}
	closeStore(t, s)
}
