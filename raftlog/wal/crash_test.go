package wal

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

var (
	seedFlag  = flag.Uint64("wal.seed", 0, "run this seed alone, and say what it does")
	seedsFlag = flag.Int("wal.seeds", 0, "how many seeds to run; 0: as many as take a few seconds")
)

// seeds are those that a test runs.
func seeds(t *testing.T, usual int) []uint64 {
	t.Helper()
	if *seedFlag != 0 {
		return []uint64{*seedFlag}
	}
	if *seedsFlag != 0 {
		usual = *seedsFlag
	}
	if raceEnabled {
		usual = max(1, usual/10)
	}
	list := make([]uint64, usual)
	for i := range list {
		list[i] = uint64(i + 1)
	}
	return list
}

// report fails a test with what replays it.
func report(t *testing.T, seed uint64, u *run, err error) {
	t.Helper()
	t.Fatalf("seed %d: %v\nbefore that:\n  %s\nreplay: go test ./raftlog/wal -run '^%s$' -wal.seed %d",
		seed, err, strings.Join(u.steps[max(0, len(u.steps)-30):], "\n  "), t.Name(), seed)
}

// errCrashed unwinds a run whose machine has crashed.
var errCrashed = errors.New("crashed")

// TestCrash (R1, R2, R3) runs random changes of several groups, and at every write, sync and change of a name opens what a
// crash there would leave: it has to be in a state that loses nothing reported as synced, brings nothing back that was
// truncated, and has every entry under its own index and term. Now and then the run goes on from there, so that crashes
// follow on crashes, during recovery as well.
func TestCrash(t *testing.T) {
	var points, crashes int
	var retired, moved, rounds uint64
	for _, seed := range seeds(t, 2000) {
		c := &crashRun{run: newRun(seed), random: rand.New(rand.NewPCG(seed, 8))}
		// Most runs are short: what they do first differs most. Every eighth is long enough for segments to come and go.
		steps := 6
		if seed%8 == 0 {
			steps = 60
		}
		if seed%64 == 0 {
			steps = 160
		}
		if err := c.all(steps); err != nil {
			report(t, seed, c.run, err)
		}
		points, crashes = points+c.points, crashes+c.crashes
		retired, moved, rounds = retired+c.segmentsRetired, moved+c.entriesMoved, rounds+c.rounds
	}
	t.Logf("%d crashes looked at, %d lived through; %d segments retired, %d bytes moved, %d rounds", points, crashes, retired, moved, rounds)
	if *seedFlag == 0 && (points == 0 || crashes == 0 || retired == 0 || moved == 0 || !raceEnabled && rounds == 0) {
		t.Error("nothing was tested")
	}
}

type crashRun struct {
	*run
	random  *rand.Rand // for crashes, so that the run is the same without them
	points  int
	crashes int
	err     error
}

func (c *crashRun) all(steps int) error {
	c.fs.after = c.point
	open := true
	for range steps {
		err := c.live(open)
		if c.err != nil {
			return c.err
		}
		if open = errors.Is(err, errCrashed); !open && err != nil {
			return err
		}
	}
	c.count()
	return nil
}

// live goes on until something is done or the machine crashes.
func (c *crashRun) live(open bool) (err error) {
	defer func() {
		if crashed := recover(); crashed != nil {
			if crashed != errCrashed { //nolint:errorlint // panics carry the very value
				panic(crashed)
			}
			err = errCrashed
		}
	}()
	if open {
		if err := c.open(); err != nil {
			return err
		}
		if err := c.adoptState(c.log); err != nil {
			return err
		}
	}
	return c.step()
}

// point is called where a crash leaves something new.
func (c *crashRun) point(what string) {
	c.points++
	mode := crashMode(c.random.IntN(int(crashModes)))
	left := c.fs.crash(c.random, mode)
	o := c.options(left, rand.New(rand.NewPCG(1, 1)))
	o.lazy = c.random.IntN(8) > 0
	l, err := Open(o)
	if err == nil {
		_, err = c.check(l)
	}
	if err != nil && c.err == nil {
		c.err = fmt.Errorf("after a %s, a crash that %v what was not synced: %w", what, mode, err)
	}
	if c.random.IntN(40) > 0 && c.err == nil {
		return
	}
	c.crashes++
	// The machine's power is lost, or only the process ends.
	if c.random.IntN(3) > 0 {
		c.sayf("power cut after a %s, which %v what was not synced", what, mode)
		c.fs = c.fs.crash(c.random, mode)
	} else {
		c.sayf("killed after a %s", what)
		c.fs = c.fs.killed()
	}
	c.fs.after = c.point
	panic(errCrashed)
}
