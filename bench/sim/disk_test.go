package sim

import (
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestDisk: who waited for a stalled disk may end by itself, and who was refused a write has to. A node that writes nothing, since all others are
// gone, goes on though its disk is broken (seed 61120, where it had waited for the same disk before).
func TestDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(vfs.NewMem(), rand.New(rand.NewPCG(1, 1)))
		d.hold()
		synced := make(chan error)
		go func() { synced <- d.sync() }()
		synctest.Wait()
		d.release()
		if err := <-synced; err != nil || !d.excuses() {
			t.Errorf("a sync on a disk that stalled: %v, and it is an excuse: %v", err, d.excuses())
		}
		d.breakDown()
		if d.refused() {
			t.Error("nothing was written, and it counts as refused")
		}
		if err := d.write(); !errors.Is(err, errDisk) || !d.refused() || !d.excuses() {
			t.Errorf("a write on a broken disk: %v, and counts as refused: %v", err, d.refused())
		}
	})
}
