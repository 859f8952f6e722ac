package demo

import (
	"errors"
	"fmt"
	"time"
)

// Options say what a run is.
type Options struct {
	// Nodes is how many servers there are: 1, 3 or 5. Default 1.
	Nodes int
	// Partitions is on how many the topic is. Default 4 where there are several
	// nodes, else 1.
	Partitions int
	// Data is a file of events, one a line; empty: the generator's.
	Data string
	// Repeat is how often the file is gone through, 1 or more. Default 1.
	Repeat int
	// Events is how many events the generator makes, 16 to 2,000,000. Default
	// 30,000. Without meaning where there is Data.
	Events int
	// Seed makes the generator's events, and draws which deliveries are
	// released, rejected or slow. Default 1.
	Seed uint64
	// Deadline bounds the run. What has not arrived by then is lost. Default
	// 3 minutes.
	Deadline time.Duration
	// Program runs a node when flags are put behind it: a path, and maybe first
	// arguments. Required.
	Program []string
	// LogBytes is how much a node's log may hold, at least 16 MiB. Default 2 GiB.
	LogBytes int64
	// Dir is where a directory for the nodes' data is made, which is removed at
	// the end. Default: the system's for temporary files.
	Dir string
	// Screen shows how it goes. Required.
	Screen Screen
}

// Bounds of Options.Events, and of a file's lines times its repetitions.
const (
	// EventsMin is the fewest that can be in flight when the node is killed half
	// way.
	EventsMin = 16
	// EventsMax bounds what the ledger holds to some 500 MB.
	EventsMax = 2_000_000
)

// Other bounds, and defaults.
const (
	eventsDefault   = 30_000
	deadlineDefault = 3 * time.Minute
	logBytesMin     = 16 << 20
	logBytesDefault = 2 << 30
	// partitionsDefault lets each of three nodes lead one, and one of them two.
	partitionsDefault = 4
)

// EnsureDefaults fills in what was left out.
func (o *Options) EnsureDefaults() {
	if o.Nodes == 0 {
		o.Nodes = 1
	}
	if o.Partitions == 0 {
		o.Partitions = 1
		if o.Nodes > 1 {
			o.Partitions = partitionsDefault
		}
	}
	if o.Repeat == 0 {
		o.Repeat = 1
	}
	if o.Events == 0 {
		o.Events = eventsDefault
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Deadline == 0 {
		o.Deadline = deadlineDefault
	}
	if o.LogBytes == 0 {
		o.LogBytes = logBytesDefault
	}
}

// Validate refuses what can't be run. Call it behind EnsureDefaults.
func (o *Options) Validate() error {
	switch {
	case o.Nodes != 1 && o.Nodes != 3 && o.Nodes != 5:
		return fmt.Errorf("nodes is %d: 1, 3 or 5 are possible", o.Nodes)
	case o.Partitions < 1:
		return fmt.Errorf("partitions is %d: 1 or more is possible", o.Partitions)
	case o.Repeat < 1:
		return fmt.Errorf("repeat is %d: 1 or more is possible", o.Repeat)
	case o.Data == "" && (o.Events < EventsMin || o.Events > EventsMax):
		return fmt.Errorf("events is %d: %d to %d are possible", o.Events, EventsMin, EventsMax)
	case o.Deadline < 0:
		return fmt.Errorf("deadline is %v: it can't be negative", o.Deadline)
	case o.LogBytes < logBytesMin:
		return fmt.Errorf("log size is %d bytes: at least %d are possible", o.LogBytes, logBytesMin)
	case len(o.Program) == 0:
		return errors.New("there is no program that runs a node")
	case o.Screen.Writer == nil:
		return errors.New("there is no screen")
	}
	return nil
}

// feed opens what is to be published.
func (o *Options) feed() (Feed, error) {
	if o.Data == "" {
		return NewGenerator(o.Seed, o.Events), nil
	}
	data, err := OpenData(o.Data, o.Repeat)
	if err != nil {
		return nil, err
	}
	if data.Len() < EventsMin || data.Len() > EventsMax {
		return nil, &DataError{File: o.Data, Reason: fmt.Sprintf("has %s, which makes %s when repeated %d times: %s to %s are possible",
			counted(len(data.lines), "line"), counted(data.Len(), "event"), o.Repeat, thousands(EventsMin), thousands(EventsMax))}
	}
	return data, nil
}
