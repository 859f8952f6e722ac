package wal

import (
	"errors"
	"path"
	"testing"

	"github.com/hashicorp/raft"
)

// stopped unwinds what a test has seen enough of.
var errStopped = errors.New("stopped")

// until runs something until a hook of the file system's panics with errStopped.
func until(t *testing.T, run func()) {
	t.Helper()
	defer func() {
		if recovered := recover(); recovered != errStopped { //nolint:errorlint // panics carry the very value
			t.Fatalf("it was not stopped: %v", recovered)
		}
	}()
	run()
}

// TestKilledWhileRetiring (R1): the process is killed between renaming a retired segment and syncing the directory. The next
// one uses the file again, writes the header of another segment into it, and loses power before the directory is synced
// for that: the file is back under its old name, where a header of another segment would be damage.
func TestKilledWhileRetiring(t *testing.T) {
	fs := newCrashFS()
	o := testOptions(t, fs)
	o.manual = true
	l := mustOpen(t, o)
	g := mustGroup(t, l, 1)
	last := uint64(0)
	fill := func(g *Group, segments int) {
		for g.log.segments.count() < segments {
			last++
			must(t, g.StoreLog(entry(last, 1, 3000)))
		}
	}
	fill(g, 3)
	g.Covered(last - 1)
	g.Retain(last - 1)
	must(t, g.DeleteRange(1, last-1))
	fs.after = func(what string) {
		if what == "rename" {
			panic(errStopped)
		}
	}
	until(t, func() { l.retireOne() })

	fs = fs.killed()
	fs.after = func(string) {}
	for name := range fs.names { // what is left of the reserve is in use elsewhere
		if _, spare := parseSpareName(path.Base(name)); spare && fs.synced[name] != nil {
			delete(fs.names, name)
			delete(fs.synced, name)
		}
	}
	o.FS = fs
	o.lazy = true
	l = mustOpen(t, o)
	fs.after = func(what string) {
		if what == "rename" { // the header is written and synced
			panic(errStopped)
		}
	}
	until(t, func() { fill(mustGroup(t, l, 1), 9) })

	o.FS = fs.crash(nil, crashDrops)
	l = mustOpen(t, o)
	wantEntry(t, mustGroup(t, l, 1), entry(l.groups.byID[1].mu.last, 1, 3000))
}

// TestIdleGroup: a group that nobody writes to keeps its few entries, and the log's beginning goes all the same, while a busy
// one lets go of what it wrote. Nothing is asked of the idle one.
func TestIdleGroup(t *testing.T) {
	fs := newCrashFS()
	o := testOptions(t, fs)
	o.manual, o.BytesMax = true, 8*segmentBytesMin
	o.CheckpointWanted = func(id GroupID) { t.Errorf("a checkpoint of group %d is wanted", id) }
	l := mustOpen(t, o)
	idle, busy := mustGroup(t, l, 1), mustGroup(t, l, 2)
	must(t, idle.SetUint64([]byte(keyCurrentTerm), 3))
	must(t, idle.StoreLogs([]*raft.Log{entry(1, 1, 100), entry(2, 3, 100)}))
	const rounds = 2000
	for i := uint64(1); i <= rounds; i++ {
		must(t, busy.StoreLog(entry(i, 1, 3000)))
		if i%4 == 0 {
			busy.Covered(i)
			busy.Retain(i)
			must(t, busy.DeleteRange(1, i-1))
		}
		for more := true; more; {
			more = l.retireOne()
		}
		if u := l.Usage(); u.Segments > 4 {
			t.Fatalf("round %d: %+v, pinned by %+v", i, u, l.Pins())
		}
	}
	must(t, l.Close())
	l = mustOpen(t, o)
	idle = mustGroup(t, l, 1)
	wantEntry(t, idle, entry(1, 1, 100))
	wantEntry(t, idle, entry(2, 3, 100))
	if u := idle.Usage(); u.First != 1 || u.Last != 2 {
		t.Fatalf("%+v", u)
	}
	if term, err := idle.GetUint64([]byte(keyCurrentTerm)); err != nil || term != 3 {
		t.Fatalf("term %d, %v", term, err)
	}
	must(t, idle.StoreLog(entry(3, 3, 10)))
	must(t, l.Close())
}

// TestCheckpointsAreAskedFor: what a group has written and no checkpoint covers is asked for when the log is half full, or has some
// segments that could be used again, named as the reason, and gone afterwards. What an owner retains is named as such, and nobody is asked.
func TestCheckpointsAreAskedFor(t *testing.T) {
	t.Run("half full", func(t *testing.T) { testCheckpointsAreAskedFor(t, 8) })
	t.Run("some segments", func(t *testing.T) { testCheckpointsAreAskedFor(t, 1_000) })
}

func testCheckpointsAreAskedFor(t *testing.T, segmentsMax int64) {
	wanted := map[GroupID]int{}
	o := testOptions(t, newCrashFS())
	o.manual, o.BytesMax = true, segmentsMax*segmentBytesMin
	o.CheckpointWanted = func(id GroupID) { wanted[id]++ }
	l := mustOpen(t, o)
	g, other := mustGroup(t, l, 1), mustGroup(t, l, 2)
	must(t, other.StoreLog(entry(1, 1, 10)))
	g.Retain(1 << 40)
	last := uint64(0)
	fill := func(segments int) {
		for l.segments.count() < segments {
			last++
			must(t, g.StoreLog(entry(last, 1, 3000)))
			l.retireOne()
		}
	}
	fill(min(int(l.checkpointsFrom()), int(segmentsMax)/2) - 1)
	if len(wanted) > 0 {
		t.Fatalf("asked %v while there is room", wanted)
	}
	fill(min(int(l.checkpointsFrom()), int(segmentsMax)/2) + 2)
	pins := l.Pins()
	if wanted[1] == 0 || wanted[2] > 0 || len(pins) != 2 || pins[0].Group != 1 || pins[0].Why != ReasonCheckpoint || pins[1].Why != ReasonRetained {
		t.Fatalf("asked %v, pinned by %+v", wanted, pins)
	}
	g.Covered(last)
	must(t, g.DeleteRange(1, last-1))
	for more := true; more; {
		more = l.retireOne()
	}
	if u := l.Usage(); u.Segments > 2 {
		t.Fatalf("%+v, pinned by %+v", u, l.Pins())
	}
	if usage := other.Usage(); usage.First != 1 || usage.Last != 1 {
		t.Fatalf("%+v", usage)
	}
	wantEntry(t, other, entry(1, 1, 10))
}
