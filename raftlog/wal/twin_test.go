package wal

import (
	"testing"
)

// TestTwin runs random changes of several groups (appends, truncations, votes, snapshots that were installed, entries that were
// adopted, groups removed and made again, marks moved, segments retired, the log closed, killed and opened again) and
// compares everything that can be read with a map after each of them.
func TestTwin(t *testing.T) {
	var retired, moved uint64
	for _, seed := range seeds(t, 200) {
		u := newRun(seed)
		err := u.open()
		for i := 0; i < 100 && err == nil; i++ {
			if err = u.step(); err == nil {
				_, err = u.check(u.log)
			}
		}
		if err != nil {
			report(t, seed, u, err)
		}
		u.count()
		retired, moved = retired+u.segmentsRetired, moved+u.entriesMoved
	}
	t.Logf("%d segments retired, %d bytes moved", retired, moved)
	if *seedFlag == 0 && (retired == 0 || moved == 0) {
		t.Error("nothing was retired")
	}
}
