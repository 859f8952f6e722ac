package raftlog

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/raft"
)

var errDisk = errors.New("input/output error")

// faulty is a disk that fails on demand.
type faulty struct {
	disk
	storing, deleting, setting atomic.Bool
	// unreadable is an entry that can't be read; 0: all can.
	unreadable atomic.Uint64
}

func (f *faulty) StoreLogs(entries []*raft.Log) error {
	if f.storing.Load() {
		return errDisk
	}
	return f.disk.StoreLogs(entries)
}

func (f *faulty) GetLog(index uint64, entry *raft.Log) error {
	if index == f.unreadable.Load() {
		return errDisk
	}
	return f.disk.GetLog(index, entry)
}

func (f *faulty) DeleteRange(from, to uint64) error {
	if f.deleting.Load() {
		return errDisk
	}
	return f.disk.DeleteRange(from, to)
}

func (f *faulty) SetUint64(key []byte, value uint64) error {
	if f.setting.Load() {
		return errDisk
	}
	return f.disk.SetUint64(key, value)
}

// openFaulty opens a group on a faulty disk; what Fatal is told arrives in the channel.
func openFaulty(t *testing.T, options Options) (*Group, *faulty, <-chan error) {
	t.Helper()
	f := &faulty{}
	fatal := make(chan error, 10)
	options.wrapDisk = func(d disk) disk { f.disk = d; return f }
	options.Fatal = func(err error) { fatal <- err }
	return openLeading(t, options), f, fatal
}

// TestUnreadableAtStart: a group whose log can't be read doesn't start, and says so.
func TestUnreadableAtStart(t *testing.T) {
	options := testOptions(t, t.TempDir())
	g, err := Open(options)
	if err != nil {
		t.Fatal(err)
	}
	<-g.Leadership()
	propose(t, g, []byte("good"))
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	options.wrapDisk = func(d disk) disk {
		f := &faulty{disk: d}
		f.unreadable.Store(1) // which names the members
		return f
	}
	if _, err := Open(options); !errors.Is(err, errDisk) {
		t.Fatalf("it starts: %v", err)
	}
}

// TestFailedWrite (R4): the command's outcome is unknown, Fatal is told once, the group loses leadership and takes nothing
// more, although the disk works again, and it can be closed.
func TestFailedWrite(t *testing.T) {
	options := testOptions(t, t.TempDir())
	g, f, fatal := openFaulty(t, options)
	propose(t, g, []byte("good"))
	f.storing.Store(true)
	if _, err := g.Propose([]byte("bad")).Wait(t.Context()); !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, errDisk) {
		t.Fatalf("a failed write: %v", err)
	}
	f.storing.Store(false)
	if err := <-fatal; !errors.Is(err, errDisk) {
		t.Fatalf("fatal: %v", err)
	}
	if lost, ok := <-g.Leadership(); lost.Leading || !ok || lost.Term == 0 {
		t.Fatalf("leadership after the failure: %+v, %v", lost, ok)
	}
	if _, err := g.Propose([]byte("after")).Wait(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("proposing to a failed group: %v", err)
	}
	if err := g.Checkpoint(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("a checkpoint of a failed group: %v", err)
	}
	if status := g.Status(); status.Leader != "" {
		t.Fatalf("a failed group is led by %q", status.Leader)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if len(fatal) > 0 {
		t.Fatalf("told again: %v", <-fatal)
	}
	// Only the good command is found again.
	again := testOptions(t, options.Dir)
	openLeading(t, again)
	if got := stateOf(again); got[0] != 1 {
		t.Fatalf("%d commands were applied", got[0])
	}
}

// TestFailedRemoval: so does a failed removal, which nobody waits for.
func TestFailedRemoval(t *testing.T) {
	options := testOptions(t, t.TempDir())
	options.CheckpointBytes = 1 << 10
	g, f, fatal := openFaulty(t, options)
	f.deleting.Store(true)
	g.Retain(RetainNone)
	for len(fatal) == 0 {
		if _, err := g.Propose(make([]byte, 500)).Wait(t.Context()); err != nil {
			break
		}
	}
	if err := <-fatal; !errors.Is(err, errDisk) {
		t.Fatalf("fatal: %v", err)
	}
	if _, err := g.Propose(nil).Wait(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("proposing to a failed group: %v", err)
	}
	if lost := <-g.Leadership(); lost.Leading {
		t.Fatalf("leadership after the failure: %+v", lost)
	}
}

// TestFailedTerm fails the other kind of write, that of a term or a vote. The library would panic if it couldn't take on a
// term; then it has it in memory alone, and neither a vote nor an entry can be written.
func TestFailedTerm(t *testing.T) {
	s := openTestStore(t, t.TempDir(), 1)
	f := &faulty{disk: s.disk}
	s.disk = f
	var fatal error
	s.onFail = func(err error) { fatal = err }
	f.setting.Store(true)
	for range 2 {
		if err := s.SetUint64(keyCurrentTerm, 2); err != nil || !errors.Is(fatal, errDisk) {
			t.Fatalf("%v, fatal %v", err, fatal)
		}
	}
	f.setting.Store(false)
	if err := s.SetUint64(keyLastVoteTerm, 2); !errors.Is(err, errDisk) {
		t.Fatalf("a vote behind it: %v", err)
	}
	if err := s.StoreLog(&raft.Log{Index: s.mu.last + 1, Term: 2}); !errors.Is(err, errDisk) {
		t.Fatalf("an entry behind it: %v", err)
	}
}

// TestFatalPanics: what happens when nobody says what should.
func TestFatalPanics(t *testing.T) {
	options := Options{}
	options.EnsureDefaults()
	defer func() {
		if got := recover(); got != errDisk { //nolint:errorlint // panics carry the very value
			t.Fatalf("recovered %v", got)
		}
	}()
	options.Fatal(errDisk)
}
