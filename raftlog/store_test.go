package raftlog

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
)

// TestHeldEntries removes prefixes as the library does, moves the retained position, takes checkpoints, reclaims and
// reopens, all at random. An entry that is wanted must be there; one that nobody wants must go; and what is counted must
// be what is there.
func TestHeldEntries(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			dir := t.TempDir()
			s := openTestStore(t, dir, r.Int64N(4<<10))
			var first, last, retained, oldest, newest uint64 = 1, 0, 0, 0, 0
			for range 150 {
				switch action := r.IntN(12); {
				case action < 6:
					last++
					mustStore(t, s, entry(last, 1, strings.Repeat("x", r.IntN(500))))
				case action == 6 && last > newest: // a checkpoint; two are kept
					oldest, newest = newest, newest+1+r.Uint64N(last-newest)
					if to := min(newest, last-1); to >= first {
						mustDelete(t, s, first, to)
						first = to + 1
					}
					if oldest == 0 {
						oldest = newest
					}
					s.checkpointed(oldest, newest)
				case action == 7:
					retained = max(retained, r.Uint64N(last+2))
					s.retain(retained)
				case action == 8:
					for more := true; more; {
						var err error
						if more, err = s.reclaim(); err != nil {
							t.Fatal(err)
						}
					}
					want := max(1, min(retained, oldest+1, first))
					if _, held, _ := s.counts(); last > 0 && held != want {
						t.Fatalf("held from %d, want %d: retained %d, checkpoints %d and %d, first %d", held, want, retained, oldest, newest, first)
					}
				case action == 9:
					bytes, held, _ := s.counts()
					if err := s.close(); err != nil {
						t.Fatal(err)
					}
					s = reopenTestStore(t, s, dir)
					s.checkpointed(oldest, newest)
					s.retain(retained)
					if newest > 0 { // what the library had let go of is not on disk; the snapshots say as much, or more
						first = max(first, min(newest+1, last))
					}
					again, heldAgain, _ := s.counts()
					count := int64(last - held + 1)
					if heldAgain != held || abs(again-bytes) > 16*count {
						t.Fatalf("reopened with %d bytes from %d, it had %d from %d", again, heldAgain, bytes, held)
					}
				}
				checkHeld(t, s, last, retained, oldest)
			}
		})
	}
}

// reopenTestStore puts a new store in the old one's place: the test's cleanup closes it through the old one.
func reopenTestStore(t *testing.T, old *store, dir string) *store {
	t.Helper()
	s := openTestStore(t, dir, 1<<10)
	old.disk = closedDisk{}
	return s
}

// closedDisk is closed already.
type closedDisk struct{ disk }

func (closedDisk) Close() error { return nil }

func abs(n int64) int64 { return max(n, -n) }

func checkHeld(t *testing.T, s *store, last, retained, oldest uint64) {
	t.Helper()
	_, held, gotLast := s.counts()
	if gotLast != last {
		t.Fatalf("last is %d, want %d", gotLast, last)
	}
	if last == 0 {
		return
	}
	if held > max(1, min(retained, oldest+1)) {
		t.Fatalf("held from %d on; entries are retained from %d, and the oldest checkpoint is at %d", held, retained, oldest)
	}
	var bytes int64
	for index := held; index <= last; index++ {
		var e raft.Log
		if err := s.GetLog(index, &e); err != nil {
			t.Fatalf("entry %d of %d to %d: %v", index, held, last, err)
		}
		bytes += entrySize(&e)
	}
	counted, _, _ := s.counts()
	if count := int64(last - held + 1); abs(bytes-counted) > 16*count {
		t.Fatalf("counts %d bytes, there are %d", counted, bytes)
	}
	var free int64
	s.mu.RLock()
	defer s.mu.RUnlock()
	for index := held; index < s.mu.free; index++ {
		free += int64(s.mu.sizes[index-held]) + EntryOverhead
	}
	if free != s.mu.freeBytes {
		t.Fatalf("counts %d bytes as free, they are %d", s.mu.freeBytes, free)
	}
}

// TestReclaimInSteps: one transaction removes a bounded part, so that appends don't wait for all of it.
func TestReclaimInSteps(t *testing.T) {
	s := openTestStore(t, t.TempDir(), 1)
	const entries = 3*reclaimStepEntries/2 + 1
	var batch []*raft.Log
	for index := range uint64(entries) {
		batch = append(batch, entry(index+1, 1, ""))
	}
	mustStore(t, s, batch...)
	mustDelete(t, s, 1, entries-1)
	s.checkpointed(entries-1, entries-1)
	select {
	case <-s.reclaimable:
		t.Fatal("everything is retained and yet it is to be reclaimed")
	default:
	}
	s.retain(RetainNone)
	<-s.reclaimable
	for step, want := range []struct {
		held uint64
		more bool
	}{{reclaimStepEntries + 1, true}, {entries, false}, {entries, false}} {
		more, err := s.reclaim()
		_, held, _ := s.counts()
		if err != nil || more != want.more || held != want.held {
			t.Fatalf("step %d: held from %d, more %v, %v; want %+v", step, held, more, err, want)
		}
	}
}

func TestCache(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 4))
		bytesMax := 1 + r.Int64N(8<<10)
		c := cache{bytesMax: bytesMax}
		twin := map[uint64]*raft.Log{}
		last := uint64(0)
		for range 500 {
			if r.IntN(10) > 0 || last == 0 {
				last++
				e := entry(last, 1, strings.Repeat("x", r.IntN(3<<10)))
				twin[last] = e
				c.add(e)
			} else {
				from := 1 + r.Uint64N(last)
				for index := from; index <= last; index++ {
					delete(twin, index)
				}
				c.truncate(from)
				last = from - 1
			}
			var bytes int64
			for _, e := range c.entries {
				bytes += entrySize(e)
			}
			if bytes != c.bytes || bytes > bytesMax {
				t.Fatalf("seed %d: counts %d bytes of at most %d, there are %d", seed, c.bytes, bytesMax, bytes)
			}
			for index := range last + 2 {
				got := c.get(index)
				if got != nil && got != twin[index] {
					t.Fatalf("seed %d: entry %d is another one", seed, index)
				}
			}
			if newest := twin[last]; newest != nil && len(c.entries) > 0 && c.get(last) != newest {
				t.Fatalf("seed %d: the newest entry, %d, is not the last one in the cache", seed, last)
			}
		}
	}
}
