package load

import (
	"errors"
	"sync"
	"time"
)

// usage is what processes had used by a moment.
type usage struct {
	at time.Time
	// nodes are the nodes', in the order of Options.Nodes; load is the processor time of
	// this process.
	nodes []nodeUsage
	load  time.Duration
	// machine is all processors' time.
	machine machineTime
	// network is what the network interfaces carried, but for the loopback.
	network networkUsage
}

// nodeUsage is what a node has used, all its processes together.
type nodeUsage struct {
	processor time.Duration
	// written is how many bytes it caused to be written to disks.
	written int64
	// resident is the memory that it holds now, residentMax the most that it held.
	resident, residentMax int64
}

// machineTime is what all processors together spent their time on since the machine
// was started, each in their own.
type machineTime struct {
	total, idle, waiting time.Duration
}

// networkUsage is of the busiest network interface: it is full when either direction is.
type networkUsage struct {
	received, sent int64 // bytes, by all of them
	// perSecondMax is what the fastest of them can carry each way; 0: it doesn't say.
	perSecondMax int64
}

// errUsageUnknown is returned where there is no way to tell.
var errUsageUnknown = errors.New("what processes use can't be read on this system")

// total is what all nodes have used.
func (u *usage) total() nodeUsage {
	var all nodeUsage
	for _, node := range u.nodes {
		all.processor += node.processor
		all.written += node.written
		all.resident += node.resident
		all.residentMax += node.residentMax
	}
	return all
}

// minus is what was used between two moments. What is a level stays as it is.
func (u *usage) minus(before usage) usage {
	used := usage{
		load: u.load - before.load,
		machine: machineTime{
			total: u.machine.total - before.machine.total, idle: u.machine.idle - before.machine.idle,
			waiting: u.machine.waiting - before.machine.waiting,
		},
		network: networkUsage{
			received: u.network.received - before.network.received, sent: u.network.sent - before.network.sent,
			perSecondMax: u.network.perSecondMax,
		},
	}
	for i, node := range u.nodes {
		if i < len(before.nodes) {
			node.processor -= before.nodes[i].processor
			node.written -= before.nodes[i].written
		}
		used.nodes = append(used.nodes, node)
	}
	return used
}

// watch follows what nodes use, also over several processes of a node one after the other.
type watch struct {
	nodes []Node

	mu    sync.Mutex
	lives []life
}

// life is what is known of a node's processes.
type life struct {
	pid         int
	ended, last nodeUsage // of processes that are gone, and of the present one
}

func newWatch(nodes []Node) *watch { return &watch{nodes: nodes, lives: make([]life, len(nodes))} }

// read reads what everything has used by now. A node without a process has used what it had.
func (w *watch) read() (usage, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, err := readMachine()
	if err != nil {
		return usage{}, err
	}
	for i := range w.nodes {
		one, err := w.look(i)
		if err != nil {
			return usage{}, err
		}
		u.nodes = append(u.nodes, one)
	}
	return u, nil
}

// look reads a node's. mu is held.
func (w *watch) look(i int) (nodeUsage, error) {
	l := &w.lives[i]
	pid := w.pid(i)
	if pid != l.pid {
		l.ended.processor += l.last.processor
		l.ended.written += l.last.written
		l.ended.residentMax = max(l.ended.residentMax, l.last.residentMax)
		l.pid, l.last = pid, nodeUsage{}
	}
	if pid != 0 {
		last, err := readProcess(pid)
		switch {
		case err == nil:
			l.last = last
		case w.pid(i) == pid:
			return nodeUsage{}, err
		}
		// Else it has ended meanwhile: what it had used when it was last looked at stands.
	}
	return nodeUsage{
		processor: l.ended.processor + l.last.processor, written: l.ended.written + l.last.written,
		resident: l.last.resident, residentMax: max(l.ended.residentMax, l.last.residentMax),
	}, nil
}

func (w *watch) pid(i int) int {
	if w.nodes[i].PID == nil {
		return 0
	}
	return w.nodes[i].PID()
}

// local reports whether all nodes are processes of this machine.
func (w *watch) local() bool {
	for i := range w.nodes {
		if w.nodes[i].PID == nil {
			return false
		}
	}
	return len(w.nodes) > 0
}
