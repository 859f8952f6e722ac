package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/bench/clients"
	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/bench/trial"
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

// fault is one of a run's steps. What is random of it was drawn before the run began; it is waited for behind the one before it.
type fault struct {
	kind
	trial.Aim

	world  *world
	number int
}

// span: so soon faults come one behind the other, and so long they are there.
var span = trial.Span{AfterMax: 3 * time.Second, TimeMin: 300 * time.Millisecond, TimeMax: 6 * time.Second}

// faultsAtOnce is how many there are at a time.
const faultsAtOnce = 3

// draw draws a run's faults: half of them are aimed at leaders, some come one upon the other.
func draw(w *world) (faults []*fault) {
	random, some := w.drawer("faults"), kinds()
	for number := range w.Steps {
		f := &fault{kind: some[random.IntN(len(some))], world: w, number: number + 1}
		if k := kindOf(w.Only); k != nil {
			f.kind = *k
		}
		f.Aim = trial.Draw(random, nodes, span)
		faults = append(faults, f)
	}
	return faults
}

// breakThings does all faults, each at its time.
func (w *world) breakThings(ctx context.Context) error {
	var breaking sync.WaitGroup
	room, recorder := make(chan struct{}, faultsAtOnce), w.clients.Recorder()
	names := make([]string, len(w.nodes))
	for i, n := range w.nodes {
		names[i] = n.name
	}
	for _, f := range draw(w) {
		room <- struct{}{}
		clients.Pause(ctx, f.After)
		breaking.Go(func() {
			defer func() { <-room }()
			f.Settle(ctx, w.clients.Admin(), names)
			begin := recorder.Now()
			w.journal.notef("step %d begins: %s", f.number, f)
			f.do(f, ctx)
			w.journal.notef("step %d ends: %s", f.number, f)
			_ = recorder.Fault(history.Fault{Kind: f.name, Target: f.it().name, Begin: begin, End: recorder.Now()}) // a full history says so itself
		})
		w.result.Faults[f.name]++
	}
	breaking.Wait()
	return nil
}

func (f *fault) String() string {
	return fmt.Sprintf("%s n%d for %v", f.name, f.Target+1, f.Lasting.Round(time.Millisecond))
}

// others are all nodes but the target.
func (f *fault) others() (others []*node) {
	for _, i := range f.Others(len(f.world.nodes)) {
		others = append(others, f.world.nodes[i])
	}
	return others
}

// it is the target.
func (f *fault) it() *node { return f.world.nodes[f.Target] }

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
