package trial

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/freshet-mq/freshet/bench/clients"
	"github.com/freshet-mq/freshet/client"
)

// Aim is at whom a fault is aimed, when, and for how long.
type Aim struct {
	// Random is the fault's own.
	Random *rand.Rand
	// After is how long it is waited for, Lasting how long it is there.
	After, Lasting time.Duration
	// Target is a node's number; AtLeader has it be one that leads when the fault begins.
	Target   int
	AtLeader bool
}

// Span bounds what is drawn of a fault: it is waited for less than AfterMax, and is there for TimeMin or longer, less than TimeMax.
type Span struct{ AfterMax, TimeMin, TimeMax time.Duration }

// Draw draws an aim: at one of so many nodes, half of the time at one that leads (T1).
func Draw(random *rand.Rand, nodes int, s Span) Aim {
	return Aim{
		Random:   rand.New(rand.NewPCG(random.Uint64(), random.Uint64())), //nolint:gosec // a seed replays
		After:    time.Duration(random.Int64N(int64(s.AfterMax))),
		Lasting:  s.TimeMin + time.Duration(random.Int64N(int64(s.TimeMax-s.TimeMin))),
		Target:   random.IntN(nodes),
		AtLeader: random.IntN(2) == 0,
	}
}

const (
	// askTimeout bounds a question to the cluster.
	askTimeout = 2 * time.Second
	// letInEvery is how long until it is asked again.
	letInEvery = 200 * time.Millisecond
)

// Settle settles whom the fault hits, among nodes of these names: the leader of a partition, if it is aimed at one and there is an answer.
func (a *Aim) Settle(ctx context.Context, admin *client.Admin, names []string) {
	if !a.AtLeader {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	seen, err := admin.Cluster(ctx)
	if err != nil || len(seen.Partitions) == 0 {
		return // as drawn
	}
	if i := slices.Index(names, seen.Partitions[a.Random.IntN(len(seen.Partitions))].Leader); i >= 0 {
		a.Target = i
	}
}

// Others are all of so many nodes but the target.
func (a *Aim) Others(nodes int) (others []int) {
	for i := range nodes {
		if i != a.Target {
			others = append(others, i)
		}
	}
	return others
}

// Await waits until something is so, for as long as ctx and within allow, and reports whether it was. It looks once in every interval.
func Await(ctx context.Context, within, interval time.Duration, so func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for !so() {
		if !clients.Pause(ctx, interval) {
			return false
		}
	}
	return true
}
