package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshet-mq/freshet/bench/chaos/disk"
	"github.com/freshet-mq/freshet/bench/chaos/lan"
	"github.com/freshet-mq/freshet/bench/clients"
	"github.com/freshet-mq/freshet/bench/cluster"
	"github.com/freshet-mq/freshet/bench/trial"
	"github.com/freshet-mq/freshet/client"
)

const (
	nodes      = 3
	partitions = 4
	// clientHost is the number of the host where clients live, behind the nodes'.
	clientHost = nodes
	// logBytes is the nodes' log: small, so that its files are reused within a round.
	logBytes = 64 << 20
	// diskBytes is a node's disk.
	diskBytes = 256 << 20
)

// rig is a cluster that can be broken.
type rig struct {
	dir     string
	cluster *cluster.Cluster
	// network and disks are nil where the system hasn't got them.
	network *lan.Network
	room    *disk.Room
	disks   []*disk.Disk
	nodes   [nodes]rigNode
	joining sync.WaitGroup
	// clocks: each process has an uptime of its own.
	clocks bool
	// replacing is held while a node is replaced.
	replacing sync.Mutex
	// troubles are what faults have found.
	troubles trial.Troubles
	told     func(format string, arguments ...any)
}

// rigNode is what faults know of a node.
type rigNode struct {
	// claim is held by who breaks the node's process or disk: one at a time.
	claim sync.Mutex
	// down is set while the node is to be dead; otherwise the supervisor starts it.
	down atomic.Bool
	// refusals are how often it ended by itself while it was starting.
	refusals atomic.Int64
}

// abilities are what this machine can do to a cluster.
type abilities struct {
	links, disks, throttles, clocks bool
	missing                         []string // why not
}

// lookAround finds out what can be had, by trying.
func lookAround(ctx context.Context, dir string) abilities {
	var can abilities
	network, err := lan.New(2)
	if err == nil {
		err = network.Close()
	}
	if can.links = err == nil; !can.links {
		can.missing = append(can.missing, "no links: "+err.Error())
	}
	room, err := disk.NewRoom()
	if err == nil {
		var one *disk.Disk
		if one, err = room.NewDisk(ctx, filepath.Join(dir, "try"), 32<<20); err == nil {
			err = one.Close()
		}
		err = errors.Join(err, room.Close())
	}
	if can.disks = err == nil; !can.disks {
		can.missing = append(can.missing, "no disks: "+err.Error())
	}
	if err := disk.CanSlow(); err != nil {
		can.missing = append(can.missing, "no slow disks: "+err.Error())
	} else {
		can.throttles = true
	}
	if err := onThread(func() error { return enterUptime(time.Hour) }); err != nil {
		can.missing = append(can.missing, "no uptimes: "+err.Error())
	} else {
		can.clocks = true
	}
	return can
}

// newRig makes nodes that don't run yet. close undoes it.
func newRig(ctx context.Context, o *Options, dir string, can abilities, told func(string, ...any)) (_ *rig, err error) {
	r := &rig{dir: dir, told: told, clocks: can.clocks}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	places := make([]cluster.Place, nodes)
	if can.links {
		if r.network, err = lan.New(nodes + 1); err != nil {
			return nil, err
		}
	}
	if can.disks {
		if r.room, err = disk.NewRoom(); err != nil {
			return nil, err
		}
		for i := range nodes {
			one, err := r.room.NewDisk(ctx, filepath.Join(dir, fmt.Sprintf("n%d", i+1)), diskBytes)
			if err != nil {
				return nil, err
			}
			r.disks = append(r.disks, one)
		}
	}
	for i := range places {
		if can.links {
			places[i].Host = r.network.Host(i).Address()
		}
		if can.links || can.disks || can.clocks {
			places[i].Enter = func() error { return r.enter(i) }
		}
	}
	r.cluster, err = cluster.New(ctx, cluster.Options{
		Nodes: nodes, Name: "chaos", Dir: dir, Program: o.Program, Partitions: partitions, LogBytes: logBytes, Places: places,
	})
	return r, err
}

// enter takes the calling thread to where a node lives. What it begins has been up for as long as no other: a node's clock that doesn't
// jump begins anywhere with each start, as it does with a machine's.
func (r *rig) enter(node int) error {
	if r.clocks {
		if err := enterUptime(time.Duration(rand.Int64N(int64(uptimeMax)))); err != nil { //nolint:gosec // nothing depends on which
			return err
		}
	}
	if r.room != nil {
		if err := r.room.Enter(); err != nil {
			return err
		}
	}
	if r.network != nil {
		return r.network.Host(node).Enter()
	}
	return nil
}

// node is the cluster's of a number, from 0 on.
func (r *rig) node(number int) *cluster.Node { return r.cluster.Nodes()[number] }

// names are the nodes', in their order.
func (r *rig) names() []string {
	names := make([]string, nodes)
	for i := range names {
		names[i] = r.node(i).Name()
	}
	return names
}

const (
	// superviseInterval is how soon a node is started again that is not to be dead.
	superviseInterval = 200 * time.Millisecond
	// superviseStart is how long a start is watched: a node without a majority waits.
	superviseStart = 20 * time.Second
)

// supervise keeps every node running that isn't to be dead, as systemd would, until ctx
// ends: one that ends by itself because its disk is full or gone is meant to come back.
func (r *rig) supervise(ctx context.Context) {
	for i := range nodes {
		r.joining.Go(func() {
			for clients.Pause(ctx, superviseInterval) {
				n := r.node(i)
				switch n.State() {
				case cluster.Stopped, cluster.Killed, cluster.Ended:
				default:
					continue
				}
				if r.nodes[i].down.Load() {
					continue
				}
				bounded, cancel := context.WithTimeout(ctx, superviseStart)
				err := n.Start(bounded)
				cancel()
				if err != nil && n.State() == cluster.Ended {
					r.nodes[i].refusals.Add(1)
					r.told("  %s does not start: %s", n.Name(), firstFault(err))
				}
			}
		})
	}
}

// firstFault is what a node's last words say, in a line.
func firstFault(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for _, line := range lines[1:] {
		if strings.Contains(line, "level=ERROR") || strings.Contains(line, "panic") || strings.HasPrefix(line, "freshet:") || strings.HasPrefix(line, "  ") {
			return strings.TrimSpace(line)
		}
	}
	return lines[len(lines)-1]
}

// connect makes a client that lives where clients do.
func (r *rig) connect(ctx context.Context, target string) (*client.Client, error) {
	var options []client.Option
	if r.network != nil {
		host := r.network.Host(clientHost)
		options = append(options, client.WithDialer(func(ctx context.Context, target string) (net.Conn, error) {
			return host.Dial(ctx, "tcp", target)
		}))
	}
	return client.Connect(ctx, target, options...)
}

// heal ends whatever a fault has left.
func (r *rig) heal() error {
	var errs []error
	if r.network != nil {
		r.network.Heal()
	}
	for i := range r.nodes {
		r.nodes[i].claim.Lock()
		if r.node(i).State() == cluster.Paused {
			errs = append(errs, r.node(i).Resume())
		}
		if r.disks != nil {
			errs = append(errs, r.disks[i].Free())
		}
		r.nodes[i].down.Store(false)
		r.nodes[i].claim.Unlock()
	}
	return errors.Join(errs...)
}

// claim takes nodes for whoever breaks them, and keeps them dead once they are, if so
// wanted; release gives them back.
func (r *rig) claim(which []int, down bool) (release func()) {
	for i := range r.nodes { // always in the same order
		if slices.Contains(which, i) {
			r.nodes[i].claim.Lock()
			r.nodes[i].down.Store(down)
		}
	}
	return func() {
		for _, i := range which {
			r.nodes[i].down.Store(false)
			r.nodes[i].claim.Unlock()
		}
	}
}

// crashes are what nodes have written of ends that no fault explains.
func (r *rig) crashes() (found []string, err error) {
	for _, n := range r.cluster.Nodes() {
		text, err := os.ReadFile(n.Log())
		if err != nil {
			return nil, err
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			for _, sign := range []string{"panic:", "fatal error:", "panic in a call", "WARNING: DATA RACE", "replicas differ"} {
				if strings.Contains(line, sign) {
					found = append(found, n.Name()+": "+line)
				}
			}
		}
	}
	return found, nil
}

// close ends everything but the files.
func (r *rig) close() error {
	var errs []error
	if r.cluster != nil {
		errs = append(errs, r.cluster.Close())
	}
	r.joining.Wait()
	for _, d := range r.disks {
		errs = append(errs, d.Close())
	}
	if r.room != nil {
		errs = append(errs, r.room.Close())
	}
	if r.network != nil {
		errs = append(errs, r.network.Close())
	}
	return errors.Join(errs...)
}
