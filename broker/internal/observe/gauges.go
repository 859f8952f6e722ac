package observe

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// gauges are what is made from a State at each scrape. They are described by none of them ("unchecked"), since it depends on the state which there are.
type gauges struct {
	metrics *Metrics
	state   func() State
}

// desc describes one of them.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("freshet_"+name, help, labels, nil)
}

var (
	subscriptionEvents   = desc("subscription_events", "Events of a subscription on partitions led here, by state: ready, leased, delayed, blocked, dead, unread.", "subscription", "state")
	subscriptionSessions = desc("subscription_sessions", "Consumers attached to a subscription on partitions led here.", "subscription")
	subscriptionAge      = desc("subscription_oldest_age_seconds", "Age of the oldest unsettled event of a subscription on partitions led here, to within some blocks.", "subscription")
	subscriptionStalls   = desc("subscription_stalls_total", "How often an ordered queue had looked as far ahead as it does and found only keys that are held.", "subscription")
	subscriptionDropped  = desc("subscription_dropped_events_total", "Unsettled events that the topic's retention dropped.", "subscription")
	leaseExpired         = desc("lease_expired_total", "Events whose lease ran out, as this replica has applied it.", "partition")
	raftLeader           = desc("raft_leader", "1 where this node leads the partition.", "partition")
	raftTerm             = desc("raft_term", "Raft's term.", "partition")
	raftApplied          = desc("raft_applied_index", "Index of the last entry applied.", "partition")
	replicaAgreed        = desc("replica_agreed_index", "Index of the last entry behind which the replica had the same state hashes as its leader; 0: none since the node started. A replica that has others ends its node (FR6010).", "partition")
	raftLast             = desc("raft_last_index", "Index of the last entry in the log.", "partition")
	logBytes             = desc("log_bytes", "Bytes that the node's log takes on disk.")
	logBytesMax          = desc("log_bytes_max", "Bytes that the node's log may take. Publishing is refused at 90 %.")
	logHeld              = desc("log_held_bytes", "Bytes of the log from the oldest entry on that a partition needs.", "partition")
	logWritten           = desc("log_written_bytes_total", "Bytes written to the log, unused ends of blocks included.")
	logBatches           = desc("log_batches_total", "Writes and syncs of the log.")
	logRecords           = desc("log_records_total", "Records written to the log: entries, terms, votes.")
	logMoved             = desc("log_moved_bytes_total", "Bytes of entries that were written anew so that a segment could go.")
	logAllocated         = desc("log_segments_allocated_total", "Segments that were made, and not used again.")
	logReads             = desc("log_reads_total", "Reads of entries, by where they were: cache, disk.", "from")
	queueDepth           = desc("queue_depth", "What waits at a partition led here, by queue: publications, controls, in_flight.", "partition", "queue")
	inFlightBytes        = desc("in_flight_bytes", "Bytes of entries that are proposed and not carried out yet.", "partition")
	memoryUsed           = desc("memory_used_bytes", "Bytes that all clients together make the node hold, by part: small_requests, requests, calls, small_blocks, blocks, answers.", "part")
	memoryMax            = desc("memory_max_bytes", "Bytes that all clients together may make the node hold, by part.", "part")
	memoryWaiting        = desc("memory_waiting", "How many wait until the node has room for what they bring or asked for, by part.", "part")
	memoryRefused        = desc("memory_refused_total", "How often a call or a block was refused since the node had no room for it, by part.", "part")
	refusals             = desc("refusals_total", "Calls, and blocks on streams, that clients were refused, by the code that they were told.", "code")
	connectionsCut       = desc("connections_cut_total", "Clients' connections that were cut off, by reason: unread (the client took no answers), unfinished (its requests didn't come to an end), worthless (it made the node work for nothing for seconds).", "reason")
	diskFree             = desc("disk_free_bytes", "Bytes that the data directory's file system has left.")
	connections          = desc("connections", "Clients' connections that are open.")
	connectionsMax       = desc("connections_max", "Clients' connections that may be open.")
	connectionsRefused   = desc("connections_refused_total", "Clients' connections that were closed at once, since there were as many as may be.")
	connectionsPaced     = desc("connections_paced_total", "Clients' connections that waited to be accepted, since too many came on which no call was made.")
	connectionsSlowed    = desc("connections_slowed_total", "How often a client's connection wasn't read for some time, since its client made the node work for nothing.")
	panics               = desc("panics_total", "Calls that panicked. Each is a fault of freshet's.")
	internalErrors       = desc("internal_errors_total", "Calls that ended with FR9001. Each is a fault of freshet's.")
)

// Describe implements prometheus.Collector.
func (g *gauges) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	s := g.state()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	for _, sub := range bounded(s.Subscriptions) {
		for state, n := range map[string]float64{
			"ready": sub.Ready, "leased": sub.Leased, "delayed": sub.Delayed, "blocked": sub.Blocked, "dead": sub.Dead, "unread": sub.Unread,
		} {
			gauge(subscriptionEvents, n, sub.Name, state)
		}
		gauge(subscriptionSessions, sub.Sessions, sub.Name)
		gauge(subscriptionAge, sub.OldestAge.Seconds(), sub.Name)
		counter(subscriptionStalls, sub.Stalls, sub.Name)
		counter(subscriptionDropped, sub.DroppedCount, sub.Name)
	}
	for _, p := range s.Partitions {
		number := strconv.FormatUint(uint64(p.Number), 10)
		leader := 0.0
		if p.Leading {
			leader = 1
		}
		gauge(raftLeader, leader, number)
		gauge(raftTerm, p.Term, number)
		gauge(raftApplied, p.Applied, number)
		gauge(replicaAgreed, p.Agreed, number)
		gauge(raftLast, p.Last, number)
		gauge(logHeld, p.Held, number)
		counter(leaseExpired, p.Expired, number)
		if p.Leading {
			gauge(queueDepth, p.Publications, number, "publications")
			gauge(queueDepth, p.Controls, number, "controls")
			gauge(queueDepth, p.InFlight, number, "in_flight")
			gauge(inFlightBytes, p.InFlightBytes, number)
		}
	}
	for _, m := range s.Memory {
		gauge(memoryUsed, m.Used, m.Part)
		gauge(memoryMax, m.Max, m.Part)
		gauge(memoryWaiting, m.Waiting, m.Part)
		counter(memoryRefused, m.Refused, m.Part)
	}
	gauge(logBytes, s.Log.Bytes)
	gauge(logBytesMax, s.Log.BytesMax)
	counter(logWritten, s.Log.Written)
	counter(logBatches, s.Log.Batches)
	counter(logRecords, s.Log.Records)
	counter(logMoved, s.Log.Moved)
	counter(logAllocated, s.Log.Allocated)
	counter(logReads, s.Log.CacheHits, "cache")
	counter(logReads, s.Log.CacheMisses, "disk")
	if s.DiskFree >= 0 {
		gauge(diskFree, s.DiskFree)
	}
	gauge(connections, s.Connections)
	gauge(connectionsMax, s.ConnectionsMax)
	counter(connectionsRefused, s.ConnectionsRefused)
	counter(connectionsSlowed, s.ConnectionsSlowed)
	counter(connectionsPaced, s.ConnectionsPaced)
	for reason, n := range s.Cut {
		counter(connectionsCut, n, reason)
	}
	for code, n := range s.Refused {
		counter(refusals, n, code)
	}
	counter(panics, s.Panics)
	counter(internalErrors, s.InternalErrors)
	g.metrics.forget(s.HasTopic)
}

// bounded puts all subscriptions beyond NamesMax into one (O1).
func bounded(subs []Subscription) []Subscription {
	if len(subs) <= NamesMax {
		return subs
	}
	rest := Subscription{Name: other}
	for _, s := range subs[NamesMax:] {
		rest.Ready += s.Ready
		rest.Leased += s.Leased
		rest.Delayed += s.Delayed
		rest.Blocked += s.Blocked
		rest.Dead += s.Dead
		rest.Unread += s.Unread
		rest.Sessions += s.Sessions
		rest.Stalls += s.Stalls
		rest.DroppedCount += s.DroppedCount
		rest.OldestAge = max(rest.OldestAge, s.OldestAge)
	}
	return append(subs[:NamesMax:NamesMax], rest)
}
