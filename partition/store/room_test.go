package store

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/freshet-mq/freshet/raftlog"
)

// TestTakesRoomAsItIsWritten: nothing is set aside for Pebble's logs.
func TestTakesRoomAsItIsWritten(t *testing.T) {
	var written, setAside atomic.Int64
	// Pebble sets room aside on files of the operating system alone.
	fs := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFilePreallocate {
			setAside.Add(1)
		}
		if op.Kind == errorfs.OpFileWrite {
			written.Add(1)
		}
		return nil
	}))
	o := testOptions(t, fs)
	o.Dir = t.TempDir()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(1, raftlog.CheckpointMeta{Index: 1}, records("a", strings.Repeat("1", 1<<20)), true); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if written.Load() == 0 || setAside.Load() > 0 {
		t.Fatalf("%d writes, and room was set aside %d times", written.Load(), setAside.Load())
	}
}

// TestFailuresAreToldSeldom: a full disk fills no log as well.
func TestFailuresAreToldSeldom(t *testing.T) {
	var out bytes.Buffer
	o := Options{Dir: "d", Logger: slog.New(slog.NewTextHandler(&out, nil))}
	o.EnsureDefaults()
	told := o.pebbleOptions().EventListener.BackgroundError
	for range 1_000 {
		told(errors.New("no space left on device"))
	}
	if n := strings.Count(out.String(), "\n"); n != 1 || !strings.Contains(out.String(), "no space left") {
		t.Fatalf("%d lines:\n%s", n, out.String())
	}
}
