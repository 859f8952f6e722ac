package wal

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

// testOptions are those of a small log in memory, for a test that fails when the log does.
func testOptions(t testing.TB, fs vfs.FS) Options {
	return Options{
		FS: fs, Dir: "/wal", Node: [16]byte{1}, SegmentBytes: segmentBytesMin, BytesMax: 64 * segmentBytesMin, CacheBytes: 128 << 10,
		Fatal: func(err error) { t.Errorf("the log failed: %v", err) }, Logger: slog.New(slog.DiscardHandler), poison: true,
	}
}

func mustOpen(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustGroup(t testing.TB, l *Log, id GroupID) *Group {
	t.Helper()
	g, err := l.Group(id)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func entry(index, term uint64, length int) *raft.Log {
	return &raft.Log{Index: index, Term: term, Data: fmt.Appendf(make([]byte, length), "%d.%d", index, term), Extensions: []byte("x")}
}

func wantEntry(t testing.TB, g *Group, want *raft.Log) {
	t.Helper()
	var got raft.Log
	if err := g.GetLog(want.Index, &got); err != nil {
		t.Fatalf("group %d: entry %d: %v", g.id, want.Index, err)
	}
	if got.Index != want.Index || got.Term != want.Term || got.Type != want.Type || !bytes.Equal(got.Data, want.Data) || !bytes.Equal(got.Extensions, want.Extensions) {
		t.Fatalf("group %d: entry %d of term %d, %d bytes, is another one than %d of term %d, %d bytes",
			g.id, got.Index, got.Term, len(got.Data), want.Index, want.Term, len(want.Data))
	}
}

func wantMissing(t testing.TB, g *Group, index uint64) {
	t.Helper()
	var got raft.Log
	if err := g.GetLog(index, &got); !errors.Is(err, raft.ErrLogNotFound) {
		t.Fatalf("group %d: entry %d: %v", g.id, index, err)
	}
}

// TestReopen appends, truncates, votes and rolls in two groups, and finds everything again: after a close, and after the
// process was killed.
func TestReopen(t *testing.T) {
	fs := vfs.NewCrashableMem()
	o := testOptions(t, fs)
	l := mustOpen(t, o)
	groups := map[GroupID]uint64{3: 0, 9: 0}
	for round := range 6 {
		for id := range groups {
			g := mustGroup(t, l, id)
			must(t, g.SetUint64([]byte(keyCurrentTerm), uint64(round+1)))
			must(t, g.SetUint64([]byte(keyLastVoteTerm), uint64(round+1)))
			must(t, g.Set([]byte(keyLastVoteCand), fmt.Append(nil, "n", round)))
			if last := groups[id]; last > 0 {
				must(t, g.DeleteRange(last, last))
				groups[id]--
			}
			for range 5 {
				last := groups[id]
				must(t, g.StoreLogs([]*raft.Log{entry(last+1, uint64(round+1), 5000), entry(last+2, uint64(round+1), 100)}))
				groups[id] += 2
			}
		}
		if round%2 == 0 {
			must(t, l.Close())
		} else {
			killed := fs.CrashClone(vfs.CrashCloneCfg{})
			must(t, l.Close())
			fs = killed
		}
		o.FS = fs
		l = mustOpen(t, o)
		for id, last := range groups {
			g := mustGroup(t, l, id)
			u := g.Usage()
			if u.First != 1 || u.Last != last {
				t.Fatalf("group %d has %+v, want 1 to %d", id, u, last)
			}
			wantEntry(t, g, entry(last, uint64(round+1), 100))
			wantEntry(t, g, entry(1, 1, 5000))
			wantMissing(t, g, last+1)
			if cand, err := g.Get([]byte(keyLastVoteCand)); err != nil || string(cand) != fmt.Sprint("n", round) {
				t.Fatalf("voted for %q, %v", cand, err)
			}
			if term, err := g.GetUint64([]byte(keyLastVoteTerm)); err != nil || term != uint64(round+1) {
				t.Fatalf("voted in %d, %v", term, err)
			}
		}
	}
	must(t, l.Close())
}

// TestHeadersOnly: what the library looks at while it starts comes without data, but for configurations, from the cache and
// from disk.
func TestHeadersOnly(t *testing.T) {
	for _, cacheBytes := range []int64{1, 1 << 20} {
		o := testOptions(t, vfs.NewMem())
		o.CacheBytes = cacheBytes
		l := mustOpen(t, o)
		g := mustGroup(t, l, 1)
		configuration := &raft.Log{Index: 2, Term: 3, Type: raft.LogConfiguration, Data: []byte("members")}
		must(t, g.StoreLogs([]*raft.Log{entry(1, 3, 50), configuration}))
		for i := uint64(3); i < 6; i++ { // out of the cache
			must(t, g.StoreLog(entry(i, 4, 50)))
		}
		g.HeadersOnly(true)
		var got raft.Log
		must(t, g.GetLog(1, &got))
		if got.Index != 1 || got.Term != 3 || got.Type != raft.LogCommand || got.Data != nil {
			t.Fatalf("%+v", got)
		}
		wantEntry(t, g, configuration)
		must(t, g.Read(1, &got))
		if len(got.Data) == 0 {
			t.Fatal("the owner got no data")
		}
		g.HeadersOnly(false)
		wantEntry(t, g, entry(1, 3, 50))
		must(t, l.Close())
	}
}
