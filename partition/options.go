package partition

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Clock is where a partition's leader reads time, and waits for it. Tests turn their own.
type Clock interface {
	// Now returns wall time with a monotonic reading, as time.Now does.
	Now() time.Time
	// NewTimer returns a channel that gets the time once after d, and a function that stops it.
	NewTimer(d time.Duration) (<-chan time.Time, func())
}

// SystemClock is the machine's own clock.
type SystemClock struct{}

// Now returns time.Now.
func (SystemClock) Now() time.Time { return time.Now() }

// NewTimer returns a time.Timer's channel and Stop.
func (SystemClock) NewTimer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// Options of a partition.
type Options struct {
	// Number of the partition in its cluster.
	Number uint32
	// Node is the name of the node that the replica is on. Required.
	Node string
	// Dir is where its log and its snapshots are kept. Required; made if it isn't there, with mode 0700.
	Dir string
	// LogBytesMax is how many bytes the log may hold. Publishing is refused at 90 % of it; the rest is for what lets consumers drain it.
	// Default 2 GiB, at least 1 MiB.
	LogBytesMax int64
	// CheckpointBytes is how much is appended between two snapshots. What nobody holds any more goes from disk in steps of an eighth of it.
	// Default 64 MiB, and at most an eighth of LogBytesMax.
	CheckpointBytes int64
	// AwayAfter is how long a session may be detached before it is forgotten. Default 15 s.
	AwayAfter time.Duration
	// Clock defaults to SystemClock.
	Clock Clock
	// Logger defaults to none.
	Logger *slog.Logger
	// Fatal is called once when the replica can't go on: its log can't be read or written, or an entry makes no sense. The process should end;
	// what it would do otherwise could differ from the other replicas. Default: panic, which ends the process,
	// since it is called on goroutines of the partition's own.
	Fatal func(error)
}

// EnsureDefaults fills in what was left out.
func (o *Options) EnsureDefaults() {
	if o.LogBytesMax == 0 {
		o.LogBytesMax = 2 << 30
	}
	if o.CheckpointBytes == 0 {
		o.CheckpointBytes = max(1, min(64<<20, o.LogBytesMax/8))
	}
	if o.AwayAfter == 0 {
		o.AwayAfter = 15 * time.Second
	}
	if o.Clock == nil {
		o.Clock = SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Fatal == nil {
		o.Fatal = func(err error) { panic(err) }
	}
}

// Validate names the first option that makes no sense.
func (o *Options) Validate() error {
	switch {
	case o.Node == "":
		return errors.New("partition: Node is empty")
	case o.Dir == "":
		return errors.New("partition: Dir is empty")
	case o.LogBytesMax < 1<<20:
		return fmt.Errorf("partition: LogBytesMax is %d, at least %d", o.LogBytesMax, 1<<20)
	case o.CheckpointBytes < 1:
		return fmt.Errorf("partition: CheckpointBytes is %d, at least 1", o.CheckpointBytes)
	case o.CheckpointBytes > o.LogBytesMax/8: // what is reclaimed in eighths of it would never be
		return fmt.Errorf("partition: CheckpointBytes is %d, at most %d, an eighth of LogBytesMax", o.CheckpointBytes, o.LogBytesMax/8)
	case o.AwayAfter < 0:
		return fmt.Errorf("partition: AwayAfter is %v, at least 0", o.AwayAfter)
	}
	return nil
}
