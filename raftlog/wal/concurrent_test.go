package wal

import (
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

// TestConcurrentGroups appends to several groups at once while old segments go, with readers beside the writers. One group
// is idle, and pins nothing.
func TestConcurrentGroups(t *testing.T) {
	o := testOptions(t, vfs.NewMem())
	o.BytesMax = 64 * segmentBytesMin
	l := mustOpen(t, o)
	idle := mustGroup(t, l, 100)
	idle.Retain(1 << 60)
	must(t, idle.StoreLogs([]*raft.Log{entry(1, 1, 10), entry(2, 1, 10)}))
	var running sync.WaitGroup
	for id := range GroupID(5) {
		g := mustGroup(t, l, id)
		running.Go(func() { busy(t, g) })
	}
	running.Wait()
	wantEntry(t, idle, entry(2, 1, 10))
	for l.Stats().SegmentsRetired < 10 || l.Stats().BytesMoved == 0 { // it goes on behind the writers
		runtime.Gosched()
	}
	must(t, l.Close())
	l = mustOpen(t, o)
	for id := range GroupID(5) {
		wantEntry(t, mustGroup(t, l, id), entry(300, 1, 300))
	}
	wantEntry(t, mustGroup(t, l, 100), entry(1, 1, 10))
	must(t, l.Close())
}

func busy(t *testing.T, g *Group) {
	for i := uint64(1); i <= 300; i++ {
		if err := g.StoreLog(entry(i, 1, int(i)%7000)); err != nil {
			t.Error(err)
			return
		}
		g.Applied(i)
		if i%20 == 0 {
			g.Covered(i)
			g.Retain(i - 10)
			if err := g.DeleteRange(1, i-1); err != nil {
				t.Error(err)
			}
		}
		var got raft.Log
		if err := g.Read(i/2+1, &got); err != nil && !errors.Is(err, raft.ErrLogNotFound) {
			t.Error(err)
		}
	}
}
