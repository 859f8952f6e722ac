package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/partition"
	"github.com/freshet-mq/freshet/proto/block"
	"github.com/freshet-mq/freshet/raftlog"
	"github.com/freshet-mq/freshet/raftlog/transport"
)

// Bounds of what a subscription may be given (docs/lookup/limits.md).
const (
	visibilityMin = time.Second
	visibilityMax = 12 * time.Hour
	attemptsMax   = 1_000
)

// Options of a node.
type Options struct {
	// Node is the name of this node, unique in its cluster: as topics' names, 1 to 128 bytes. Required. A data directory belongs to the node
	// that made it.
	Node string
	// Dir is the data directory, made with mode 0700 when it isn't there. Required. One process may use it at a time.
	Dir string
	// Cluster is the cluster's name. Default "freshet". A data directory belongs to the cluster that it was made in.
	Cluster string

	// Peers are all nodes of the cluster, this one included: three or five of them. Default: this node is all of it. They can't be changed once the
	// cluster is founded.
	Peers []Peer
	// PeerStreams is where the other nodes reach this one, and how it reaches them. Required where there are others. The node closes it.
	PeerStreams transport.Streams
	// Partitions is how many the cluster has, 1 to 256. It says so when it is founded, for good: a node that is told another number doesn't
	// start. Default: what the cluster has; 8 in a new one.
	Partitions int
	// FS is where the log and the checkpoints are. The identity, the lock and the metadata are the operating system's in any case. Default:
	// the operating system's.
	FS vfs.FS

	// Listener is where clients reach the node. Required. The node closes it.
	Listener net.Listener
	// Admin serves /healthz, /debug/pprof and what the build is. Default none. It asks nobody who they are: loopback only. The node closes it.
	Admin net.Listener
	// Advertise is the address under which others are told to reach the node. Default: the listener's.
	Advertise string

	// LogBytesMax is how many bytes the log of all the node's partitions may take on disk. Publishing is refused at 90 % of what is left of it when a
	// reserve of two of its files is taken off. Default 2 GiB, at least 16 MiB.
	LogBytesMax int64
	// LogSegmentBytes is how large a file of the log is: the log lets go of what is settled a file at a time. Default 128 MiB, at least 1 MiB, at
	// most 1 GiB; never more than a sixteenth of LogBytesMax, whatever it says. It may differ from one start to the next. Below 64 MiB the
	// largest publish is smaller, too: 3/32 of it.
	LogSegmentBytes int64
	// Defaults are what a topic or a subscription gets that doesn't say.
	Defaults Defaults
	// Limits bound what strangers can make the node hold.
	Limits Limits

	// Clock is where time is read and waited for, by the node and its partitions. Default partition.SystemClock.
	Clock partition.Clock
	// Logger gets what happens to the node. Default: none of it is logged.
	Logger *slog.Logger
	// Version is the release that the node says it runs. Default "devel".
	Version string
	// Fatal is called once when the node can't go on, since its log can't be written or read. Nothing that it was asked since is on disk;
	// the process should end, and a new one find out what is there. Default: nothing more than what happens anyway, Done is closed
	// and Err says why.
	Fatal func(error)

	// authorise decides who may do what. Default openToAll; only tests choose another so far.
	authorise authorise
}

// Defaults of topics and subscriptions.
type Defaults struct {
	// Visibility is how long a lease lasts. Default 30 s, 1 s to 12 h.
	Visibility time.Duration
	// Attempts is how often an event is tried before it is a dead letter. Default 5, 1 to 1,000.
	Attempts int
	// EventBytesMax is the largest event data. Default and at most 1 MiB.
	EventBytesMax int
	// Retention is what a topic keeps where it isn't said when it is made. Default nothing but what isn't settled.
	Retention Retention
}

// Retention is what a topic keeps besides what some subscription hasn't settled: events younger than Age (1 s to 3,650 days), and the youngest that take
// Bytes of a partition (at least 1 MiB). 0: none for that. With both, what is beyond either isn't kept.
type Retention struct {
	Age   time.Duration
	Bytes int64
}

// Limits of a node.
type Limits struct {
	// Connections is how many clients may be connected. The next one's connection is closed at once. Default 10,000.
	Connections int
	// Memory is how many bytes all clients together may make the node hold: an eighth for requests that have come only in part, a quarter for calls and what
	// they ask for, a quarter for blocks that aren't answered yet, and three eighths for answers that aren't read yet. A fourth of what requests and blocks have is for small ones, of 64 KiB
	// at most. What there is no room for waits or is refused (FR3004). What the node holds by itself, caches and the
	// state of its partitions, isn't in it. Default 1 GiB, at least 64 MiB.
	Memory int64
}

// memoryMin is the least that a node needs for its clients: its largest answer, and some of the largest blocks.
const memoryMin = 64 << 20

// logBytesMin is the smallest log: logFiles files of logSegmentMin.
const logBytesMin = 16 << 20

const (
	logSegmentMin     = 1 << 20
	logSegmentMax     = 1 << 30
	logSegmentDefault = 128 << 20
)

// EnsureDefaults fills in what was left out.
func (o *Options) EnsureDefaults() {
	if o.Cluster == "" {
		o.Cluster = "freshet"
	}
	if o.Advertise == "" && o.Listener != nil {
		o.Advertise = o.Listener.Addr().String()
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.LogBytesMax == 0 {
		o.LogBytesMax = 2 << 30
	}
	if o.LogSegmentBytes == 0 {
		o.LogSegmentBytes = logSegmentDefault
	}
	if o.Defaults.Visibility == 0 {
		o.Defaults.Visibility = 30 * time.Second
	}
	if o.Defaults.Attempts == 0 {
		o.Defaults.Attempts = 5
	}
	if o.Defaults.EventBytesMax == 0 {
		o.Defaults.EventBytesMax = block.DataBytesMax
	}
	if o.Limits.Connections == 0 {
		o.Limits.Connections = 10_000
	}
	if o.Limits.Memory == 0 {
		o.Limits.Memory = 1 << 30
	}
	if o.Clock == nil {
		o.Clock = partition.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Version == "" {
		o.Version = "devel"
	}
	if o.Fatal == nil {
		o.Fatal = func(error) {}
	}
	if o.authorise == nil {
		o.authorise = openToAll
	}
}

// Validate names the first option that makes no sense. It is meant to be called after EnsureDefaults.
func (o *Options) Validate() error {
	if err := errors.Join(catalog.CheckName("Node", o.Node), catalog.CheckName("Cluster", o.Cluster)); err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	if err := o.validatePeers(); err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	d := o.Defaults
	switch {
	case o.Dir == "":
		return errors.New("broker: Dir is empty; it must name the data directory")
	case o.Listener == nil:
		return errors.New("broker: Listener is nil; it must be where clients reach the node")
	case o.Partitions < 0 || o.Partitions > catalog.PartitionsMax:
		return fmt.Errorf("broker: Partitions is %d, it must be 1 to %d", o.Partitions, catalog.PartitionsMax)
	case o.LogBytesMax < logBytesMin:
		return fmt.Errorf("broker: LogBytesMax is %d, at least %d", o.LogBytesMax, logBytesMin)
	case o.LogSegmentBytes < logSegmentMin || o.LogSegmentBytes > logSegmentMax:
		return fmt.Errorf("broker: LogSegmentBytes is %d, it must be %d to %d", o.LogSegmentBytes, logSegmentMin, logSegmentMax)
	case d.Visibility < visibilityMin || d.Visibility > visibilityMax:
		return fmt.Errorf("broker: Defaults.Visibility is %v, it must be %v to %v", d.Visibility, visibilityMin, visibilityMax)
	case d.Attempts < 1 || d.Attempts > attemptsMax:
		return fmt.Errorf("broker: Defaults.Attempts is %d, it must be 1 to %d", d.Attempts, attemptsMax)
	case d.EventBytesMax < 1 || d.EventBytesMax > block.DataBytesMax:
		return fmt.Errorf("broker: Defaults.EventBytesMax is %d, it must be 1 to %d", d.EventBytesMax, block.DataBytesMax)
	case d.Retention.Age != 0 && (d.Retention.Age < catalog.RetentionAgeMinMs*time.Millisecond || d.Retention.Age > catalog.RetentionAgeMaxMs*time.Millisecond):
		return fmt.Errorf("broker: Defaults.Retention.Age is %v, it must be 1s to 3650 days", d.Retention.Age)
	case d.Retention.Bytes != 0 && (d.Retention.Bytes < catalog.RetentionBytesMin || d.Retention.Bytes > catalog.RetentionBytesMax):
		return fmt.Errorf("broker: Defaults.Retention.Bytes is %d, it must be %d to %d", d.Retention.Bytes, catalog.RetentionBytesMin, int64(catalog.RetentionBytesMax))
	case o.Limits.Connections < 1:
		return fmt.Errorf("broker: Limits.Connections is %d, at least 1", o.Limits.Connections)
	case o.Limits.Memory < memoryMin:
		return fmt.Errorf("broker: Limits.Memory is %d, at least %d", o.Limits.Memory, memoryMin)
	}
	return nil
}

// validatePeers names what is wrong with the other nodes.
func (o *Options) validatePeers() error {
	switch n := len(o.Peers); {
	case n == 0:
		return nil
	case n != 1 && n != 3 && n != 5:
		return fmt.Errorf("option Peers has %d nodes; a cluster has 1, 3 or 5", n)
	case n > 1 && o.PeerStreams == nil:
		return errors.New("PeerStreams is nil; it must be where other nodes reach this one")
	}
	names, addresses := map[string]bool{}, map[string]bool{}
	for _, p := range o.Peers {
		if err := catalog.CheckName("Peers", p.Name); err != nil {
			return err
		}
		switch {
		case p.Address == "" || len(p.Address) > catalog.AddressBytesMax:
			return fmt.Errorf("option Peers has %q with an address of %d bytes; it must have 1 to %d", p.Name, len(p.Address), catalog.AddressBytesMax)
		case names[p.Name] || addresses[p.Address]:
			return fmt.Errorf("option Peers has %q or its address %s twice", p.Name, p.Address)
		}
		names[p.Name], addresses[p.Address] = true, true
	}
	if !names[o.Node] {
		return fmt.Errorf("option Peers doesn't have this node, %q", o.Node)
	}
	return nil
}

// otherNodes are the names of all nodes but this one.
func (o *Options) otherNodes() (names []string) {
	for _, p := range o.Peers {
		if p.Name != o.Node {
			names = append(names, p.Name)
		}
	}
	return names
}

// members are the nodes as the groups have them at first; none where this node is all of the cluster.
func (o *Options) members() []raftlog.Member {
	if len(o.Peers) < 2 {
		return nil
	}
	var members []raftlog.Member
	for _, p := range o.Peers {
		members = append(members, raftlog.Member{Node: p.Name, Address: p.Address, Voter: true})
	}
	return members
}

// peerAddress is where other nodes reach this one; empty where there are none.
func (o *Options) peerAddress() string {
	if i := slices.IndexFunc(o.Peers, func(p Peer) bool { return p.Name == o.Node }); i >= 0 {
		return o.Peers[i].Address
	}
	return ""
}
