package load

import (
	"errors"
	"time"
)

// usage is what processes had used by a moment.
type usage struct {
	at time.Time
	// nodes is the processor time of the nodes' processes, load of this one.
	nodes, load time.Duration
	// written is how many bytes the nodes caused to be written to disks.
	written int64
	// resident is the most memory that the nodes held, added up.
	resident int64
	// machine is all processors' time.
	machine machineTime
}

// machineTime is what all processors together spent their time on since the machine
// was started, each in their own.
type machineTime struct {
	total, idle, waiting time.Duration
}

// errUsageUnknown is returned where there is no way to tell.
var errUsageUnknown = errors.New("what processes use can't be read on this system")

// minus is what was used between two moments. What is a level stays as it is.
func (u usage) minus(before usage) usage {
	return usage{
		nodes: u.nodes - before.nodes, load: u.load - before.load, written: u.written - before.written, resident: u.resident,
		machine: machineTime{
			total: u.machine.total - before.machine.total, idle: u.machine.idle - before.machine.idle,
			waiting: u.machine.waiting - before.machine.waiting,
		},
	}
}
