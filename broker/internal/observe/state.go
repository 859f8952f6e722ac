package observe

import "time"

// State is what there is when somebody looks.
type State struct {
	// Subscriptions have the events of the partitions that this node leads; their sums over all nodes are the cluster's. Sorted by name.
	Subscriptions []Subscription
	// Partitions that the node has a replica of.
	Partitions []Partition
	// Log is the node's log of all partitions.
	Log Log
	// DiskFree is how many bytes the file system of the data directory has left; below 0 where that isn't known.
	DiskFree float64
	// Connections of clients that are open, of so many that may be; and how many were refused.
	Connections, ConnectionsMax, ConnectionsRefused, ConnectionsSlowed, ConnectionsPaced float64
	// Memory is what all clients together make the node hold, by part.
	Memory []Memory
	// Refused is how often clients were told each code, and Cut how many of their connections were cut off, by reason, since the node was started.
	Refused, Cut map[string]float64
	// HasTopic tells whether there is a topic of a name.
	HasTopic func(name string) bool
	// Panics in calls, and errors of the node's own that calls ended with, since it was started.
	Panics, InternalErrors float64
}

// Subscription is what one subscription has on the partitions that are led here.
type Subscription struct {
	// Name is topic/subscription.
	Name                                   string
	Ready, Leased, Delayed, Blocked, Dead  float64
	Unread, Sessions, Stalls, DroppedCount float64
	// OldestAge is how long ago the oldest event was stored that isn't settled, to within some blocks; 0 for none.
	OldestAge time.Duration
}

// Partition is one replica.
type Partition struct {
	Number              uint32
	Leading             bool
	Term, Applied, Last float64
	// Agreed is the last entry behind which the replica was found to be in its leader's state.
	Agreed float64
	// Held is how many bytes of the log its oldest needed entry and all behind it take.
	Held float64
	// Expired counts leases' events that ran out.
	Expired float64
	// Publications and Controls wait for an entry; InFlight are entries that are proposed and not carried out, which take InFlightBytes.
	Publications, Controls, InFlight, InFlightBytes float64
}

// Memory is a part of what all clients together may make the node hold.
type Memory struct {
	Part string
	// Used of Max bytes, how many wait for room, and how often somebody was refused for want of it.
	Used, Max, Waiting, Refused float64
}

// Log is what the log has done, and holds.
type Log struct {
	Bytes, BytesMax                   float64
	Written, Batches, Records, Moved  float64
	CacheHits, CacheMisses, Allocated float64
}
