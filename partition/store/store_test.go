package store

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet-mq/freshet/raftlog"
	"github.com/freshet-mq/freshet/raftlog/raftlogtest"
)

// testOptions are of a store whose memory tables are so small that tests see them written.
func testOptions(tb testing.TB, fs vfs.FS) Options {
	return Options{FS: fs, Dir: "state", MemTableBytes: 64 << 10, Fatal: func(err error) { tb.Errorf("fatal: %v", err) }}
}

func open(tb testing.TB, fs vfs.FS) *Store {
	tb.Helper()
	s, err := Open(testOptions(tb, fs))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func closeStore(tb testing.TB, s *Store) {
	tb.Helper()
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
}

func TestStateStore(t *testing.T) {
	raftlogtest.TestStateStore(t, func(tb testing.TB, fs vfs.FS) raftlogtest.StateStore { return open(tb, fs) })
}

func records(pairs ...string) func(func(raftlog.Record, error) bool) {
	return func(yield func(raftlog.Record, error) bool) {
		for i := 0; i < len(pairs); i += 2 {
			if !yield(raftlog.Record{Key: []byte(pairs[i]), Value: []byte(pairs[i+1])}, nil) {
				return
			}
		}
	}
}

// onDisk counts the records of a group in all its generations.
func onDisk(tb testing.TB, s *Store, g raftlog.GroupNumber) (n int) {
	tb.Helper()
	from, to := groupSpan(g)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		tb.Fatal(err)
	}
	for it.First(); it.Valid(); it.Next() {
		n++
	}
	if err := it.Close(); err != nil {
		tb.Fatal(err)
	}
	return n
}

// TestGenerationsGo: what was replaced, and what never came to be, doesn't stay.
func TestGenerationsGo(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := open(t, fs)
	for at := range uint64(5) {
		if err := s.Commit(1, raftlog.CheckpointMeta{Index: at}, records("a", "1", "b", "2"), true); err != nil {
			t.Fatal(err)
		}
	}
	if n := onDisk(t, s, 1); n != 2 {
		t.Fatalf("after five whole states of two records there are %d", n)
	}
	broken := func(yield func(raftlog.Record, error) bool) {
		for i := range byte(20) {
			if !yield(raftlog.Record{Key: []byte{i}, Value: make([]byte, 1<<20)}, nil) {
				return
			}
		}
		yield(raftlog.Record{}, ErrCorrupt)
	}
	if err := s.Commit(1, raftlog.CheckpointMeta{Index: 9}, broken, true); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("a sequence that breaks off is answered with %v", err)
	}
	if n := onDisk(t, s, 1); n != 2 {
		t.Fatalf("a state that broke off left %d records, two of the checkpoint", n)
	}
	// The power goes in the middle of a sixth, of a size that is written in several batches, and of another group's first.
	var crashed *vfs.MemFS
	half := func(yield func(raftlog.Record, error) bool) {
		for i := range byte(20) {
			if !yield(raftlog.Record{Key: []byte{i}, Value: make([]byte, 1<<20)}, nil) {
				return
			}
		}
		crashed = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: testRand()})
	}
	for _, g := range []raftlog.GroupNumber{1, 2} {
		if err := s.Commit(g, raftlog.CheckpointMeta{Index: 9}, half, true); err != nil {
			t.Fatal(err)
		}
		again := open(t, crashed)
		if one, two := onDisk(t, again, 1), onDisk(t, again, 2); g == 1 && one != 2 || two != 0 {
			t.Fatalf("the crash left %d records of group 1 and %d of group 2", one, two)
		}
		closeStore(t, again)
	}
	closeStore(t, s)
}

// TestForeign refuses a directory of another format, and options that make no sense.
func TestForeign(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, fs)
	if err := s.db.Set(formatKey, []byte{storeVersion + 1, 0, 0, 0, 0, 0, 0, 0, 9}, pebble.Sync); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	if _, err := Open(testOptions(t, fs)); err == nil {
		t.Fatal("a store of a later format was opened")
	}
	for _, change := range []func(*Options){
		func(o *Options) { o.Dir = "" }, func(o *Options) { o.MemTableBytes = 1 }, func(o *Options) { o.CacheBytes = -1 },
	} {
		o := testOptions(t, fs)
		change(&o)
		if _, err := Open(o); err == nil {
			t.Fatalf("options %+v were taken", o)
		}
	}
}

// TestOwnDirectory: the defaults open a store on a real directory, which only its owner can read.
func TestOwnDirectory(t *testing.T) {
	dir := t.TempDir() + "/state"
	for range 2 {
		s, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Commit(1, raftlog.CheckpointMeta{Index: 1}, records("a", "1"), true); err != nil {
			t.Fatal(err)
		}
		if s.Bytes() == 0 {
			t.Fatal("the store takes no room")
		}
		closeStore(t, s)
	}
	info, err := vfs.Default.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("the directory's mode is %v, %v", info.Mode(), err)
	}
}
