package wal

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/hashicorp/raft"
)

var errDisk = errors.New("input/output error")

// TestFailedWrite (R4): whichever write, sync or rename fails, the one who waits for it is told, Fatal is called once, and
// nothing that comes later succeeds although the disk works again. What was reported before is found by the next Open.
func TestFailedWrite(t *testing.T) {
	for _, kind := range []errorfs.OpKind{errorfs.OpFileWriteAt, errorfs.OpFileSyncData, errorfs.OpFileSync, errorfs.OpRename} {
		failing := atomic.Bool{}
		inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == kind && failing.Load() && !strings.Contains(op.Path, newSuffix) {
				return errDisk
			}
			return nil
		})
		mem := vfs.NewMem()
		fatal := make(chan error, 10)
		o := testOptions(t, errorfs.Wrap(mem, inject))
		o.Fatal = func(err error) { fatal <- err }
		l := mustOpen(t, o)
		g, other := mustGroup(t, l, 1), mustGroup(t, l, 2)
		must(t, g.StoreLog(entry(1, 1, 5000)))
		failing.Store(true)
		last, err := uint64(1), error(nil)
		for err == nil { // some calls come only with a new segment
			if err = g.StoreLog(entry(last+1, 1, 5000)); err == nil {
				last++
			}
		}
		failing.Store(false)
		if !errors.Is(err, errDisk) {
			t.Fatalf("%v fails: %v", kind, err)
		}
		if told := <-fatal; !errors.Is(told, errDisk) {
			t.Fatalf("Fatal was told %v", told)
		}
		for what, err := range map[string]error{
			"append": g.StoreLog(entry(last+1, 1, 1)), "append of another group": other.StoreLog(entry(1, 1, 1)), "term": other.SetUint64([]byte(keyCurrentTerm), 1),
			"truncate": g.DeleteRange(last, last), "prefix": g.DeleteRange(1, 1), "remove": g.Remove(), "restart": g.Restart(100, 1), "half a vote": g.SetUint64([]byte(keyLastVoteTerm), 9),
		} {
			if !errors.Is(err, errDisk) {
				t.Errorf("%v failed; afterwards %s: %v", kind, what, err)
			}
		}
		if _, err := l.Group(3); !errors.Is(err, errDisk) {
			t.Errorf("a group was made: %v", err)
		}
		wantEntry(t, g, entry(last, 1, 5000))
		must(t, l.Close())
		if len(fatal) > 0 {
			t.Fatalf("told again: %v", <-fatal)
		}
		l = mustOpen(t, testOptions(t, mem))
		wantEntry(t, mustGroup(t, l, 1), entry(last, 1, 5000))
		must(t, l.Close())
	}
}

// TestBroken (R3): what can't be meant is fatal, and not written.
func TestBroken(t *testing.T) {
	for name, change := range map[string]func(g *Group) error{
		"gap":         func(g *Group) error { return g.StoreLog(entry(5, 2, 1)) },
		"overwriting": func(g *Group) error { return g.StoreLog(entry(3, 2, 1)) },
		"gap inside":  func(g *Group) error { return g.StoreLogs([]*raft.Log{entry(4, 2, 1), entry(6, 2, 1)}) },
		"term back":   func(g *Group) error { return g.StoreLog(entry(4, 1, 1)) },
		"index zero":  func(g *Group) error { return g.StoreLog(entry(0, 2, 1)) },
		"too large":   func(g *Group) error { return g.StoreLog(entry(4, 2, segmentBytesMin/4)) },
		"hole":        func(g *Group) error { return g.DeleteRange(2, 2) },
		"behind an installed snapshot": func(g *Group) error {
			return errors.Join(g.Restart(10, 3), g.StoreLog(entry(4, 3, 1)))
		},
		"term before an installed snapshot's": func(g *Group) error {
			return errors.Join(g.Restart(10, 3), g.StoreLog(entry(11, 2, 1)))
		},
	} {
		var fatal []error
		o := testOptions(t, vfs.NewMem())
		o.Fatal = func(err error) { fatal = append(fatal, err) }
		l := mustOpen(t, o)
		g := mustGroup(t, l, 1)
		must(t, g.StoreLogs([]*raft.Log{entry(1, 1, 1), entry(2, 2, 1), entry(3, 2, 1)}))
		if err := change(g); err == nil || len(fatal) != 1 || !errors.Is(err, fatal[0]) {
			t.Errorf("%s: %v, fatal %v", name, err, fatal)
		}
		must(t, l.Close())
	}
}

// TestRefusals: these are errors of one call, and nothing else.
func TestRefusals(t *testing.T) {
	l := mustOpen(t, testOptions(t, vfs.NewMem()))
	g := mustGroup(t, l, 1)
	must(t, g.StoreLogs([]*raft.Log{entry(1, 1, 1), entry(2, 1, 1), entry(3, 1, 1), entry(4, 1, 1)}))
	must(t, g.DeleteRange(1, 2))
	for what, c := range map[string]struct{ got, want error }{
		"long value":     {g.Set([]byte("k"), make([]byte, stableBytesLimit)), ErrTooLarge},
		"long key":       {g.Set(make([]byte, keyBytesMax+1), nil), ErrTooLarge},
		"old checkpoint": {g.Restart(1, 2), ErrGone},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: %v, want %v", what, c.got, c.want)
		}
	}
	if err := g.Adopt([]*raft.Log{entry(3, 1, 1), entry(5, 1, 1)}); err == nil {
		t.Error("an entry was adopted that the library knows of")
	}
	for id := GroupID(2); ; id++ {
		if _, err := l.Group(id); err != nil {
			if !errors.Is(err, ErrTooLarge) || id < 100 {
				t.Errorf("group %d: %v", id, err)
			}
			break
		}
	}
	must(t, g.Remove())
	if err := g.StoreLog(entry(5, 1, 1)); !errors.Is(err, ErrRemoved) {
		t.Error(err)
	}
	must(t, mustGroup(t, l, 1).StoreLog(entry(1, 1, 1)))
	must(t, l.Close())
	for what, err := range map[string]error{"append": g.StoreLog(entry(5, 1, 1)), "close": l.Close()} {
		if !errors.Is(err, ErrClosed) && !errors.Is(err, ErrRemoved) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
}

// TestDiskFull: that the disk has no room for another segment is said, and tried again each second; appends go on in the
// reserve. Only when that is full too they fail, and the log with them.
func TestDiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := atomic.Bool{}
		inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
			if full.Load() && op.Kind == errorfs.OpFileWrite {
				return syscall.ENOSPC
			}
			return nil
		})
		var fatal error
		o := testOptions(t, errorfs.Wrap(vfs.NewMem(), inject))
		o.Fatal = func(err error) { fatal = err }
		l := mustOpen(t, o)
		g := mustGroup(t, l, 1)
		last := uint64(0)
		fill := func(until func() bool) {
			for !until() && fatal == nil {
				if err := g.StoreLog(entry(last+1, 1, 3000)); err == nil {
					last++
				}
				synctest.Wait()
			}
		}
		full.Store(true)
		fill(func() bool { return l.Usage().DiskFull })
		u := l.Usage()
		if fatal != nil || u.Spares != 0 || u.BytesMax != int64(u.Segments)*segmentBytesMin {
			t.Fatalf("%v, %+v", fatal, u)
		}
		full.Store(false)
		<-time.After(2 * allocateRetry) // in the bubble's time
		synctest.Wait()
		if u := l.Usage(); u.DiskFull || u.Spares != 1 || u.BytesMax != o.BytesMax {
			t.Fatalf("there is room again: %+v", u)
		}
		full.Store(true)
		fill(func() bool { return false })
		if !errors.Is(fatal, ErrFull) || !errors.Is(fatal, syscall.ENOSPC) {
			t.Fatalf("when the reserve is full as well: %v", fatal)
		}
		must(t, l.Close())
		// It can be opened while the disk is full, and goes on when it has room.
		fatal = nil
		l = mustOpen(t, o)
		full.Store(false)
		g = mustGroup(t, l, 1)
		wantEntry(t, g, entry(last, 1, 3000))
		must(t, g.StoreLog(entry(last+1, 1, 3000)))
		must(t, l.Close())
	})
}

// TestBytesMax: where the owner doesn't stop in time, the log does.
func TestBytesMax(t *testing.T) {
	fatal := make(chan error, 1)
	o := testOptions(t, vfs.NewMem())
	o.BytesMax = segmentsMin * segmentBytesMin
	o.Fatal = func(err error) { fatal <- err }
	l := mustOpen(t, o)
	g := mustGroup(t, l, 1)
	last, err := uint64(0), error(nil)
	for ; err == nil; last++ {
		err = g.StoreLog(entry(last+1, 1, 3000))
	}
	if !errors.Is(err, ErrFull) || !errors.Is(<-fatal, ErrFull) {
		t.Fatal(err)
	}
	if u := l.Usage(); u.Segments != segmentsMin || u.Bytes > u.BytesMax {
		t.Fatalf("%+v", u)
	}
	pins := l.Pins()
	if len(pins) != 1 || pins[0].Group != 1 || pins[0].Why != ReasonRetained || pins[0].Oldest != 1 || pins[0].Bytes == 0 {
		t.Fatalf("pinned by %+v", pins)
	}
	must(t, l.Close())
}

// TestSyncOverdue: while a sync hangs it can be seen for how long.
func TestSyncOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		hanging := atomic.Bool{}
		inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileSyncData && hanging.Load() {
				<-hang
			}
			return nil
		})
		l := mustOpen(t, testOptions(t, errorfs.Wrap(vfs.NewMem(), inject)))
		g := mustGroup(t, l, 1)
		if overdue := l.SyncOverdue(); overdue != 0 {
			t.Fatalf("overdue by %v while nothing happens", overdue)
		}
		hanging.Store(true)
		done := make(chan error, 1)
		go func() { done <- g.StoreLog(entry(1, 1, 1)) }()
		<-time.After(3 * time.Second) // in the bubble's time
		synctest.Wait()
		if overdue := l.SyncOverdue(); overdue != 3*time.Second {
			t.Fatalf("overdue by %v", overdue)
		}
		close(hang)
		must(t, <-done)
		if overdue := l.SyncOverdue(); overdue != 0 {
			t.Fatalf("overdue by %v afterwards", overdue)
		}
		must(t, l.Close())
	})
}

// TestHalfAVote: the first half of a vote alone is not on disk, the second brings both.
func TestHalfAVote(t *testing.T) {
	fs := newCrashFS()
	o := testOptions(t, fs)
	o.manual = true
	l := mustOpen(t, o)
	g := mustGroup(t, l, 1)
	must(t, g.SetUint64([]byte(keyLastVoteTerm), 1))
	must(t, g.Set([]byte(keyLastVoteCand), []byte("n1")))
	after := func() (uint64, string) {
		o.FS = fs.crash(nil, crashKeeps)
		left := mustGroup(t, mustOpen(t, o), 1)
		candidate, err := left.Get([]byte(keyLastVoteCand))
		must(t, err)
		term, err := left.GetUint64([]byte(keyLastVoteTerm))
		must(t, err)
		return term, string(candidate)
	}
	must(t, g.SetUint64([]byte(keyLastVoteTerm), 2))
	must(t, g.SetUint64([]byte(keyCurrentTerm), 2)) // another record does not carry it along
	if term, candidate := after(); term != 1 || candidate != "n1" {
		t.Fatalf("half a vote: %d, %s", term, candidate)
	}
	if term, err := g.GetUint64([]byte(keyLastVoteTerm)); err != nil || term != 2 {
		t.Fatalf("it reads as %d, %v", term, err)
	}
	must(t, g.Set([]byte(keyLastVoteCand), []byte("n1"))) // the same candidate as before
	if term, candidate := after(); term != 2 || candidate != "n1" {
		t.Fatalf("a vote: %d, %s", term, candidate)
	}
}

// TestBuffersAreUsedAgain: a follower's batches are, once applied, and are poisoned then; what a leader reads, or an owner, is
// not.
func TestBuffersAreUsedAgain(t *testing.T) {
	o := testOptions(t, vfs.NewMem())
	o.CacheBytes, o.arenaBytes = 1, 1
	l := mustOpen(t, o)
	g := mustGroup(t, l, 1)
	var held []*raft.Log
	read := func(last uint64, get func(uint64, *raft.Log) error) {
		must(t, g.StoreLog(entry(last, 1, 100)))
		var e raft.Log
		must(t, get(last, &e))
		held = append(held, &e)
	}
	poisoned := func() (n int) {
		for _, e := range held {
			if !slices.Equal(e.Data, entry(e.Index, e.Term, 100).Data) {
				n++
			}
		}
		held = nil
		return n
	}
	push := func(from uint64) { // what was read out of the cache
		for i := from; i < from+3; i++ {
			must(t, g.StoreLog(entry(i, 1, 100)))
		}
		g.Applied(from + 2)
	}
	must(t, g.SetUint64([]byte(keyCurrentTerm), 7))
	read(1, g.GetLog)
	g.Applied(1)
	push(2)
	g.Following(6) // of an older term
	read(5, g.GetLog)
	g.Applied(5)
	push(6)
	g.Following(7)
	read(9, g.Read)
	g.Applied(9)
	push(10)
	if n := poisoned(); n != 0 {
		t.Fatalf("%d entries that were lent are gone", n)
	}
	read(13, g.GetLog)
	must(t, g.StoreLogs([]*raft.Log{entry(14, 1, 100), entry(15, 1, 100)})) // not applied
	if n := poisoned(); n != 0 {
		t.Fatal("an entry is gone that is not applied")
	}
	read(16, g.GetLog)
	g.Applied(16)
	push(17)
	if n := poisoned(); n != 1 {
		t.Fatalf("%d batches of a follower were used again, want 1", n)
	}
	must(t, g.Set([]byte(keyCurrentTerm), binary.BigEndian.AppendUint64(nil, 8))) // it stands for election
	read(20, g.GetLog)
	g.Applied(20)
	push(21)
	if n := poisoned(); n != 0 {
		t.Fatal("an entry is gone that a leader may be sending")
	}
	must(t, l.Close())
}
