package sim

import (
	"flag"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/datadriven"

	"github.com/freshet-mq/freshet/bench/trial"
)

var (
	seedFlag   = flag.Uint64("sim.seed", 1, "the first seed")
	stepsFlag  = flag.Int("sim.steps", 8, "how many faults there are, in all seeds together")
	eachFlag   = flag.Int("sim.each", 4, "how many of them one seed has")
	onlyFlag   = flag.String("sim.only", "", "every fault is of this kind")
	commitFlag = flag.String("sim.commit", "unknown", "what is run, for those who look into a failure")
	runsFlag   = flag.String("sim.runs", "", "the file that gets the summary, as a line of JSON")
	tellFlag   = flag.Bool("sim.tell", false, "say all that happens")
)

// TestSim runs seeds from one on, until so many steps are done.
//
//	make sim SEED=1 STEPS=2000
//	go test -run TestSim ./bench/sim -sim.seed 17 -sim.steps 8 -sim.each 8 -sim.tell     (one, with all that happens)
func TestSim(t *testing.T) {
	summary := NewSummary(*seedFlag, *onlyFlag, *commitFlag)
	for seed, left := *seedFlag, *stepsFlag; left > 0; seed, left = seed+1, left-*eachFlag {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			simulate(t, Options{Seed: seed, Steps: min(*eachFlag, left), Only: *onlyFlag}, summary)
		})
	}
	t.Log(summary)
	if *runsFlag != "" {
		if err := trial.Append(*runsFlag, summary); err != nil {
			t.Error(err)
		}
	}
}

// TestFoundBefore runs seeds that have found something once.
func TestFoundBefore(t *testing.T) {
	datadriven.RunTest(t, "testdata/seeds.txt", func(t *testing.T, d *datadriven.TestData) string {
		t.Helper()
		o := Options{}
		d.ScanArgs(t, "seed", &o.Seed)
		d.ScanArgs(t, "steps", &o.Steps)
		d.MaybeScanArgs(t, "only", &o.Only)
		simulate(t, o, nil)
		return d.Expected
	})
}

// simulate runs a seed in a bubble of its own, and adds what came of it to a summary, if there is one.
func simulate(t *testing.T, o Options, to *Summary) {
	t.Helper()
	o.Dir = t.TempDir()
	if *tellFlag {
		o.Log = t.Output()
	}
	var r *Result
	defer func() {
		if r != nil && to != nil {
			to.AddRun(r) // out here the clock is the real one
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		var err error
		if r, err = Run(t.Context(), o); err != nil {
			t.Error(err)
		}
		if r == nil {
			return
		}
		t.Log(r)
		if !r.OK() {
			t.Error(r.Failure(*commitFlag))
		}
	})
}

// TestOptions: what can't be run is refused before anything is.
func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{Dir: "x", Steps: stepsMax + 1}, {Dir: "x", Rate: 1}, {}, {Dir: "x", Only: "flood"},
	} {
		o.EnsureDefaults()
		if o.Validate() == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
