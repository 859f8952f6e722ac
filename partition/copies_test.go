package partition

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-mq/freshet/raftlog"
)

// memoryKeeper is a checkpoint in memory.
type memoryKeeper struct {
	covered uint64
	records map[string][]byte
}

func (k *memoryKeeper) Covered() (uint64, error) { return k.covered, nil }

func (k *memoryKeeper) Keep(records []raftlog.Record) error {
	if k.covered == 0 {
		return errors.New("no checkpoint")
	}
	for _, r := range records {
		k.records[string(r.Key)] = r.Value
	}
	return nil
}

func (k *memoryKeeper) Kept(key []byte) ([]byte, bool, error) {
	v, found := k.records[string(key)]
	return v, found, nil
}

// commit is what the log does with what Snapshot returned.
func (k *memoryKeeper) commit(at uint64, records []raftlog.Record, whole bool) {
	if whole {
		clear(k.records)
	}
	for _, r := range records {
		if r.Value == nil {
			delete(k.records, string(r.Key))
		} else {
			k.records[string(r.Key)] = r.Value
		}
	}
	k.covered = at
}

func (k *memoryKeeper) all() iter.Seq2[raftlog.Record, error] {
	return func(yield func(raftlog.Record, error) bool) {
		for _, key := range slices.Sorted(maps.Keys(k.records)) {
			if !yield(raftlog.Record{Key: []byte(key), Value: k.records[key]}, nil) {
				return
			}
		}
	}
}

// TestCopiesAreThere has events set aside and settled, copies made, and checkpoints taken, stored, lost and restored, in any order. Whatever the log was
// let go of for must be beside the durable checkpoint, at every moment: also once the checkpoint that is on its way has become durable.
func TestCopiesAreThere(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		keeper := &memoryKeeper{records: map[string][]byte{}}
		c := newCopies(keeper)
		state := map[Offset]bool{} // what is aside
		index := uint64(0)
		type onItsWay struct {
			at      uint64
			records []raftlog.Record
			whole   bool
		}
		var flying *onItsWay
		again := true // the next checkpoint has to be whole
		var copying []AsideChange
		var epoch uint64
		for step := range 400 {
			switch rng.IntN(10) {
			case 0, 1, 2, 3: // an entry
				index++
				at := Offset(rng.IntN(6))
				fx := &Effects{Index: Index(index), Aside: []AsideChange{{Stream: 1, Offset: at, Index: Index(at) + 1, Gone: state[at]}}}
				state[at] = !state[at]
				c.note(fx)
			case 4: // a checkpoint
				index += uint64(rng.IntN(2)) // an entry of Raft's own
				if flying == nil && index > keeper.covered {
					records, err := c.checkpoint(nil, again)
					if err != nil {
						t.Fatalf("seed %d, step %d: %v", seed, step, err)
					}
					flying = &onItsWay{index, records, again}
					again = false
				}
			case 5: // it becomes durable
				if flying != nil {
					keeper.commit(flying.at, flying.records, flying.whole)
					flying = nil
				}
			case 6: // or comes to nothing
				if flying != nil && rng.IntN(4) == 0 {
					flying, again = nil, true
				}
			case 7:
				if copying == nil {
					var err error
					if copying, epoch, _, err = c.next(1 + rng.IntN(3)); err != nil {
						t.Fatal(err)
					}
				}
			case 8:
				for i, at := range copying {
					if err := keeper.Keep([]raftlog.Record{{Key: copyKey{1, at.Offset}.record(), Value: []byte{byte(i)}}}); err != nil {
						t.Fatalf("seed %d, step %d: %v", seed, step, err)
					}
				}
				c.done(copying, epoch)
				copying = nil
			}
			for at, aside := range state {
				if !aside {
					continue
				}
				k := copyKey{1, at}
				_, kept := c.mu.kept[k]
				if todo := c.mu.todo.Has(copyTodo{Index(at) + 1, k}); todo == kept {
					t.Fatalf("seed %d, step %d: offset %d is to be copied: %v, and copied: %v", seed, step, at, todo, kept)
				}
				after := memoryKeeper{records: maps.Clone(keeper.records)}
				if flying != nil {
					after.commit(flying.at, flying.records, flying.whole)
				}
				for _, in := range []map[string][]byte{keeper.records, after.records} {
					if _, there := in[string(k.record())]; kept && !there {
						t.Fatalf("seed %d, step %d: the log was let go of for offset %d, of which there is no copy (checkpoint under way: %v)",
							seed, step, at, flying != nil)
					}
				}
			}
		}
	}
}

// TestCopiesRestore begins anew from a checkpoint with a copy that is wanted, and one that isn't any more; a third is yet to be made.
func TestCopiesRestore(t *testing.T) {
	keeper := &memoryKeeper{covered: 5, records: map[string][]byte{"\x01state": {}, string(copyKey{1, 7}.record()): {1}, string(copyKey{1, 8}.record()): {2}}}
	m := NewMachine()
	st := m.newStream(1, 1)
	m.streamOrder = append(m.streamOrder, st)
	m.addAside(st, &aside{offset: 7, index: 3})
	m.addAside(st, &aside{offset: 9, index: 4})
	var copied []copyKey
	passed := 0
	for _, err := range withoutCopies(keeper.all(), &copied) {
		if err != nil {
			t.Fatal(err)
		}
		passed++
	}
	if passed != 1 || fmt.Sprint(copied) != "[{1 7} {1 8}]" {
		t.Fatalf("%d records were passed on, %v are copies", passed, copied)
	}
	c := newCopies(keeper)
	c.restore(m, copied)
	if c.lowest() != 4 {
		t.Fatalf("the log is needed from entry %d on", c.lowest())
	}
	records, err := c.checkpoint(nil, false)
	if err != nil || len(records) != 1 || !bytes.Equal(records[0].Key, copyKey{1, 8}.record()) || records[0].Value != nil {
		t.Fatalf("the next checkpoint has %v, %v", records, err)
	}
	if _, raw, ok, err := c.find(copyKey{1, 7}); err != nil || !ok || len(raw) != 1 {
		t.Fatalf("the copy is %v, %v, %v", raw, ok, err)
	}
}

// owingLog lacks entries that a peer is about to send.
type owingLog struct {
	mu      sync.Mutex
	missing map[uint64]bool
	own     uint64 // an entry of Raft's
}

func (l *owingLog) Read(index uint64) (raftlog.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case index == l.own:
		return raftlog.Entry{}, fmt.Errorf("%w: %w", raftlog.ErrNotRetained, raftlog.ErrNoCommand)
	case l.missing[index] || index < 3:
		return raftlog.Entry{}, raftlog.ErrNotRetained
	}
	return raftlog.Entry{Index: index, Data: []byte{1}}, nil
}

func (l *owingLog) Debt() (from, to uint64, owed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.missing) == 0 {
		return 0, 0, false
	}
	from = slices.Min(slices.Collect(maps.Keys(l.missing)))
	return from, from, true
}

func (l *owingLog) set(missing ...uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.missing)
	for _, index := range missing {
		l.missing[index] = true
	}
}

// TestReadInDebt reads entries while a replica that got its state from a peer is yet to get them: whoever asks waits, and is told so when that
// takes long, and only what the log has let go of is gone.
func TestReadInDebt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &owingLog{missing: map[uint64]bool{5: true, 6: true}, own: 4}
		p := &Partition{entries: log, closing: make(chan struct{}), options: Options{Clock: SystemClock{}}}
		if _, err := p.read(2); !errors.Is(err, errGone) {
			t.Fatalf("an entry from before what is wanted: %v", err)
		}
		if data, err := p.read(4); err != nil || data != nil {
			t.Fatalf("Raft's own: %v, %v", data, err)
		}
		began := time.Now()
		if _, err := p.read(6); !errors.Is(err, ErrInDebt) || !errors.Is(err, ErrUnavailable) || time.Since(began) != debtWait {
			t.Fatalf("an entry that doesn't come: %v after %v", err, time.Since(began))
		}
		read := make(chan error, 1)
		go func() {
			_, err := p.read(6)
			read <- err
		}()
		synctest.Wait()
		log.set()
		if err := <-read; err != nil {
			t.Fatalf("an entry that came: %v", err)
		}
		log.set(7)
		go func() {
			_, err := p.read(7)
			read <- err
		}()
		synctest.Wait()
		close(p.closing)
		if err := <-read; !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrInDebt) {
			t.Fatalf("while closing: %v", err)
		}
	})
}
