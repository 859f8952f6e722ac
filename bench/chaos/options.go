package chaos

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/freshet-mq/freshet/bench/clients"
)

// Options say what a run is.
type Options struct {
	// Rounds is how many there are, 1 to 100,000. Default 5.
	Rounds int
	// Seed decides which faults there are, and whom they hit. Default 1.
	Seed uint64
	// First is the number of the first round, from 1 on: a round is made from the seed
	// and its number. Default 1.
	First int
	// Only has every round's first fault be of this kind. Default: they take turns.
	Only string
	// Dir is where nodes have their data. Default: /dev/shm where there is one, so that
	// the disk under the nodes' disks isn't what is measured; else the system's directory
	// for temporary files.
	Dir string
	// Program runs a node: `serve` and flags are put behind. Required.
	Program []string
	// Rate is how many events are published a second. Default 600.
	Rate int
	// Patience bounds what should go quickly once all faults are over: the drain, and that
	// replicas agree. Default 45 s.
	Patience time.Duration
	// Progress is told what is going on, line by line. Default: nobody.
	Progress io.Writer
}

// EnsureDefaults fills in what was left out.
func (o *Options) EnsureDefaults() {
	if o.Rounds == 0 {
		o.Rounds = 5
	}
	if o.First == 0 {
		o.First = 1
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Rate == 0 {
		o.Rate = 600
	}
	if o.Patience == 0 {
		o.Patience = 45 * time.Second
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
}

// Validate refuses what can't be run. Call it behind EnsureDefaults.
func (o *Options) Validate() error {
	switch {
	case o.Rounds < 1 || o.Rounds > 100_000:
		return fmt.Errorf("%d rounds: 1 to 100,000 are possible", o.Rounds)
	case o.First < 0:
		return fmt.Errorf("the first round is number %d: they are counted from 1", o.First)
	case o.Rate < clients.RateMin || o.Rate > clients.RateMax:
		return fmt.Errorf("a rate of %d events a second: 10 to 20,000 are possible", o.Rate)
	case len(o.Program) == 0:
		return errors.New("there is no program that runs a node")
	case o.Only != "" && kindOf(o.Only) == nil:
		return fmt.Errorf("there is no fault called %q: there are %s", o.Only, kindNames(kinds))
	}
	return nil
}
