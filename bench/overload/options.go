package overload

import (
	"errors"
	"io"
	"time"
)

// Options say how much of everything.
type Options struct {
	// Program runs a node, as bench/cluster's does. Required.
	Program []string
	// Abuser is a program that calls Abuse with its standard input and output, and AbuserEnvironment what it finds in its environment beside this process's own.
	// Required, but for Idle.
	Abuser, AbuserEnvironment []string
	// Dir holds the cluster, made if it isn't there. Required. It isn't removed at the end.
	Dir string
	// Nodes is 1 or 3. Default 3.
	Nodes int
	// Calm is how long the good client is watched before each abuse, and Phase how long an abuse lasts. Default 1 s and 4 s.
	Calm, Phase time.Duration
	// Connections is how many the abuses open that are about connections. Default 200.
	Connections int
	// Clients is how many connections the other abuses have. Default 8.
	Clients int
	// Polls is how many long polls are parked. Default 100.
	Polls int
	// Memory is the nodes' limits.memory in bytes. Default 128 MiB.
	Memory int64
	// LogBytes is the nodes' log.size, at least 16 MiB. Default 256 MiB.
	LogBytes int64
	// Only has the names of the abuses to do, separated by commas. Default all.
	Only string
	// Progress gets each line of the table when it is there. Default nowhere.
	Progress io.Writer
}

// EnsureDefaults fills in what was left out.
func (o *Options) EnsureDefaults() {
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.Calm == 0 {
		o.Calm = time.Second
	}
	if o.Phase == 0 {
		o.Phase = 4 * time.Second
	}
	if o.Connections == 0 {
		o.Connections = 200
	}
	if o.Clients == 0 {
		o.Clients = 8
	}
	if o.Polls == 0 {
		o.Polls = 100
	}
	if o.Memory == 0 {
		o.Memory = 128 << 20
	}
	if o.LogBytes == 0 {
		o.LogBytes = 256 << 20
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
}

// Validate refuses what can't be run. Call it behind EnsureDefaults.
func (o *Options) Validate() error {
	switch {
	case len(o.Program) == 0:
		return errors.New("there is no program that runs a node")
	case o.Dir == "":
		return errors.New("there is no directory for the nodes")
	case o.Connections < 1, o.Clients < 1, o.Polls < 1, o.Phase <= 0, o.Calm <= 0:
		return errors.New("there has to be at least one of everything")
	}
	return nil
}
