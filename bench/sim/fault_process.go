package sim

import (
	"context"
	"sync"

	"github.com/freshet-mq/freshet/bench/clients"
)

// kill ends a process; what it had written is there when it comes back.
func (f *fault) kill(ctx context.Context)    { f.crash(ctx, 100, f.it()) }
func (f *fault) killTwo(ctx context.Context) { f.crash(ctx, 100, f.others()...) }
func (f *fault) killAll(ctx context.Context) { f.crash(ctx, 100, f.world.nodes...) }

// power cuts a machine's power: what wasn't synced is gone, all of it or some.
func (f *fault) power(ctx context.Context)    { f.crash(ctx, f.unsynced(), f.it()) }
func (f *fault) powerTwo(ctx context.Context) { f.crash(ctx, f.unsynced(), f.others()...) }
func (f *fault) powerAll(ctx context.Context) { f.crash(ctx, f.unsynced(), f.world.nodes...) }

// unsynced draws how much of what wasn't synced is left: nothing, half of the time.
func (f *fault) unsynced() int {
	if f.Random.IntN(2) == 0 {
		return 0
	}
	return f.Random.IntN(100)
}

// crash ends nodes at once, and keeps them dead for a while. All of them vanish before the first disk is looked at: nobody is told anything that was done
// after.
func (f *fault) crash(ctx context.Context, unsynced int, which ...*node) {
	release := f.claim(ctx, which...)
	defer release()
	for _, n := range which {
		if n.running != nil {
			n.vanish()
		}
	}
	var dying sync.WaitGroup
	for _, n := range which {
		if n.running != nil {
			dying.Go(func() { n.lose(ctx, unsynced) })
		}
	}
	dying.Wait()
	clients.Pause(ctx, f.Lasting)
}

// restart stops a node in order, which hands on what it leads.
func (f *fault) restart(ctx context.Context) {
	release := f.claim(ctx, f.it())
	defer release()
	f.it().stop(ctx)
	clients.Pause(ctx, f.Lasting/4)
}

// rolling restarts all, one after the other.
func (f *fault) rolling(ctx context.Context) {
	for _, n := range append(f.others(), f.it()) {
		release := f.claim(ctx, n)
		n.stop(ctx)
		if ctx.Err() == nil && !n.refused {
			_ = n.start(ctx) // otherwise the supervisor does
		}
		release()
	}
}

// pauseNode stops a process as far as anybody sees: nothing comes from it or reaches it, and its disk doesn't answer. Its own clock goes on.
func (f *fault) pauseNode(ctx context.Context) {
	n := f.it()
	release := f.claim(ctx, n)
	defer release()
	f.world.network.Pause(n.api(), true)
	f.world.network.Pause(n.peer(), true)
	if n.running != nil {
		n.disk.hold()
		defer n.disk.release()
	}
	clients.Pause(ctx, f.Lasting)
	f.world.network.Pause(n.api(), false)
	f.world.network.Pause(n.peer(), false)
}

// stallDisk has a disk not answer for a while: long enough, at times, that its node gives up.
func (f *fault) stallDisk(ctx context.Context) {
	n := f.it()
	release := f.claim(ctx, n)
	defer release()
	if n.running == nil {
		return
	}
	n.disk.hold()
	defer n.disk.release()
	clients.Pause(ctx, 2*f.Lasting)
}

// breakDisk has every write and sync of the log fail. The node has to end, and comes back with what was synced.
func (f *fault) breakDisk(ctx context.Context) {
	n := f.it()
	release := f.claim(ctx, n)
	defer release()
	if n.running == nil {
		return
	}
	n.disk.breakDown()
	clients.Pause(ctx, f.Lasting)
	select {
	case <-n.running.Done():
	default:
		if n.disk.refused() {
			f.world.troublef("%s goes on though its disk has refused a write", n.name)
		}
	}
	n.die(ctx, f.unsynced())
}
