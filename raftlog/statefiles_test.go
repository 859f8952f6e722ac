package raftlog_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet-mq/freshet/raftlog"
	"github.com/freshet-mq/freshet/raftlog/raftlogtest"
)

// stateFiles can be closed, which is nothing to do.
type stateFiles struct{ *raftlog.StateFiles }

func (stateFiles) Close() error { return nil }

func TestStateFiles(t *testing.T) {
	raftlogtest.TestStateStore(t, func(tb testing.TB, fs vfs.FS) raftlogtest.StateStore {
		s, err := raftlog.OpenStateFiles(fs, "state")
		if err != nil {
			tb.Fatal(err)
		}
		return stateFiles{s}
	})
}
