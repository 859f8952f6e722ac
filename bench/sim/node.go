package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet-mq/freshet/bench/clients"
	"github.com/freshet-mq/freshet/broker"
)

const (
	// startWithin bounds a start; a node that finds no majority tries again.
	startWithin = 20 * time.Second
	// superviseEvery is how soon a node is started again that isn't to be dead.
	superviseEvery = 200 * time.Millisecond
	// stopWithin bounds the end in order of a node.
	stopWithin = 10 * time.Second
)

// node is a member of the cluster that comes and goes. All but what is marked belongs to who holds the claim.
type node struct {
	world   *world
	name    string
	dir     string
	disks   int // how many it has had besides
	random  *rand.Rand
	mem     *vfs.MemFS // what its disk has
	disk    *disk      // of the one that runs
	running *broker.Node
	refused bool // it has said that it won't start on what is there
	// claim has one token: who holds it breaks the node, starts it or ends it. (A mutex would stop virtual time.)
	claim chan struct{}
	// wanted is how many wait for the claim: a start under way is broken off for them. Anybody's.
	wanted atomic.Int32
	begun  struct {
		sync.Mutex
		cancel context.CancelFunc // of a start under way
	}
}

func newNode(w *world, number int) *node {
	name := fmt.Sprintf("n%d", number+1)
	n := &node{world: w, name: name, dir: filepath.Join(w.Dir, name), random: w.drawer("node " + name), mem: vfs.NewCrashableMem(), claim: make(chan struct{}, 1)}
	n.claim <- struct{}{}
	return n
}

// peer is where other nodes reach it, api where clients do.
func (n *node) peer() string { return n.name + ":7601" }
func (n *node) api() string  { return n.name + ":7600" }

// take takes the claim. A start that is under way is broken off.
func (n *node) take(ctx context.Context) bool {
	n.wanted.Add(1)
	defer n.wanted.Add(-1)
	n.begun.Lock()
	if n.begun.cancel != nil {
		n.begun.cancel()
	}
	n.begun.Unlock()
	select {
	case <-n.claim:
		return true
	case <-ctx.Done():
		return false
	}
}

func (n *node) give() { n.claim <- struct{}{} }

// start starts the node on what its disk has.
func (n *node) start(ctx context.Context) error {
	w := n.world
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	n.begun.Lock()
	n.begun.cancel = cancel
	n.begun.Unlock()
	defer func() {
		n.begun.Lock()
		n.begun.cancel = nil
		n.begun.Unlock()
	}()
	if n.wanted.Load() > 0 {
		cancel()
	}
	streams, err := w.network.Listen(n.peer())
	if err != nil {
		return err
	}
	listener, err := w.network.ListenForeign(n.api())
	if err != nil {
		return errors.Join(err, streams.Close())
	}
	n.disk = newDisk(n.mem, rand.New(rand.NewPCG(n.random.Uint64(), 0))) //nolint:gosec // a seed replays
	o := broker.Options{
		Node: n.name, Dir: n.dir, FS: n.disk, Cluster: "sim", PeerStreams: streams, Partitions: partitions, Listener: listener, Advertise: n.api(),
		LogBytesMax: logBytes, Logger: slog.New(slog.NewTextHandler(w.journal.of(n.name), &slog.HandlerOptions{ReplaceAttr: timeless})),
	}
	for _, m := range w.nodes {
		o.Peers = append(o.Peers, broker.Peer{Name: m.name, Address: m.peer()})
	}
	running, err := broker.Start(ctx, o)
	if err != nil {
		if n.refused = ctx.Err() == nil && !n.disk.excuses(); n.refused {
			w.troublef("%s doesn't start: %v", n.name, err)
		}
		return err
	}
	n.running = running
	w.journal.notef("%s is up", n.name)
	return nil
}

// timeless leaves the time out of what nodes log: the journal has it.
func timeless(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// supervise starts the node whenever it is down and nobody has claimed it, until ctx ends. One that has ended by itself, and may have, loses
// nothing that it had written.
func (n *node) supervise(ctx context.Context) {
	for clients.Pause(ctx, superviseEvery) {
		select {
		case <-n.claim:
		default:
			continue
		}
		if n.running != nil && n.running.Err() != nil {
			if err := n.running.Err(); !n.disk.excuses() {
				n.world.troublef("%s ended by itself: %v", n.name, err)
			}
			n.die(ctx, 100)
		}
		if n.running == nil && !n.refused && n.wanted.Load() == 0 {
			_ = n.start(ctx) // it has said so, if that is news
		}
		n.give()
	}
}

// vanish cuts the node off for good, as its process sees it: nothing of it is heard any more. What its disk is said to have from
// here on was told before.
func (n *node) vanish() {
	n.world.network.Kill(n.api())
	n.world.network.Kill(n.peer())
}

// die ends the node with what its disk has: all that was synced, and so many percent of what was only written. The metadata's files, which
// can't be cloned, keep what they have; nobody hears of what the old process still writes there.
func (n *node) die(ctx context.Context, unsynced int) {
	if n.running == nil {
		return
	}
	n.vanish()
	n.lose(ctx, unsynced)
}

// lose is the rest of die, for a node that has vanished.
func (n *node) lose(ctx context.Context, unsynced int) {
	n.mem = n.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: rand.New(rand.NewPCG(n.random.Uint64(), 0))}) //nolint:gosec // a seed replays
	n.disk.release()
	at, cancel := context.WithCancel(context.WithoutCancel(ctx))
	cancel()
	_ = n.running.Shutdown(at) // what it says is that it was broken off
	n.running = nil
	n.world.journal.notef("%s is dead, with %d %% of what wasn't synced", n.name, unsynced)
}

// wipe takes a dead node's disk, and gives it an empty one.
func (n *node) wipe() {
	n.disks, n.refused = n.disks+1, false
	n.dir = filepath.Join(n.world.Dir, fmt.Sprintf("%s-%d", n.name, n.disks))
	n.mem = vfs.NewCrashableMem()
	n.world.journal.notef("%s has an empty disk", n.name)
}

// stop ends the node in order: others take over what it leads.
func (n *node) stop(ctx context.Context) {
	if n.running == nil {
		return
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	err := n.running.Shutdown(bounded)
	n.running = nil
	n.world.journal.notef("%s was stopped: %v", n.name, err)
}
