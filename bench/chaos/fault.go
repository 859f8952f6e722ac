package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/bench/trial"
	"github.com/freshet-mq/freshet/client"
)

// kind is a kind of fault.
type kind struct {
	name string
	// links, disks and throttles: what it needs of the machine.
	links, disks, throttles bool
	// do does it, for the fault's time, and undoes it. It reports whether that had
	// any effect (X1).
	do func(ctx context.Context, f *fault) (effect bool, err error)
}

// kinds are all there are, in the order in which rounds begin with them.
var kinds = []kind{
	{name: "kill", do: killOne},
	{name: "pause", do: pauseOne},
	{name: "cut", links: true, do: cutOff},
	{name: "power-all", disks: true, do: powerAll},
	{name: "kill-all", do: killAll},
	{name: "cut-one-way", links: true, do: cutOneWay},
	{name: "disk-full", disks: true, do: fillDisk},
	{name: "kill-two", do: killTwo},
	{name: "flap", links: true, do: flap},
	{name: "freeze", disks: true, do: freezeDisk},
	{name: "delay", links: true, do: delay},
	{name: "rot", disks: true, do: rotWhileDown},
	{name: "loss", links: true, do: lose},
	{name: "power", disks: true, do: powerOne},
	{name: "rolling", do: rolling},
	{name: "cut-clients", links: true, do: cutClients},
	{name: "truncate", disks: true, do: truncateWhileDown},
	{name: "replace", disks: true, do: replace},
	{name: "kill-each", do: killEach},
	{name: "io-errors", disks: true, do: failDisk},
	{name: "slow-disk", disks: true, throttles: true, do: slowDisk},
}

func kindOf(name string) *kind {
	for i := range kinds {
		if kinds[i].name == name {
			return &kinds[i]
		}
	}
	return nil
}

func kindNames(of []kind) string {
	names := make([]string, len(of))
	for i := range of {
		names[i] = of[i].name
	}
	return strings.Join(names, ", ")
}

// possible are the kinds that a machine can have.
func possible(can abilities) (some, none []kind) {
	for _, k := range kinds {
		if k.links && !can.links || k.disks && !can.disks || k.throttles && !can.throttles {
			none = append(none, k)
		} else {
			some = append(some, k)
		}
	}
	return some, none
}

// fault is one of a round's. What is random of it was drawn before it began (X3).
type fault struct {
	*kind
	trial.Aim

	rig   *rig
	admin *client.Admin
}

// span: faults begin within 5 seconds.
var span = trial.Span{AfterMax: 5 * time.Second, TimeMin: 500 * time.Millisecond, TimeMax: 4 * time.Second}

// faultsMax is how many a round has.
const faultsMax = 4

// draw draws a round's faults: one to four, half of them aimed at leaders.
func draw(r *rig, number int, random *rand.Rand, some []kind, only string) []*fault {
	first := &some[number%len(some)]
	if k := kindOf(only); k != nil {
		first = k
	}
	faults := []*fault{{kind: first}}
	for range random.IntN(faultsMax) {
		faults = append(faults, &fault{kind: &some[random.IntN(len(some))]})
	}
	for _, f := range faults {
		f.rig, f.Aim = r, trial.Draw(random, nodes, span)
	}
	slices.SortStableFunc(faults, func(a, b *fault) int { return int(a.After - b.After) })
	return faults
}

func (f *fault) String() string {
	at := ""
	if f.AtLeader {
		at = ", a leader"
	}
	return fmt.Sprintf("%s n%d%s after %.1f s for %.1f s", f.name, f.Target+1, at, f.After.Seconds(), f.Lasting.Seconds())
}
