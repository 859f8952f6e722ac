package clients

import (
	"context"
	"fmt"
	"time"

	"github.com/freshet-mq/freshet/client"
)

// RateMin and RateMax bound Options.Rate.
const (
	RateMin = 10
	RateMax = 20_000
)

// visibilityMin is far more than it takes to extend a lease.
const visibilityMin = time.Second

// Options say whom clients use, and how.
type Options struct {
	// Topic is the name of the topic that is made and used. Required.
	Topic string
	// Partitions is how many it has, as many as the cluster. Required.
	Partitions int
	// Nodes are the cluster's. Required.
	Nodes []Node
	// Connect makes a client of what a target names: a node, or several with commas between. Clients call it, one call at a
	// time. Required.
	Connect func(ctx context.Context, target string) (*client.Client, error)
	// Seed decides what clients publish, and what they do with what they get (C2).
	Seed uint64
	// Rate is about how many events are published a second, RateMin to RateMax. Required.
	Rate int
	// Visibility is how long leases last, 1 s or more: short, so that they run out while things break. Required.
	Visibility time.Duration
	// Patience bounds what should go quickly once all faults are over (C4). Required.
	Patience time.Duration
	// Troublef is told what is wrong besides what the history proves. Many call it at once. Required.
	Troublef func(format string, arguments ...any)
	// Notef is told what may help whoever looks into a failure. Many call it at once. Default: nobody.
	Notef func(format string, arguments ...any)
}

// Node is a member of the cluster: its name, and where clients reach it.
type Node struct{ Name, Target string }

// EnsureDefaults fills in what was left out.
func (o *Options) EnsureDefaults() {
	if o.Notef == nil {
		o.Notef = func(string, ...any) {}
	}
}

// Validate refuses what can't be used. Call it behind EnsureDefaults.
func (o *Options) Validate() error {
	switch {
	case o.Topic == "", o.Partitions < 1, len(o.Nodes) == 0, o.Connect == nil, o.Troublef == nil, o.Patience <= 0:
		return fmt.Errorf("clients: topic, partitions, nodes, Connect, Troublef and patience are required")
	case o.Rate < RateMin || o.Rate > RateMax:
		return fmt.Errorf("clients: a rate of %d events a second: %d to %d are possible", o.Rate, RateMin, RateMax)
	case o.Visibility < visibilityMin:
		return fmt.Errorf("clients: leases of %v: at least %v is possible", o.Visibility, visibilityMin)
	}
	return nil
}
