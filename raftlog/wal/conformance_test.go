package wal

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"

	"github.com/freshet-mq/freshet/raftlog/logstoretest"
)

// TestConformance runs the library's contract on a group of a log that another group shares, from the cache and from disk, in
// memory and in files, and on the library's own store, so that it asks for nothing else.
func TestConformance(t *testing.T) {
	for name, c := range map[string]struct {
		fs         func() vfs.FS
		dir        func(t *testing.T) string
		cacheBytes int64
	}{
		"cache": {func() vfs.FS { return vfs.NewMem() }, func(*testing.T) string { return "/wal" }, 1 << 20},
		"disk":  {func() vfs.FS { return vfs.NewMem() }, func(*testing.T) string { return "/wal" }, 1},
		"files": {func() vfs.FS { return vfs.Default }, func(t *testing.T) string { return t.TempDir() + "/wal" }, 1},
	} {
		logs := map[logstoretest.Stores]*Log{}
		open := func(t *testing.T, fs vfs.FS, dir string) logstoretest.Stores {
			o := testOptions(t, fs)
			o.CacheBytes, o.Dir = c.cacheBytes, dir
			l := mustOpen(t, o)
			other := mustGroup(t, l, 1)
			must(t, other.StoreLog(entry(other.Usage().Last+1, 1, 10)))
			g := mustGroup(t, l, 2)
			logs[g] = l
			return g
		}
		t.Run(name, func(t *testing.T) {
			logstoretest.Run(t, logstoretest.Implementation{
				Open: func(t *testing.T) logstoretest.Stores {
					s := open(t, c.fs(), c.dir(t))
					t.Cleanup(func() {
						for _, l := range logs {
							must(t, l.Close())
						}
						clear(logs)
					})
					return s
				},
				Reopen: func(t *testing.T, s logstoretest.Stores) logstoretest.Stores {
					l := logs[s]
					delete(logs, s)
					must(t, l.Close())
					return open(t, l.options.FS, l.options.Dir)
				},
			})
		})
	}
	t.Run("library's", func(t *testing.T) {
		logstoretest.Run(t, logstoretest.Implementation{Open: func(*testing.T) logstoretest.Stores { return raft.NewInmemStore() }})
	})
}
