package partition

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/partition/store"
	"github.com/freshet-mq/freshet/raftlog"
)

// forgetfulLog has let go of all entries up to one.
type forgetfulLog struct {
	entryReader
	gone atomic.Uint64
}

func (l *forgetfulLog) Read(index uint64) (raftlog.Entry, error) {
	if index <= l.gone.Load() {
		return raftlog.Entry{}, raftlog.ErrNotRetained
	}
	return l.entryReader.Read(index)
}

// refusingKeeper keeps no copy while it is told not to.
type refusingKeeper struct {
	Keeper
	refuses atomic.Bool
}

func (k *refusingKeeper) Keep(records []raftlog.Record) error {
	if k.refuses.Load() {
		return errors.New("no room for a copy")
	}
	return k.Keeper.Keep(records)
}

// openKeeping opens a partition in a directory whose checkpoints, and copies of dead letters, are in a store. What it reads goes through the returned log.
func openKeeping(t *testing.T, dir string) (*Partition, *store.Store, *forgetfulLog, func()) {
	t.Helper()
	return openKeepingBy(t, dir, func(k Keeper) Keeper { return k })
}

// openKeepingBy is openKeeping with something between the partition and the store's copies.
func openKeepingBy(t *testing.T, dir string, by func(Keeper) Keeper) (*Partition, *store.Store, *forgetfulLog, func()) {
	t.Helper()
	closeTestNode(t, dir)
	state, err := store.Open(store.Options{Dir: filepath.Join(dir, "state")})
	if err != nil {
		t.Fatal(err)
	}
	node := testNode(t, dir, func(o *raftlog.NodeOptions) { o.State, o.SegmentBytes = state, 1<<20 })
	log := &forgetfulLog{}
	p, err := openLeading(t, Options{
		Log: node, Keeper: by(state.Group(GroupOf(0))), Fatal: func(err error) { t.Errorf("fatal: %v", err) },
		reading: func(r entryReader) entryReader {
			log.entryReader = r
			return log
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, state, log, func() {
		if err := p.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
		closeTestNode(t, dir)
		if err := state.Close(); err != nil {
			t.Errorf("closing the state: %v", err)
		}
	}
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 5_000 {
		if holds() {
			return
		}
		timer := time.NewTimer(2 * time.Millisecond)
		<-timer.C
	}
	t.Fatalf("it never came about: %s", what)
}

// TestDeadLetterOutOfTheLog has a dead letter outlive the log: it is copied, the log is told that it may go, and listing, redriving and delivering find
// the copy, also after a restart. When it is settled, the copy goes.
func TestDeadLetterOutOfTheLog(t *testing.T) {
	dir := t.TempDir()
	p, state, log, done := openKeeping(t, dir)
	if err := p.PutStream(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := p.PutSubscription(t.Context(), queue(10, "")); err != nil {
		t.Fatal(err)
	}
	id := CursorID{Subscription: 10}
	publish(t, p, "one", "poison", "three")
	d, err := p.Take(t.Context(), TakeCommand{Cursor: id, Events: 3, Bytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Return(t.Context(), Decision{Verb: VerbReject, Reason: "no"}, []Receipt{{id, 1, d.Epoch}}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Return(t.Context(), Decision{Verb: VerbAck}, []Receipt{{id, 0, d.Epoch}, {id, 2, d.Epoch}}); err != nil {
		t.Fatal(err)
	}
	if err := p.group.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	key := copyKey{1, 1}.record()
	copied := func() bool {
		_, found, err := state.Kept(GroupOf(0), key)
		return err == nil && found
	}
	eventually(t, "the dead letter is copied", copied)
	eventually(t, "nothing holds the log", func() bool { return p.replica.copies.lowest() > 1<<60 && !p.Status().Held })

	check := func() {
		t.Helper()
		log.gone.Store(p.group.Usage().Last)
		page, err := p.DeadLetters(t.Context(), DeadFilter{Cursor: id}, 10)
		if err != nil || len(page.Letters) != 1 {
			t.Fatalf("dead letters: %+v, %v", page, err)
		}
		if got := fmt.Sprint(blockEvents(t, page.Letters[0].Block)); got != "[poison]" {
			t.Fatalf("the dead letter is %s", got)
		}
	}
	check()
	done()

	p, state, log, done = openKeeping(t, dir)
	defer done()
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	check()
	if r, err := p.Redrive(t.Context(), RedriveCommand{DeadFilter: DeadFilter{Cursor: id}, Max: 10}); err != nil || r.Events != 1 {
		t.Fatalf("redriven %+v, %v", r, err)
	}
	if d, err = p.Take(t.Context(), TakeCommand{Cursor: id, Events: 3, Bytes: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(events(t, d)); got != "[poison]" {
		t.Fatalf("redriven is %s", got)
	}
	if _, err := p.Return(t.Context(), Decision{Verb: VerbAck}, []Receipt{{id, 1, d.Epoch}}); err != nil {
		t.Fatal(err)
	}
	if err := p.group.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if copied() {
		t.Fatal("the copy of what was settled is still there")
	}
}

// TestDeadLetterWithoutCopy has no copy of a dead letter made, while everything else goes on: the log stays for it, over checkpoints and a restart, and once the
// copy can be made, it goes.
func TestDeadLetterWithoutCopy(t *testing.T) {
	dir := t.TempDir()
	keeper := &refusingKeeper{}
	keeper.refuses.Store(true)
	by := func(k Keeper) Keeper {
		keeper.Keeper = k
		return keeper
	}
	p, _, _, done := openKeepingBy(t, dir, by)
	if err := p.PutStream(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := p.PutSubscription(t.Context(), queue(10, "")); err != nil {
		t.Fatal(err)
	}
	id := CursorID{Subscription: 10}
	publish(t, p, "poison")
	settle(t, p, id, Decision{Verb: VerbReject, Reason: "no"})
	check := func() {
		t.Helper()
		page, err := p.DeadLetters(t.Context(), DeadFilter{Cursor: id}, 10)
		if err != nil || len(page.Letters) != 1 {
			t.Fatalf("dead letters: %+v, %v", page, err)
		}
		if got := fmt.Sprint(blockEvents(t, page.Letters[0].Block)); got != "[poison]" {
			t.Fatalf("the dead letter is %s", got)
		}
	}
	goOn := func() {
		t.Helper()
		for range 4 {
			for range retainEvery {
				publish(t, p, strings.Repeat("fine", 5_000))
				settle(t, p, id, Decision{Verb: VerbAck})
			}
			if err := p.group.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	goOn()
	check()
	done()

	p, _, _, done = openKeepingBy(t, dir, by)
	defer done()
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	check()
	keeper.refuses.Store(false)
	eventually(t, "the dead letter is copied", func() bool { return p.replica.copies.lowest() > 1<<60 })
	goOn()
	check()
	if first := p.group.Usage().First; first < retainEvery {
		t.Errorf("the log still begins with entry %d", first)
	}
}

// settle takes an event of a queue, and settles it.
func settle(t *testing.T, p *Partition, id CursorID, decision Decision) {
	t.Helper()
	d, err := p.Take(t.Context(), TakeCommand{Cursor: id, Events: 1, Bytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Return(t.Context(), decision, []Receipt{{id, d.Runs[0].First, d.Epoch}}); err != nil {
		t.Fatal(err)
	}
}
