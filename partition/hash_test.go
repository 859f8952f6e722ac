package partition

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/proto/block"
)

// TestSpanSums adds and removes random runs, and compares the sum with that of the set as it is then: it must not matter how it came about.
func TestSpanSums(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	m := NewMachine()
	st := m.newStream(1, 1)
	set, sums := newOffsetSet(&st.repeatPieces), map[uint64]string{}
	for range 20_000 {
		from := rng.Uint64N(300)
		to := from + rng.Uint64N(40)
		switch rng.IntN(5) {
		case 0:
			set.AddRange(from, to)
		case 1:
			set.RemoveRange(from, to)
		case 2:
			set.Add(from)
		case 3:
			set.Remove(from)
		case 4:
			other := newOffsetSet(&st.repeatPieces)
			other.AddRange(from, to)
			set.Or(other)
		}
		was := set.sum
		if set.resum() != was {
			t.Fatalf("the sum of %v is kept as %x, it is %x", set, was, set.sum)
		}
		if before, known := sums[was]; known && before != set.String() {
			t.Fatalf("%v has the sum of %s", set, before)
		}
		sums[was] = set.String()
	}
}

// TestReplicasAreCompared has a replica meet its leader's hashes: its own, and those of a leader that had other effects, or another state.
func TestReplicasAreCompared(t *testing.T) {
	run := func(secs ...section) (*Machine, StateHash) {
		t.Helper()
		m := NewMachine()
		m.hashEvery = 2
		entry := func(secs ...section) *Effects {
			raw := appendSection(appendEntryHeader(nil), clockSection{Wall: 1, Delta: 1})
			for _, s := range secs {
				raw = appendSection(raw, s)
			}
			fx, err := m.Apply(m.applied+1, 1, raw)
			if err != nil {
				t.Fatal(err)
			}
			return fx
		}
		entry(streamSection{Stream: 1}, subscriptionSection{queue(10, "")})
		entry(blockSection{Stream: 1, SetVersion: 1, Matches: []byte{0}, Block: testBlock(t, 5, 10, block.Producer{})})
		entry(secs...)
		return m, entry().Hash
	}
	cursor := CursorID{Subscription: 10}
	m, own := run(takeSection{Cursor: cursor, Events: 1, Bytes: 100})
	_, again := run(takeSection{Cursor: cursor, Events: 1, Bytes: 100})
	_, other := run(takeSection{Cursor: cursor, Events: 2, Bytes: 100})
	_, refused := run(takeSection{Cursor: CursorID{Subscription: 7}, Events: 2, Bytes: 100})
	if own != again || own.Index != 4 || own.Effects == other.Effects || own.Content == other.Content || refused.Effects == other.Effects {
		t.Fatalf("hashes %+v, again %+v, of another %+v, of a refused one %+v", own, again, other, refused)
	}
	compare := func(h StateHash) error {
		_, err := m.Apply(m.applied+1, 1, appendSection(appendEntryHeader(nil), stateHashSection{h}))
		return err
	}
	if err := compare(own); err != nil {
		t.Fatal(err)
	}
	if err := compare(StateHash{Index: 1, Effects: 7}); err != nil {
		t.Fatalf("hashes of an entry that has none: %v", err)
	}
	restored, err := Restore(m.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	m = restored
	for _, h := range []StateHash{other, {own.Index, own.Effects, own.Content + 1}, {own.Index, own.Effects + 1, own.Content}} {
		if err := compare(h); !errors.Is(err, ErrDiffers) {
			t.Errorf("%+v and %+v: %v", own, h, err)
		}
	}
}

// TestReplicaThatDiffers has a replica find in its log that the leader's state was another. It says which and where, once, and neither applies
// anything more nor makes a checkpoint of what may be wrong. Until then it says how far it was found to be right.
func TestReplicaThatDiffers(t *testing.T) {
	fatal := make(chan error, 2)
	p, err := openLeading(t, Options{Number: 3, Log: testNode(t, t.TempDir(), nil), Fatal: func(err error) { fatal <- err }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	p.replica.mu.Lock()
	p.replica.mu.machine.hashEvery = 2
	p.replica.mu.Unlock()
	for next := StreamID(1); p.Status().Agreed == 0; next++ { // the leader compares with itself, too
		if err := p.PutStream(t.Context(), next); err != nil {
			t.Fatal(err)
		}
	}
	was := p.Status()
	p.controls <- &command{section: stateHashSection{StateHash{Index: was.Hash.Index, Effects: was.Hash.Effects, Content: 7}}, done: func(Result, error) {}}
	err = <-fatal
	for _, word := range []string{"partition 3:", fmt.Sprintf("entry %d ", was.Hash.Index), fmt.Sprintf("%016x", was.Hash.Content), "0000000000000007"} {
		if !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), word) {
			t.Fatalf("there is no %q in %v", word, err)
		}
	}
	stopped := p.Status().Applied
	if err := p.PutStream(t.Context(), 100); !errors.Is(err, ErrDiffers) && !errors.Is(err, ErrOutcomeUnknown) && !errors.Is(err, ErrUnavailable) {
		t.Fatalf("a command behind it: %v", err)
	}
	if now := p.Status().Applied; now != stopped {
		t.Fatalf("entries up to %d were applied behind %d", now, stopped)
	}
	if _, err := p.replica.Snapshot(true); !errors.Is(err, ErrDiffers) {
		t.Fatalf("a checkpoint: %v", err)
	}
	if len(fatal) > 0 {
		t.Fatalf("told again: %v", <-fatal)
	}
}

// TestStateLevel raises the level; one that this release doesn't know stops the replica.
func TestStateLevel(t *testing.T) {
	p := openPartition(t, t.TempDir())
	if err := p.RaiseStateLevel(t.Context(), StateLevel); err != nil {
		t.Fatal(err)
	}
	if s := p.Status(); s.Level != StateLevel {
		t.Fatalf("level %d", s.Level)
	}
	if err := p.RaiseStateLevel(t.Context(), StateLevel+1); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("a level that isn't known: %v", err)
	}
	m := NewMachine()
	if _, err := m.Apply(1, 1, appendSection(appendEntryHeader(nil), stateLevelSection{StateLevel + 1})); !errors.Is(err, ErrCorrupt) {
		t.Fatalf("a level that isn't known: %v", err)
	}
}

// BenchmarkStateHash is what a hash costs with 1,000 cursors, which is every hashEvery entries, and BenchmarkApply has what sums and effects add to each.
func BenchmarkStateHash(b *testing.B) {
	m := NewMachine()
	raw := appendSection(appendEntryHeader(nil), streamSection{Stream: 1})
	for id := range SubscriptionID(1_000) {
		raw = appendSection(raw, subscriptionSection{queue(id+1, "")})
	}
	if _, err := m.Apply(1, 1, raw); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.contentHash()
	}
}
