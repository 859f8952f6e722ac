package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/freshet-mq/freshet/client"
)

// replacedWithin bounds how long a node may take to count again that has lost its disk, while other things break too.
const replacedWithin = 5 * time.Minute

// replace has a node lose its disk for good, and be let in anew: it has to fetch all that it lacks before it counts. One at a time.
func (f *fault) replace(ctx context.Context) {
	select {
	case f.world.replacing <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-f.world.replacing }()
	n := f.it()
	release := f.claim(ctx, n)
	n.die(ctx, 0)
	n.wipe()
	pause(ctx, f.lasting/2)
	release()
	ctx, cancel := context.WithTimeout(ctx, replacedWithin)
	defer cancel()
	if err := f.letIn(ctx, n.name); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		f.world.troublef("%s lost its disk, and doesn't count again: %v", n.name, err)
	}
}

// letIn has the cluster let a node with an empty disk take part, and waits until it counts.
func (f *fault) letIn(ctx context.Context, name string) (err error) {
	admin, asked := f.world.clients[0].Admin(), false
	for {
		bounded, cancel := context.WithTimeout(ctx, aimTimeout)
		if !asked {
			_, err = admin.ReplaceNode(bounded, name)
			asked = err == nil
		}
		if asked {
			var seen *client.Cluster
			if seen, err = admin.Cluster(bounded); err == nil {
				err = errors.New("it has not caught up")
			}
			if seen != nil && slices.ContainsFunc(seen.Nodes, func(n client.Node) bool { return n.Name == name && n.Reached && !n.Waiting && !n.Joining }) {
				err = nil
			}
		}
		cancel()
		if asked && err == nil || !pause(ctx, drainInterval) {
			return err
		}
	}
}
