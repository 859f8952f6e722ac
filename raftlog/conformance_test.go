package raftlog

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/freshet-mq/freshet/raftlog/logstoretest"
)

// TestConformance runs the library's contract on the store, with and without a cache.
func TestConformance(t *testing.T) {
	for name, cacheBytes := range map[string]int64{"cache": 1 << 20, "no cache": 1} {
		dirs := map[logstoretest.Stores]string{}
		t.Run(name, func(t *testing.T) {
			logstoretest.Run(t, logstoretest.Implementation{
				Open: func(t *testing.T) logstoretest.Stores {
					dir := t.TempDir()
					s := openTestStore(t, dir, cacheBytes)
					dirs[s] = dir
					return s
				},
				Reopen: func(t *testing.T, old logstoretest.Stores) logstoretest.Stores {
					was, dir := old.(*store), dirs[old]
					if err := was.close(); err != nil {
						t.Fatal(err)
					}
					s := reopenTestStore(t, was, dir)
					dirs[s] = dir
					return s
				},
			})
		})
	}
}

// openTestStore opens a store in a directory, for a test that fails when the store does.
func openTestStore(t testing.TB, dir string, cacheBytes int64) *store {
	t.Helper()
	options := Options{CacheBytes: cacheBytes, CheckpointBytes: 1 << 10}
	options.EnsureDefaults()
	s, err := openStore(filepath.Join(dir, logFile), &options)
	if err != nil {
		t.Fatal(err)
	}
	s.onFail = func(err error) { t.Errorf("the store failed: %v", err) }
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func entry(index, term uint64, data string) *raft.Log {
	return &raft.Log{Index: index, Term: term, Type: raft.LogCommand, Data: []byte(data), Extensions: []byte("x")}
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

func TestStoreLogsRefusesWhatDoesNotContinue(t *testing.T) {
	for name, entries := range map[string][]*raft.Log{
		"gap":               {entry(4, 1, "")},
		"overwriting":       {entry(2, 1, "")},
		"gap inside":        {entry(3, 1, ""), entry(5, 1, "")},
		"term turned back":  {entry(3, 0, "")},
		"index zero":        {entry(0, 1, "")},
		"term back, inside": {entry(3, 2, ""), entry(4, 1, "")},
	} {
		t.Run(name, func(t *testing.T) {
			s := openTestStore(t, t.TempDir(), 1<<20)
			var failed []error
			s.onFail = func(err error) { failed = append(failed, err) }
			mustStore(t, s, entry(1, 1, "a"), entry(2, 1, "b"))
			err := s.StoreLogs(entries)
			if err == nil || len(failed) != 1 || !errors.Is(failed[0], err) {
				t.Fatalf("%v; failed with %v", err, failed)
			}
			if u := s.usage(); u.First != 1 || u.Last != 2 {
				t.Fatalf("%+v", u)
			}
			// From then on nothing is written.
			for _, err := range []error{
				s.StoreLog(entry(3, 1, "")), s.DeleteRange(1, 1), s.Set([]byte("k"), nil), s.SetUint64([]byte("k"), 1),
			} {
				if err == nil {
					t.Error("a failed store takes a change")
				}
			}
			if len(failed) != 1 {
				t.Errorf("failed %d times", len(failed))
			}
		})
	}
}
