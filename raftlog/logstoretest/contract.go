package logstoretest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

func entry(index, term uint64, data string) *raft.Log {
	return &raft.Log{Index: index, Term: term, Type: raft.LogCommand, Data: []byte(data), Extensions: []byte("x")}
}

func wantBounds(t *testing.T, s raft.LogStore, first, last uint64) {
	t.Helper()
	gotFirst, err := s.FirstIndex()
	if err != nil {
		t.Fatal(err)
	}
	gotLast, err := s.LastIndex()
	if err != nil {
		t.Fatal(err)
	}
	if gotFirst != first || gotLast != last {
		t.Fatalf("entries %d to %d, want %d to %d", gotFirst, gotLast, first, last)
	}
}

func wantEntry(t *testing.T, s raft.LogStore, want *raft.Log) {
	t.Helper()
	var got raft.Log
	if err := s.GetLog(want.Index, &got); err != nil {
		t.Fatalf("entry %d: %v", want.Index, err)
	}
	if got.Index != want.Index || got.Term != want.Term || got.Type != want.Type ||
		!bytes.Equal(got.Data, want.Data) || !bytes.Equal(got.Extensions, want.Extensions) {
		t.Fatalf("entry %+v, want %+v", got, *want)
	}
}

func wantMissing(t *testing.T, s raft.LogStore, indexes ...uint64) {
	t.Helper()
	for _, index := range indexes {
		var got raft.Log
		// The library compares this one by identity.
		if err := s.GetLog(index, &got); err != raft.ErrLogNotFound { //nolint:errorlint // as the library does
			t.Fatalf("entry %d: %+v, %v", index, got, err)
		}
	}
}

func mustStore(t *testing.T, s raft.LogStore, entries ...*raft.Log) {
	t.Helper()
	if err := s.StoreLogs(entries); err != nil {
		t.Fatal(err)
	}
}

func mustDelete(t *testing.T, s raft.LogStore, from, to uint64) {
	t.Helper()
	if err := s.DeleteRange(from, to); err != nil {
		t.Fatal(err)
	}
}

func testEmptyLog(t *testing.T, s Stores) {
	wantBounds(t, s, 0, 0)
	wantMissing(t, s, 0, 1, 2)
	mustStore(t, s)
	wantBounds(t, s, 0, 0)
}

func testAppendAndGet(t *testing.T, s Stores) {
	if err := s.StoreLog(entry(1, 1, "one")); err != nil {
		t.Fatal(err)
	}
	wantBounds(t, s, 1, 1)
	mustStore(t, s, entry(2, 1, "two"), entry(3, 2, ""), &raft.Log{Index: 4, Term: 2, Type: raft.LogNoop})
	wantBounds(t, s, 1, 4)
	wantEntry(t, s, entry(1, 1, "one"))
	wantEntry(t, s, entry(3, 2, ""))
	wantEntry(t, s, &raft.Log{Index: 4, Term: 2, Type: raft.LogNoop})
	wantMissing(t, s, 0, 5)
	// What is handed out is the reader's struct to change.
	var got raft.Log
	if err := s.GetLog(1, &got); err != nil {
		t.Fatal(err)
	}
	got.Index, got.Data = 99, nil
	wantEntry(t, s, entry(1, 1, "one"))
}

// testOverruledSuffix: another leader's entries take the place of some. The library removes the suffix, then Stores.
func testOverruledSuffix(t *testing.T, s Stores) {
	mustStore(t, s, entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 1, "old"), entry(4, 1, "old"))
	mustDelete(t, s, 3, 4)
	wantBounds(t, s, 1, 2)
	wantMissing(t, s, 3, 4)
	mustStore(t, s, entry(3, 2, "new"))
	wantBounds(t, s, 1, 3)
	wantEntry(t, s, entry(2, 1, "b"))
	wantEntry(t, s, entry(3, 2, "new"))
	wantMissing(t, s, 4)
}

// testPrefix: after a snapshot the library lets go of a prefix. Whether those entries can still be read is the store's own
// business.
func testPrefix(t *testing.T, s Stores) {
	mustStore(t, s, entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 1, "c"), entry(4, 2, "d"))
	mustDelete(t, s, 1, 2)
	wantBounds(t, s, 3, 4)
	wantEntry(t, s, entry(3, 1, "c"))
	mustStore(t, s, entry(5, 2, "e"))
	mustDelete(t, s, 3, 4)
	wantBounds(t, s, 5, 5)
	wantEntry(t, s, entry(5, 2, "e"))
}

// testEverythingGoes: after installing a snapshot the library removes all entries of a monotonic store, and goes on
// behind the snapshot.
func testEverythingGoes(t *testing.T, s Stores) {
	mustStore(t, s, entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 1, "c"))
	mustDelete(t, s, 1, 1)
	mustDelete(t, s, 2, 3)
	wantBounds(t, s, 0, 0)
	wantMissing(t, s, 2, 3)
	mustStore(t, s, entry(100, 7, "z"))
	wantBounds(t, s, 100, 100)
	wantEntry(t, s, entry(100, 7, "z"))
}

func testStableValues(t *testing.T, s Stores) {
	if _, err := s.Get([]byte("none")); err == nil || err.Error() != "not found" {
		t.Fatalf("a missing value: %v; the library compares the text with \"not found\"", err)
	}
	if value, err := s.GetUint64([]byte("none")); value != 0 || err != nil && err.Error() != "not found" {
		t.Fatalf("a missing number: %d, %v", value, err)
	}
	for _, value := range []string{"n1", "n2"} {
		if err := s.Set([]byte("vote"), []byte(value)); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Get([]byte("vote")); err != nil || string(got) != value {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	for _, value := range []uint64{1, 1 << 60} {
		if err := s.SetUint64([]byte("term"), value); err != nil {
			t.Fatal(err)
		}
		if got, err := s.GetUint64([]byte("term")); err != nil || got != value {
			t.Fatalf("got %d, %v", got, err)
		}
	}
}

// testAgainstMap does what a library might, at random, and compares with a map.
func testAgainstMap(t *testing.T, implementation Implementation, seed uint64) {
	s := implementation.Open(t)
	r := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // a seed replays it
	twin := map[uint64]*raft.Log{}
	first, last, term := uint64(0), uint64(0), uint64(1)
	for range 150 {
		switch action := r.IntN(10); {
		case action < 7 || last == 0:
			term += uint64(r.IntN(2))
			var batch []*raft.Log
			for range 1 + r.IntN(5) {
				last++
				e := entry(last, term, fmt.Sprint("data ", r.IntN(1000)))
				batch, twin[last] = append(batch, e), e
			}
			first = max(first, 1)
			mustStore(t, s, batch...)
		case action < 9 && last > first: // a prefix, never all
			to := first + r.Uint64N(last-first)
			mustDelete(t, s, first, to)
			first = to + 1
		case last > first: // a suffix
			from := first + 1 + r.Uint64N(last-first)
			mustDelete(t, s, from, last)
			for i := from; i <= last; i++ {
				delete(twin, i)
			}
			last = from - 1
		}
		if implementation.Reopen != nil && r.IntN(20) == 0 {
			s = implementation.Reopen(t, s)
			// How far the library has let go may be forgotten; it says so again.
			if held, err := s.FirstIndex(); err != nil || held > first {
				t.Fatalf("reopened, the first entry is %d, %v; it was %d", held, err, first)
			} else if held < first {
				mustDelete(t, s, held, first-1)
			}
		}
		wantBounds(t, s, first, last)
		probe := first + r.Uint64N(last-first+3)
		if want := twin[probe]; want != nil {
			wantEntry(t, s, want)
		} else {
			wantMissing(t, s, probe)
		}
	}
}

// testNothingToRemove: ranges outside of what is there change nothing.
func testNothingToRemove(t *testing.T, s Stores) {
	mustDelete(t, s, 1, 5)
	mustStore(t, s, entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 1, "c"))
	mustDelete(t, s, 1, 1)
	mustDelete(t, s, 1, 1)
	mustDelete(t, s, 4, 9)
	wantBounds(t, s, 2, 3)
	wantEntry(t, s, entry(3, 1, "c"))
}

// testReopen: everything lasts, with all that an entry has.
func testReopen(t *testing.T, i Implementation) {
	s := i.Open(t)
	at := time.Date(2030, 1, 2, 3, 4, 5, 678, time.UTC)
	configuration := &raft.Log{Index: 2, Term: 3, Type: raft.LogConfiguration, Data: []byte("c"), Extensions: []byte("ext"), AppendedAt: at}
	mustStore(t, s, entry(1, 1, "a"), configuration, entry(3, 3, "b"), entry(4, 3, "c"))
	mustDelete(t, s, 4, 4)
	if err := s.SetUint64([]byte("CurrentTerm"), 3); err != nil {
		t.Fatal(err)
	}
	for _, vote := range []string{"n1", "n2"} {
		if err := errors.Join(s.SetUint64([]byte("LastVoteTerm"), 3), s.Set([]byte("LastVoteCand"), []byte(vote))); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		s = i.Reopen(t, s)
		wantBounds(t, s, 1, 3)
		wantEntry(t, s, entry(1, 1, "a"))
		wantEntry(t, s, configuration)
		wantMissing(t, s, 4)
		var got raft.Log
		if err := s.GetLog(2, &got); err != nil || !got.AppendedAt.Equal(at) {
			t.Fatalf("appended at %v, %v; want %v", got.AppendedAt, err, at)
		}
		if term, err := s.GetUint64([]byte("CurrentTerm")); err != nil || term != 3 {
			t.Fatalf("term %d, %v", term, err)
		}
		if term, err := s.GetUint64([]byte("LastVoteTerm")); err != nil || term != 3 {
			t.Fatalf("voted in %d, %v", term, err)
		}
		if candidate, err := s.Get([]byte("LastVoteCand")); err != nil || string(candidate) != "n2" {
			t.Fatalf("voted for %q, %v", candidate, err)
		}
	}
	mustStore(t, s, entry(4, 4, "d"))
	wantEntry(t, s, entry(4, 4, "d"))
}
