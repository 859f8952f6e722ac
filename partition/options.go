package partition

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/freshet-mq/freshet/raftlog"
)

// Clock is where a partition's leader reads time, and waits for it. Tests turn their own.
type Clock interface {
	// Now returns wall time with a monotonic reading, as time.Now does.
	Now() time.Time
	// TimerAt returns a channel that gets the time once Now has reached at, at once if it has already, and a function that stops it. It takes a time
	// and no duration, since a clock that is turned between Now and the timer would have the duration begin anew.
	TimerAt(at time.Time) (<-chan time.Time, func())
}

// SystemClock is the machine's own clock. A clock that embeds it and has another Now needs a TimerAt of its own: this one's times are the machine's.
type SystemClock struct{}

// Now returns time.Now.
func (SystemClock) Now() time.Time { return time.Now() }

// TimerAt returns a time.Timer's channel and Stop.
func (SystemClock) TimerAt(at time.Time) (<-chan time.Time, func()) {
	t := time.NewTimer(time.Until(at))
	return t.C, func() { t.Stop() }
}

// Options of a partition.
type Options struct {
	// Number of the partition in its cluster.
	Number uint32
	// Log is the node's, with the checkpoints of its groups. Required; it has to outlive the partition. Publishing is refused at 90 % of what it may
	// hold; the rest is for what lets consumers drain it.
	Log *raftlog.Node
	// Members are who a new partition begins with, the same on each of them. Default: the log's node alone. They are not looked at when the log
	// knows the partition.
	Members []raftlog.Member
	// Joins says that the partition is there already, elsewhere, and that this replica is a later one: it begins with nobody, and waits until a leader
	// takes it in (raftlog.Group.AddNonvoter).
	Joins bool
	// Keeper keeps the copies of events that the log isn't to be kept for, beside the partition's checkpoint: where Log's checkpoints are. Default: none, and
	// each dead letter holds the log until it is settled.
	Keeper Keeper
	// AwayAfter is how long a session may be detached before it is forgotten. Default 15 s.
	AwayAfter time.Duration
	// WallAgreed tells whether a majority of the members' wall clocks agree with this node's. A leader's that doesn't is believed only while it is within a minute of
	// what W was and the time since. It mustn't block. Default: yes where there is one member, otherwise no.
	WallAgreed func() bool
	// Observer is told what the partition does. Default: nobody is.
	Observer Observer
	// Clock defaults to SystemClock.
	Clock Clock
	// Logger defaults to none.
	Logger *slog.Logger
	// Fatal is called once when the replica can't go on: its log can't be read or written, or an entry makes no sense. The process should end;
	// what it would do otherwise could differ from the other replicas. Default: panic, which ends the process,
	// since it is called on goroutines of the partition's own.
	Fatal func(error)

	// reading is what tests put between the partition and the entries that it reads.
	reading func(entryReader) entryReader
}

// EnsureDefaults fills in what was left out.
func (o *Options) EnsureDefaults() {
	if o.Joins {
		o.Members = nil
	} else if len(o.Members) == 0 && o.Log != nil {
		o.Members = []raftlog.Member{{Node: o.Log.Name(), Address: o.Log.Name(), Voter: true}}
	}
	if o.AwayAfter == 0 {
		o.AwayAfter = 15 * time.Second
	}
	if o.WallAgreed == nil {
		alone := len(o.Members) <= 1 && !o.Joins
		o.WallAgreed = func() bool { return alone }
	}
	if o.Observer == nil {
		o.Observer = unobserved{}
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
	case o.Log == nil:
		return errors.New("partition: Log is missing")
	case o.AwayAfter < 0:
		return fmt.Errorf("partition: AwayAfter is %v, at least 0", o.AwayAfter)
	}
	return nil
}
