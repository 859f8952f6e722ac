package raftlogtest

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/freshet-mq/freshet/raftlog"
)

var (
	crashSeed  = flag.Uint64("state-seed", 0, "run the state store's crash test with this seed alone")
	crashSeeds = flag.Uint64("state-seeds", 4, "how many seeds the state store's crash test runs with")
)

const (
	crashGroups  = 3
	crashCommits = 40
	// crashesMax of one seed: opening what a crash left is what takes time.
	crashesMax = 16
)

// testCrash commits at random and cuts the power at random file operations, with some of what wasn't synced on disk and some not. What is there
// afterwards must be, for each group, what was committed last, or what was being committed at that moment; and the store must go on from there.
func testCrash(t *testing.T, open OpenStateStore) {
	if *crashSeed != 0 {
		runCrashes(t, open, *crashSeed)
		return
	}
	for seed := range *crashSeeds {
		runCrashes(t, open, seed+1)
	}
}

// crash is a file system as a power cut left it, and what may be on it.
type crash struct {
	fs      *vfs.MemFS
	step    int
	durable [crashGroups]*state // what every group had
	// midway says that a group was being brought to another state, which may be none.
	midway bool
	group  int
	next   *state
}

// crasher commits, and cuts the power.
type crasher struct {
	fs *vfs.MemFS
	// mu guards the rest: file operations come from goroutines of the store's own as well.
	mu      sync.Mutex
	rng     *rand.Rand
	now     crash
	crashes []crash
}

// cut is called before every file operation, and cuts the power before some of them.
func (c *crasher) cut(op errorfs.Op) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || len(c.crashes) == crashesMax || c.rng.IntN(8) > 0 {
		return nil
	}
	at := c.now
	at.fs = c.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 30, 70, 100}[c.rng.IntN(4)], RNG: c.rng})
	c.crashes = append(c.crashes, at)
	return nil
}

func runCrashes(t *testing.T, open OpenStateStore, seed uint64) {
	t.Helper()
	// Two, so that when the power goes doesn't change what is committed.
	cuts, plan := rand.New(rand.NewPCG(seed, 0)), rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // seeds replay
	c := &crasher{rng: cuts, fs: vfs.NewCrashableMem()}
	s := open(t, errorfs.Wrap(c.fs, errorfs.InjectorFunc(c.cut)))
	for step := range crashCommits {
		if err := c.step(s, plan, step); err != nil {
			t.Fatalf("seed %d, step %d: %v", seed, step, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if len(c.crashes) < crashesMax/2 {
		t.Fatalf("seed %d: the power went %d times only", seed, len(c.crashes))
	}
	for i, at := range c.crashes {
		if err := at.check(t, open); err != nil {
			t.Fatalf("crash %d, in step %d: %v\nrun it again with -run TestStateStore -state-seed %d", i, at.step, err, seed)
		}
	}
}

// step commits once, or removes a group.
func (c *crasher) step(s raftlog.StateStore, plan *rand.Rand, step int) error {
	g := plan.IntN(crashGroups)
	was := c.now.durable[g]
	remove := was != nil && plan.IntN(12) == 0
	whole := was == nil || plan.IntN(4) == 0
	var records []raftlog.Record
	for range 1 + plan.IntN(12) {
		r := record(fmt.Sprint("key ", plan.IntN(20)), strings.Repeat(string(rune('a'+step%26)), 1<<plan.IntN(17)))
		if !whole && plan.IntN(3) == 0 {
			r.Value = nil
		}
		if !slices.ContainsFunc(records, func(other raftlog.Record) bool { return bytes.Equal(other.Key, r.Key) }) {
			records = append(records, r)
		}
	}
	next := was.apply(metaAt(uint64(step)), records, whole)
	if remove {
		next = nil
	}
	c.mu.Lock()
	c.now.step, c.now.midway, c.now.group, c.now.next = step, true, g, next
	c.mu.Unlock()
	var err error
	if remove {
		err = s.Remove(raftlog.GroupNumber(g))
	} else {
		err = s.Commit(raftlog.GroupNumber(g), next.meta, sequence(records...), whole)
	}
	c.mu.Lock()
	c.now.midway, c.now.durable[g] = false, next
	c.mu.Unlock()
	return err
}

// check opens what the crash left, and goes on from there.
func (at *crash) check(t *testing.T, open OpenStateStore) error {
	t.Helper()
	s := open(t, at.fs)
	for g, want := range at.durable {
		got, err := read(s, raftlog.GroupNumber(g))
		if err != nil {
			return errors.Join(fmt.Errorf("reading group %d: %w", g, err), s.Close())
		}
		d := differ(got, want)
		if d != "" && at.midway && g == at.group {
			d = differ(got, at.next)
		}
		if d != "" {
			return errors.Join(fmt.Errorf("group %d: %s", g, d), s.Close())
		}
	}
	commit(t, s, 0, 1_000, true, record("after", "the crash"))
	s = again(t, open, at.fs, s)
	expect(t, s, 0, &state{meta: metaAt(1_000), records: map[string]string{"after": "the crash"}})
	return s.Close()
}
