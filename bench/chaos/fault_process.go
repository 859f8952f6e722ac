package chaos

import (
	"context"
	"errors"

	"github.com/freshet-mq/freshet/bench/clients"
	"github.com/freshet-mq/freshet/bench/cluster"
	"github.com/freshet-mq/freshet/bench/trial"
)

// awaitInterval is how often it is looked whether a fault had its effect.
const awaitInterval = superviseInterval / 4

// down kills some nodes at once, does something meanwhile, and lets them come back.
func (f *fault) down(ctx context.Context, which []int, meanwhile func() error) (effect bool, err error) {
	release := f.rig.claim(which, true)
	defer release()
	for _, i := range which {
		switch killed, killErr := f.kill(i); {
		case killErr != nil:
			return effect, killErr
		case killed:
			effect = true
		}
	}
	if meanwhile != nil {
		if err := meanwhile(); err != nil {
			return effect, err
		}
	}
	clients.Pause(ctx, f.Lasting)
	return effect, nil
}

// kill kills a node, or reports that there was no process.
func (f *fault) kill(node int) (bool, error) {
	err := f.rig.node(node).Kill()
	if _, ok := errors.AsType[*cluster.StateError](err); ok {
		return false, nil
	}
	return err == nil, err
}

func killOne(ctx context.Context, f *fault) (bool, error) { return f.down(ctx, []int{f.Target}, nil) }

func killTwo(ctx context.Context, f *fault) (bool, error) {
	spared := f.Others(nodes)[f.Random.IntN(nodes-1)]
	var two []int
	for i := range nodes {
		if i != spared {
			two = append(two, i)
		}
	}
	return f.down(ctx, two, nil)
}

func killAll(ctx context.Context, f *fault) (bool, error) {
	all := make([]int, nodes)
	for i := range all {
		all[i] = i
	}
	return f.down(ctx, all, nil)
}

// pauseOne stops a process in its tracks.
func pauseOne(ctx context.Context, f *fault) (bool, error) {
	release := f.rig.claim([]int{f.Target}, false)
	defer release()
	n := f.rig.node(f.Target)
	if err := n.Pause(); err != nil {
		if _, ok := errors.AsType[*cluster.StateError](err); ok {
			return false, nil
		}
		return false, err
	}
	clients.Pause(ctx, f.Lasting)
	return true, n.Resume()
}

// rolling stops one node after the other in order, killEach kills them; both wait for each to
// serve again.
func rolling(ctx context.Context, f *fault) (bool, error) {
	return f.oneByOne(ctx, (*cluster.Node).Stop)
}

func killEach(ctx context.Context, f *fault) (bool, error) {
	return f.oneByOne(ctx, (*cluster.Node).Kill)
}

func (f *fault) oneByOne(ctx context.Context, end func(*cluster.Node) error) (effect bool, err error) {
	for i := range nodes {
		which := (f.Target + i) % nodes
		n, release := f.rig.node(which), f.rig.claim([]int{which}, false)
		err := end(n)
		release()
		if _, ok := errors.AsType[*cluster.StateError](err); !ok {
			if err != nil {
				return effect, err
			}
			effect = true
		}
		// The supervisor starts it.
		trial.Await(ctx, superviseStart, awaitInterval, func() bool { return n.State() == cluster.Running })
	}
	return effect, nil
}
