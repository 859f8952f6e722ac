package sim

import (
	"context"
	"time"

	"github.com/freshet-mq/freshet/bench/clients"
	"github.com/freshet-mq/freshet/bench/trial"
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
	clients.Pause(ctx, f.Lasting/2)
	release()
	bounded, cancel := context.WithTimeout(ctx, replacedWithin)
	defer cancel()
	if err := trial.LetIn(bounded, f.world.clients.Admin(), n.name); err != nil && ctx.Err() == nil {
		f.world.troublef("%s lost its disk, and doesn't count again: %v", n.name, err)
	}
}
