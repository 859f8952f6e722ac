package cluster

import (
	"errors"
	"fmt"
	"math"
)

// Options say what a cluster is.
type Options struct {
	// Nodes is how many there are: 1, 3 or 5. Default 1. They are called n1, n2
	// and so on.
	Nodes int
	// Name is the cluster's. Required.
	Name string
	// Dir holds the nodes' data, configurations and logs; made with mode 0700 when
	// it isn't there. Required. It isn't removed at the end.
	Dir string
	// Program is what runs a node: a path, and maybe first arguments; `serve` and
	// flags are put behind. Required.
	Program []string
	// Environment is added to what children inherit of this process's, NAME=VALUE.
	Environment []string
	// Port is where n1 is reached by clients. Other nodes reach it one above,
	// and two above are health and profiles; each further node has its own ten above
	// the last one's. Default 0: free ports.
	Port int
	// Partitions is how many the cluster is founded with. Default: what nodes do by
	// themselves.
	Partitions int
	// LogBytes is how much a node's log may hold. Default 2 GiB, at least 16 MiB.
	LogBytes int64
	// LogLevel is the least level of what nodes write to their logs: debug, info,
	// warn or error. Default info.
	LogLevel string
	// Places say where each node lives, n1 first. Default: all on loopback, in this
	// process's network.
	Places []Place
	// Died is called, by a goroutine of this package, when a node's process ends
	// although nobody ended it. The error says how, with the log's last lines. Default:
	// nothing.
	Died func(node *Node, err error)
}

// Place is where a node lives.
type Place struct {
	// Host is the address that it is reached under. Default 127.0.0.1.
	Host string
	// Enter takes the calling thread to where the node lives: into a network namespace.
	// The thread does nothing else any more, but start the node's process, which lives
	// there then. Default: the thread stays.
	Enter func() error
}

// hostDefault is where nodes live that have no other place.
const hostDefault = "127.0.0.1"

// portStep is how far the ports of two neighbours are apart: 7600, 7610, 7620.
const portStep = 10

const (
	logBytesMin     = 16 << 20
	logBytesDefault = 2 << 30
)

// EnsureDefaults fills in what was left out.
func (o *Options) EnsureDefaults() {
	if o.Nodes == 0 {
		o.Nodes = 1
	}
	if o.LogBytes == 0 {
		o.LogBytes = logBytesDefault
	}
	if o.LogLevel == "" {
		o.LogLevel = "info"
	}
	if len(o.Places) == 0 {
		o.Places = make([]Place, o.Nodes)
	}
	for i := range o.Places {
		if o.Places[i].Host == "" {
			o.Places[i].Host = hostDefault
		}
	}
	if o.Died == nil {
		o.Died = func(*Node, error) {}
	}
}

// Validate refuses what can't be run. Call it behind EnsureDefaults.
func (o *Options) Validate() error {
	switch {
	case o.Nodes != 1 && o.Nodes != 3 && o.Nodes != 5:
		return fmt.Errorf("a cluster has 1, 3 or 5 nodes, got %d", o.Nodes)
	case len(o.Places) != o.Nodes:
		return fmt.Errorf("a cluster of %d nodes has %d places", o.Nodes, len(o.Places))
	case o.Name == "":
		return errors.New("the cluster has no name")
	case o.Dir == "":
		return errors.New("there is no directory for the nodes")
	case len(o.Program) == 0:
		return errors.New("there is no program that runs a node")
	case o.Port < 0 || o.Port > math.MaxUint16-portStep*o.Nodes:
		return fmt.Errorf("port is %d: 0 to %d are possible with %d nodes", o.Port, math.MaxUint16-portStep*o.Nodes, o.Nodes)
	case o.LogBytes < logBytesMin:
		return fmt.Errorf("log size is %d bytes: at least %d are possible", o.LogBytes, logBytesMin)
	}
	return nil
}
