package sim

import (
	"fmt"
	"io"
	"time"

	"github.com/freshet-mq/freshet/bench/clients"
)

const (
	nodes      = 3
	partitions = 4
	// logBytes is the nodes' log: the smallest, so that its files are used again within a run.
	logBytes = 16 << 20
	// stepsMax bounds a run, and with it the history that is kept of it.
	stepsMax = 200
)

// Options say what a run is.
type Options struct {
	// Seed decides which faults there are and whom they hit, what the network does to messages, and what clients do. Default 1.
	Seed uint64
	// Steps is how many faults there are, 1 to 200. Default 8.
	Steps int
	// Only has every fault be of this kind. Default: they are drawn.
	Only string
	// Rate is how many events are published a second. Default 150.
	Rate int
	// Dir is where nodes have what can't be in memory: identity and metadata. It must be there, and empty. Required.
	Dir string
	// Patience bounds, in virtual time, what should go quickly once all faults are over: the drain, and that replicas
	// agree. Default 60 s.
	Patience time.Duration
	// Log gets every event of the run: what was done to nodes, and what they log. Default: the last ones are kept for Result.Last alone.
	Log io.Writer
}

// EnsureDefaults fills in what was left out.
func (o *Options) EnsureDefaults() {
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Steps == 0 {
		o.Steps = 8
	}
	if o.Rate == 0 {
		o.Rate = 150
	}
	if o.Patience == 0 {
		o.Patience = time.Minute
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
}

// Validate refuses what can't be run. Call it behind EnsureDefaults.
func (o *Options) Validate() error {
	switch {
	case o.Steps < 1 || o.Steps > stepsMax:
		return fmt.Errorf("sim: %d steps: 1 to %d are possible", o.Steps, stepsMax)
	case o.Rate < clients.RateMin || o.Rate > clients.RateMax:
		return fmt.Errorf("sim: a rate of %d events a second: %d to %d are possible", o.Rate, clients.RateMin, clients.RateMax)
	case o.Dir == "":
		return fmt.Errorf("sim: there is no directory for the nodes' metadata")
	case o.Only != "" && kindOf(o.Only) == nil:
		return fmt.Errorf("sim: there is no fault called %q: there are %s", o.Only, kindNames())
	}
	return nil
}
