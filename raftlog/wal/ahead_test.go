package wal

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/hashicorp/raft"
)

// storeAhead is a step of a random run: entries are stored ahead, several times over, and something behind them waits for them.
func (u *run) storeAhead(id int, g *Group) error {
	m := &u.models[id]
	for range 1 + u.r.IntN(3) {
		entries := u.entries(id)
		if err := g.StoreAhead(entries); err != nil {
			return err
		}
		for _, want := range entries {
			var got raft.Log
			if err := g.GetLog(want.Index, &got); err != nil || got.Term != want.Term || !slices.Equal(got.Data, want.Data) {
				return fmt.Errorf("entry %d of term %d, stored ahead, is read as one of term %d: %w", want.Index, want.Term, got.Term, err)
			}
		}
	}
	s := m.now()
	onDisk, err := g.LastIndex()
	if synced := g.Synced(s.last); err != nil || synced > s.last || onDisk != 0 && synced != onDisk {
		return fmt.Errorf("of entries up to %d those up to %d are said to be synced; the last one is %d: %w", s.last, synced, onDisk, err)
	}
	switch u.r.IntN(3) {
	case 0:
		u.sayf("group %d: truncate what is ahead from %d on", id, s.last)
		m.states = append(m.states, s.truncate(s.last))
		err = g.DeleteRange(s.last, s.last)
	case 1:
		next := s.clone()
		next.stable[keyCurrentTerm] = string([]byte{0, 0, 0, 0, 0, 0, 1, byte(u.r.IntN(100))})
		m.states = append(m.states, next)
		err = g.Set([]byte(keyCurrentTerm), []byte(next.stable[keyCurrentTerm]))
	default:
		err = g.AwaitSynced(s.last, nil)
	}
	if last, _ := g.LastIndex(); err == nil && (g.Synced(s.last) != s.last || last != m.now().last) {
		err = fmt.Errorf("what was stored ahead is waited for, and the last entry is %d", last)
	}
	m.settle()
	return err
}

// slowDisk is a disk whose syncs wait until they are let go.
type slowDisk struct {
	vfs.FS
	held chan chan error // a sync that waits: it goes on with what it is sent
}

func newSlowDisk(t *testing.T) (d *slowDisk, hold func(bool)) {
	t.Helper()
	d = &slowDisk{held: make(chan chan error)}
	var holding bool
	turn := newTurn()
	d.FS = errorfs.Wrap(vfs.NewCrashableMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind != errorfs.OpFileSyncData {
			return nil
		}
		turn.Lock()
		wait := holding
		turn.Unlock()
		if !wait {
			return nil
		}
		answer := make(chan error)
		d.held <- answer
		return <-answer
	}))
	return d, func(on bool) { turn.Lock(); holding = on; turn.Unlock() }
}

// TestStoredAhead: what is stored ahead is the library's at once, and counts for nobody else before its sync; all that comes later waits for
// it.
func TestStoredAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, hold := newSlowDisk(t)
		l := mustOpen(t, testOptions(t, disk))
		g, other := mustGroup(t, l, 1), mustGroup(t, l, 2)
		must(t, g.StoreLogs([]*raft.Log{entry(1, 1, 10)}))
		hold(true)
		entries := []*raft.Log{entry(2, 1, 10), entry(3, 1, 10)}
		must(t, g.StoreAhead(entries))
		must(t, g.StoreAhead([]*raft.Log{entry(4, 1, 10)}))
		first := <-disk.held // it has 2 and 3, and 4 if that was quick
		for _, want := range entries {
			wantEntry(t, g, want)
			if err := g.Read(want.Index, new(raft.Log)); !errors.Is(err, raft.ErrLogNotFound) {
				t.Errorf("the owner reads entry %d: %v", want.Index, err)
			}
		}
		if last, _ := g.LastIndex(); last != 1 || g.Usage().Last != 1 || g.Synced(4) != 1 || g.Synced(1) != 1 || other.Synced(9) != 9 {
			t.Errorf("the last entry is %d, %+v, synced %d", last, g.Usage(), g.Synced(4))
		}
		given := make(chan struct{})
		close(given)
		if err := g.AwaitSynced(2, given); !errors.Is(err, errGivenUp) {
			t.Errorf("giving up: %v", err)
		}
		must(t, g.AwaitSynced(1, nil))
		done := make(chan error, 3)
		go func() { done <- g.AwaitSynced(4, nil) }()
		go func() { done <- g.SetUint64([]byte(keyCurrentTerm), 2) }()
		synctest.Wait()
		if len(done) > 0 {
			t.Errorf("something did not wait: %v", <-done)
		}
		hold(false)
		first <- nil
		must(t, errors.Join(<-done, <-done))
		if last, _ := g.LastIndex(); last != 4 || g.Synced(4) != 4 {
			t.Errorf("the last entry is %d, synced %d", last, g.Synced(4))
		}
		must(t, g.DeleteRange(3, 4))
		must(t, g.StoreAhead([]*raft.Log{entry(3, 2, 20)}))
		wantEntry(t, g, entry(3, 2, 20))
		must(t, l.Close())
	})
}

// TestAheadIsBounded (g): a hanging disk lets two batches be filled and no more.
func TestAheadIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, hold := newSlowDisk(t)
		o := testOptions(t, disk)
		l := mustOpen(t, o)
		g := mustGroup(t, l, 1)
		hold(true)
		stored, stopped := 0, make(chan error, 1)
		go func() {
			for {
				if err := g.StoreAhead([]*raft.Log{entry(uint64(stored)+1, 1, 1<<10)}); err != nil {
					stopped <- err
					return
				}
				stored++
			}
		}()
		held := <-disk.held
		synctest.Wait()
		if most := 2 * o.batchBytes() / (1 << 10); stored == 0 || stored > most {
			t.Errorf("%d KiB are stored ahead of a disk that hangs; the most is %d", stored, most)
		}
		var failed error
		l.options.Fatal = func(err error) { failed = err }
		held <- errors.New("input/output error")
		if err := <-stopped; err == nil || failed == nil {
			t.Errorf("stored after a failed sync: %v, told %v", err, failed)
		}
		if err := g.AwaitSynced(1, nil); err == nil || g.Synced(1) != 0 {
			t.Errorf("what could not be synced counts: %v, %d", err, g.Synced(1))
		}
		_ = l.Close() // it has failed
	})
}
