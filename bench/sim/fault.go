package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
)

// kind is a kind of fault. It is done for the fault's time, and undone.
type kind struct {
	name string
	do   func(*fault, context.Context)
}

// kinds are all there are; docs/reliability.md says what each is.
func kinds() []kind {
	return []kind{
		{"kill", (*fault).kill}, {"kill-two", (*fault).killTwo}, {"kill-all", (*fault).killAll},
		{"power", (*fault).power}, {"power-two", (*fault).powerTwo}, {"power-all", (*fault).powerAll},
		{"replace", (*fault).replace}, {"restart", (*fault).restart}, {"rolling", (*fault).rolling}, {"pause", (*fault).pauseNode},
		{"stall", (*fault).stallDisk}, {"disk-error", (*fault).breakDisk},
		{"cut", (*fault).cut}, {"cut-one-way", (*fault).cutOneWay}, {"cut-pair", (*fault).cutPair}, {"cut-clients", (*fault).cutClients},
		{"flap", (*fault).flap}, {"break", (*fault).breakConnections}, {"slow", (*fault).slow}, {"unruly", (*fault).unruly},
	}
}

func kindOf(name string) *kind {
	all := kinds()
	if i := slices.IndexFunc(all, func(k kind) bool { return k.name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

func kindNames() string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return strings.Join(names, ", ")
}

// fault is one of a run's steps. What is random of it was drawn before the run began.
type fault struct {
	kind
	world  *world
	number int
	random *rand.Rand
	// gap is how long after the one before it begins, lasting how long it is there.
	gap, lasting time.Duration
	// target is a node's number; atLeader has it be one that leads when it begins.
	target   int
	atLeader bool
}

const (
	faultGapMax  = 3 * time.Second
	faultTimeMin = 300 * time.Millisecond
	faultTimeMax = 6 * time.Second
	// faultsAtOnce is how many there are at a time.
	faultsAtOnce = 3
)

// draw draws a run's faults: half of them are aimed at leaders, some come one upon the other.
func draw(w *world) (faults []*fault) {
	random, some := w.drawer("faults"), kinds()
	for number := range w.Steps {
		f := &fault{kind: some[random.IntN(len(some))], world: w, number: number + 1}
		if k := kindOf(w.Only); k != nil {
			f.kind = *k
		}
		f.random = rand.New(rand.NewPCG(random.Uint64(), random.Uint64())) //nolint:gosec // a seed replays
		f.gap = time.Duration(random.Int64N(int64(faultGapMax)))
		f.lasting = faultTimeMin + time.Duration(random.Int64N(int64(faultTimeMax-faultTimeMin)))
		f.target, f.atLeader = random.IntN(nodes), random.IntN(2) == 0
		faults = append(faults, f)
	}
	return faults
}

// breakThings does all faults, each at its time.
func (w *world) breakThings(ctx context.Context, faults []*fault) {
	var breaking sync.WaitGroup
	room := make(chan struct{}, faultsAtOnce)
	for _, f := range faults {
		room <- struct{}{}
		pause(ctx, f.gap)
		breaking.Go(func() {
			defer func() { <-room }()
			f.aim(ctx)
			begin := w.recorder.Now()
			w.journal.notef("step %d begins: %s", f.number, f)
			f.do(f, ctx)
			w.journal.notef("step %d ends: %s", f.number, f)
			_ = w.recorder.Fault(history.Fault{Kind: f.name, Target: w.nodes[f.target].name, Begin: begin, End: w.recorder.Now()}) // a full history says so itself
		})
		w.result.Faults[f.name]++
	}
	breaking.Wait()
}

// aimTimeout bounds the question who leads.
const aimTimeout = 2 * time.Second

// aim settles whom the fault hits.
func (f *fault) aim(ctx context.Context) {
	if !f.atLeader {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, aimTimeout)
	defer cancel()
	seen, err := f.world.clients[0].Admin().Cluster(ctx)
	if err != nil || len(seen.Partitions) == 0 {
		return // as drawn
	}
	leader := seen.Partitions[f.random.IntN(len(seen.Partitions))].Leader
	for i, n := range f.world.nodes {
		if n.name == leader {
			f.target = i
		}
	}
}

func (f *fault) String() string {
	return fmt.Sprintf("%s n%d for %v", f.name, f.target+1, f.lasting.Round(time.Millisecond))
}

// others are all nodes but the target.
func (f *fault) others() (others []*node) {
	for i, n := range f.world.nodes {
		if i != f.target {
			others = append(others, n)
		}
	}
	return others
}

// it is the target.
func (f *fault) it() *node { return f.world.nodes[f.target] }

// claim takes nodes for this fault, always in the same order, and returns what gives them back. When ctx ends there are none.
func (f *fault) claim(ctx context.Context, which ...*node) (release func()) {
	var taken []*node
	for _, n := range f.world.nodes {
		if slices.Contains(which, n) && n.take(ctx) {
			taken = append(taken, n)
		}
	}
	return func() {
		for _, n := range taken {
			n.give()
		}
	}
}
