package sim

import (
	"context"
	"time"

	"github.com/freshet-mq/freshet/bench/clients"
	"github.com/freshet-mq/freshet/raftlog/transport"
)

// usual is what every message takes, to nodes and clients.
func usual() transport.Faults {
	return transport.Faults{DelayMin: 50 * time.Microsecond, DelayMax: 600 * time.Microsecond}
}

// way is from where to where.
type way struct{ from, to string }

// both are the ways between two addresses.
func both(a, b string) []way { return []way{{a, b}, {b, a}} }

// cutFor cuts ways for the fault's time.
func (f *fault) cutFor(ctx context.Context, ways []way) {
	for _, on := range []bool{true, false} {
		for _, w := range ways {
			f.world.network.Cut(w.from, w.to, on)
		}
		if on {
			clients.Pause(ctx, f.Lasting)
		}
	}
}

// toNodes are the ways between the target and all other nodes.
func (f *fault) toNodes() (ways []way) {
	for _, n := range f.others() {
		ways = append(ways, both(f.it().peer(), n.peer())...)
	}
	return ways
}

// cut parts a node from all others, in both directions. Clients reach all.
func (f *fault) cut(ctx context.Context) { f.cutFor(ctx, f.toNodes()) }

// cutOneWay has others not hear a node, or a node not hear them.
func (f *fault) cutOneWay(ctx context.Context) {
	var ways []way
	deaf := f.Random.IntN(2) == 0
	for _, n := range f.others() {
		if deaf {
			ways = append(ways, way{n.peer(), f.it().peer()})
		} else {
			ways = append(ways, way{f.it().peer(), n.peer()})
		}
	}
	f.cutFor(ctx, ways)
}

// cutPair parts two nodes; the third hears both.
func (f *fault) cutPair(ctx context.Context) {
	f.cutFor(ctx, both(f.it().peer(), f.others()[f.Random.IntN(nodes-1)].peer()))
}

// cutClients parts a node from clients, and half of the time from the other nodes too.
func (f *fault) cutClients(ctx context.Context) {
	var ways []way
	for _, c := range f.world.dialers {
		ways = append(ways, both(c.Addr().String(), f.it().api())...)
	}
	if f.Random.IntN(2) == 0 {
		ways = append(ways, f.toNodes()...)
	}
	f.cutFor(ctx, ways)
}

// flap cuts a node off, again and again.
func (f *fault) flap(ctx context.Context) {
	for end := time.Now().Add(f.Lasting); time.Now().Before(end) && ctx.Err() == nil; {
		for _, on := range []bool{true, false} {
			for _, w := range f.toNodes() {
				f.world.network.Cut(w.from, w.to, on)
			}
			clients.Pause(ctx, 10*time.Millisecond+time.Duration(f.Random.Int64N(int64(700*time.Millisecond))))
		}
	}
}

// breakConnections breaks a node's connections, some times; new ones can be made.
func (f *fault) breakConnections(ctx context.Context) {
	for range 1 + f.Random.IntN(5) {
		for _, n := range f.others() {
			f.world.network.Break(f.it().peer(), n.peer())
		}
		for _, c := range f.world.dialers {
			f.world.network.Break(c.Addr().String(), f.it().api())
		}
		clients.Pause(ctx, f.Lasting/4)
	}
}

// slow has everything take longer.
func (f *fault) slow(ctx context.Context) {
	most := 5*time.Millisecond + time.Duration(f.Random.Int64N(int64(200*time.Millisecond)))
	f.world.network.SetFaults(transport.Faults{DelayMin: most / 10, DelayMax: most})
	defer f.world.network.SetFaults(usual())
	clients.Pause(ctx, f.Lasting)
}

// unruly has messages between nodes be lost, come twice, late, again much later, or their connection break in their place. Snapshots too
// come again.
func (f *fault) unruly(ctx context.Context) {
	share := func(most float64) float64 { return most * f.Random.Float64() * f.Random.Float64() }
	faults := usual()
	faults.DelayMax *= 10
	faults.Drop, faults.Duplicate, faults.Replay, faults.Reorder, faults.Break = share(0.2), share(0.3), share(0.3), share(0.3), share(0.05)
	faults.LateMax = time.Duration(f.Random.Int64N(int64(5 * time.Second)))
	f.world.network.SetFaults(faults)
	defer f.world.network.SetFaults(usual())
	clients.Pause(ctx, f.Lasting)
}
