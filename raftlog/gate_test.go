package raftlog

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestGate: who is inside is waited for, in virtual time too, by all who close it; nobody comes in meanwhile, and nobody behind that.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		stay := func(lasting time.Duration) {
			t.Helper()
			if err := g.enter(); err != nil {
				t.Error(err)
			}
			time.AfterFunc(lasting, g.leave)
		}
		began := time.Now()
		stay(time.Second)
		stay(2 * time.Second)
		if !g.rebuild() || time.Since(began) != 2*time.Second {
			t.Errorf("rebuilding begins after %v", time.Since(began))
		}
		if err := g.enter(); !errors.Is(err, ErrNotLeader) {
			t.Errorf("while it is rebuilt: %v", err)
		}
		g.rebuilt()

		stay(time.Second)
		var closing sync.WaitGroup
		for range 3 {
			closing.Go(g.close)
		}
		synctest.Wait()
		if err := g.enter(); !errors.Is(err, ErrClosed) {
			t.Errorf("while it closes: %v", err)
		}
		closing.Wait()
		if time.Since(began) != 3*time.Second {
			t.Errorf("it was closed after %v", time.Since(began))
		}
		g.close()
		if g.rebuild() || !errors.Is(g.enter(), ErrClosed) {
			t.Error("it is closed, and lets somebody in")
		}
		g.unlessClosed(func() { t.Error("it is closed, and something was done") })
	})
}
