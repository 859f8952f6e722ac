package store

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/freshet-mq/freshet/raftlog"
)

// TestFailedSync (R4): a commit whose write or sync fails doesn't return, Fatal is told, and what was reported before is there afterwards.
func TestFailedSync(t *testing.T) {
	for kind, suffix := range map[errorfs.OpKind]string{
		errorfs.OpFileWrite: ".log", errorfs.OpFileSyncData: ".log", errorfs.OpFileSync: ".log", errorfs.OpFileWriteAt: witnessFile,
	} {
		fs := vfs.NewCrashableMem()
		var broken, hit atomic.Bool
		faulty := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if broken.Load() && op.Kind == kind && strings.HasSuffix(op.Path, suffix) {
				hit.Store(true)
				return errorfs.ErrInjected
			}
			return nil
		}))
		fatal := make(chan error, 16)
		o := testOptions(t, faulty)
		o.Fatal = func(err error) {
			fatal <- err
			runtime.Goexit() // in place of the process's end: what Pebble holds is given back, and nothing goes on
		}
		s, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Commit(1, raftlog.CheckpointMeta{Index: 1}, records("a", "1"), true); err != nil {
			t.Fatal(err)
		}
		broken.Store(true)
		returned, done := false, make(chan struct{})
		go func() {
			defer close(done)
			err := s.Commit(1, raftlog.CheckpointMeta{Index: 2}, records("a", "2"), false)
			returned = err == nil
		}()
		<-done
		if !hit.Load() {
			continue // Pebble's log has one kind of sync, and which depends on the file system
		}
		if returned {
			t.Fatalf("%v fails, and the commit says that it is durable", kind)
		}
		if err := <-fatal; !errors.Is(err, errorfs.ErrInjected) && !strings.Contains(err.Error(), "injected") {
			t.Fatalf("%v fails, and fatal is told %v", kind, err)
		}
		if suffix == ".log" { // another commit, before the process has ended: Pebble would panic
			done = make(chan struct{})
			go func() {
				defer close(done)
				returned = s.Commit(2, raftlog.CheckpointMeta{Index: 1}, records("b", strings.Repeat("1", 2*buildBytes)), true) == nil
			}()
			if <-done; returned {
				t.Fatalf("%v has failed, and the next commit says that it is durable", kind)
			}
			if err := <-fatal; err == nil {
				t.Fatalf("%v has failed, and the next commit tells no reason", kind)
			}
		}
		again := open(t, fs.CrashClone(vfs.CrashCloneCfg{}))
		v, found, err := again.Kept(1, []byte("a"))
		// With the witness alone failing, the commit may be there: nobody was told that it isn't.
		if err != nil || !found || string(v) != "1" && (suffix == ".log" || string(v) != "2") {
			t.Fatalf("after %v failed, a is %q, %v, %v", kind, v, found, err)
		}
		closeStore(t, again)
	}
}

// TestRot flips one bit at a time, in Pebble's newest log and in the witness. Whatever Pebble makes of it, no commit may be missing without a word.
func TestRot(t *testing.T) {
	fs := vfs.NewMem()
	o := testOptions(t, fs)
	o.MemTableBytes = 1 << 20 // all of it stays in the log
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	const commits = 30
	for at := range uint64(commits) {
		value := strings.Repeat(string(rune('a'+at)), 3_000)
		if err := s.Commit(raftlog.GroupNumber(at), raftlog.CheckpointMeta{Index: at}, records("key", value), true); err != nil {
			t.Fatal(err)
		}
	}
	refused := 0
	for _, name := range slices.Concat(filesOf(t, fs, "state/pebble", ".log"), []string{"state/" + witnessFile}) {
		info, err := fs.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		for at := int64(0); at < info.Size(); at += max(1, info.Size()/40) {
			left := vfs.NewMem() // what a kill leaves: the lock of the store that still runs is not part of it
			if _, err := vfs.Clone(fs, left, "state", "state"); err != nil {
				t.Fatal(err)
			}
			flip(t, left, name, at)
			o.FS = left
			again, err := Open(o)
			if err != nil {
				refused++
				continue
			}
			for g := range raftlog.GroupNumber(commits) {
				if meta, found, err := again.Latest(g); err != nil || !found || meta.Index != uint64(g) {
					t.Fatalf("a bit of %s flipped at %d, and the commit of group %d is gone without a word: %+v, %v, %v", name, at, g, meta, found, err)
				}
			}
			closeStore(t, again)
		}
	}
	if refused == 0 {
		t.Fatal("nothing that flipped was noticed")
	}
	closeStore(t, s)
}

func filesOf(t *testing.T, fs vfs.FS, dir, suffix string) (files []string) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, suffix) {
			files = append(files, fs.PathJoin(dir, name))
		}
	}
	return files
}

func flip(t *testing.T, fs vfs.FS, name string, at int64) {
	t.Helper()
	f, err := fs.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// FuzzCheckpoint: no bytes under a meta's key make decoding panic, and what is decoded encodes to the same.
func FuzzCheckpoint(f *testing.F) {
	for _, c := range []checkpoint{{}, {generation: 7, meta: raftlog.CheckpointMeta{Index: 1 << 40, Term: 3, Membership: []byte("abc"), MembershipIndex: 9}}} {
		f.Add(c.encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeCheckpoint(b)
		if err != nil {
			return
		}
		again, err := decodeCheckpoint(c.encode())
		if err != nil || again.generation != c.generation || again.meta.Index != c.meta.Index || !bytes.Equal(again.meta.Membership, c.meta.Membership) {
			t.Fatalf("%x is %+v, and then %+v, %v", b, c, again, err)
		}
	})
}

// TestFailedOpen: whichever sync of a directory fails while a store is opened and closed, a new one and one that is there, it is said in a sentence. (Files' syncs that fail
// are Fatal's, which ends the process.)
func TestFailedOpen(t *testing.T) {
	there := vfs.NewMem()
	s := open(t, there)
	if err := s.Commit(1, raftlog.CheckpointMeta{Index: 1}, records("a", "1"), true); err != nil {
		t.Fatal(err)
	}
	left := vfs.NewMem() // what a kill leaves
	if _, err := vfs.Clone(there, left, "state", "state"); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	for name, before := range map[string]*vfs.MemFS{"new": vfs.NewMem(), "there": left} {
		failures := 0
		for nth, more := int64(1), true; more; nth++ {
			fs := vfs.NewMem()
			if name == "there" {
				if _, err := vfs.Clone(before, fs, "state", "state"); err != nil {
					t.Fatal(err)
				}
			}
			var syncs atomic.Int64
			var failed atomic.Bool
			faulty := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
				directory := op.Path == "state" || op.Path == "state/pebble"
				if directory && op.Kind == errorfs.OpFileSync && syncs.Add(1) == nth {
					failed.Store(true)
					return errorfs.ErrInjected
				}
				return nil
			}))
			o := testOptions(t, faulty)
			told := make(chan error, 16)
			o.Fatal = func(err error) {
				told <- err
				runtime.Goexit() // as above; what it held stays so
			}
			go func() {
				s, err := Open(o)
				if err == nil {
					err = s.Close() // which waits for what Pebble does by itself
				}
				told <- err
			}()
			if err := <-told; err != nil {
				failures++
				if strings.Contains(err.Error(), ".go:") || !strings.Contains(err.Error(), "injected") {
					t.Errorf("%s: sync %d fails: %v", name, nth, err)
				}
			}
			more = failed.Load()
		}
		if failures < 3 {
			t.Errorf("%s: %d syncs failed", name, failures)
		}
	}
}
