package broker

import (
	"errors"

	"github.com/freshet-mq/freshet/broker/internal/observe"
	"github.com/freshet-mq/freshet/partition"
	"github.com/freshet-mq/freshet/proto/block"
)

// newMetrics makes the node's metrics, before there is anything to measure.
func newMetrics(n *Node) *observe.Metrics {
	return observe.New(n.options.Version, func(id partition.SubscriptionID) string {
		if n.metadata == nil {
			return ""
		}
		s, ok := n.metadata.view().SubscriptionByID(uint64(id))
		if !ok {
			return ""
		}
		return s.Topic + "/" + s.Name
	}, n.state)
}

// state is what there is when somebody looks at the metrics, which is after the node has begun to serve.
func (n *Node) state() observe.State {
	view, stats, usage := n.metadata.view(), n.storage.log.LogStats(), n.storage.log.Usage()
	s := observe.State{
		HasTopic: func(name string) bool { _, ok := view.Topic(name); return ok },
		Log: observe.Log{
			Bytes: float64(usage.Bytes), BytesMax: float64(usage.BytesMax), Written: float64(stats.BytesWritten), Batches: float64(stats.Batches),
			Records: float64(stats.Records), Moved: float64(stats.BytesMoved), Allocated: float64(stats.SegmentsAllocated),
			CacheHits: float64(stats.CacheHits), CacheMisses: float64(stats.CacheMisses),
		},
		DiskFree:    -1,
		Connections: float64(n.listening.open.Load()), ConnectionsMax: float64(n.listening.limit), ConnectionsRefused: float64(n.listening.refused.Load()),
		ConnectionsSlowed: float64(n.budget.slowed.Load()), ConnectionsPaced: float64(n.listening.paced.Load()),
		Panics: float64(n.guard.panics.Load()), InternalErrors: float64(n.guard.internal.Load()),
	}
	if disk, err := n.options.FS.GetDiskUsage(n.options.Dir); err == nil { // a file system in memory knows none
		s.DiskFree = float64(disk.AvailBytes)
	}
	for _, pool := range []*pool{n.budget.smallRequests, n.budget.requests, n.budget.calls, n.budget.smallBlocks, n.budget.blocks, n.budget.answers} {
		s.Memory = append(s.Memory, observe.Memory{
			Part: pool.name, Used: float64(pool.used.Load()), Max: float64(pool.bytes), Waiting: float64(pool.waiting.Load()), Refused: float64(pool.refused.Load()),
		})
	}
	s.Refused = n.guard.refused.all()
	s.Cut = map[string]float64{"unread": float64(n.budget.cut.unread.Load()), "unfinished": float64(n.budget.cut.unfinished.Load()), "worthless": float64(n.budget.cut.worthless.Load())}
	for _, p := range n.partitions.all {
		status := p.Status()
		s.Partitions = append(s.Partitions, observe.Partition{
			Number: p.number, Leading: status.Leading, Term: float64(status.Term), Applied: float64(status.Applied), Agreed: float64(status.Agreed), Last: float64(status.Last),
			Held: float64(status.LogBytes), Expired: float64(status.Expired),
			Publications: float64(status.Publications), Controls: float64(status.Controls),
			InFlight: float64(status.InFlight), InFlightBytes: float64(status.InFlightBytes),
		})
	}
	for topic := range view.Topics("") {
		for sub := range view.Subscriptions(topic.Name, "") {
			s.Subscriptions = append(s.Subscriptions, n.subscriptionState(topic.Name+"/"+sub.Name, partition.SubscriptionID(sub.ID), n.partitions.holding(topic)))
		}
	}
	return s
}

// subscriptionState is what a subscription has on those of its partitions that are led here.
func (n *Node) subscriptionState(name string, id partition.SubscriptionID, on []hosted) observe.Subscription {
	sub, now := observe.Subscription{Name: name}, n.options.Clock.Now()
	for _, p := range on {
		if !p.Leader().Here {
			continue
		}
		c := p.Counts(id)
		sub.Ready += float64(c.Ready)
		sub.Leased += float64(c.Leased)
		sub.Delayed += float64(c.Delayed)
		sub.Blocked += float64(c.Blocked)
		sub.Dead += float64(c.Dead)
		sub.Unread += float64(c.Unread)
		sub.Sessions += float64(c.Sessions)
		sub.Stalls += float64(c.Stalls)
		sub.DroppedCount += float64(c.Dropped + c.Skipped)
		if !c.Oldest.IsZero() {
			sub.OldestAge = max(sub.OldestAge, now.Sub(c.Oldest))
		}
	}
	return sub
}

// countPublished counts a block that was to be stored on a topic that there is.
func (s *services) countPublished(topic string, raw []byte, published partition.Published, err error) {
	if err == nil {
		result := observe.ResultStored
		if published.Duplicate {
			result = observe.ResultDuplicate
		}
		s.metrics.Published(topic, result, int(published.Count))
		return
	}
	b, opened := block.Open(raw)
	if opened != nil {
		return // it is no block: nobody knows how many events it was to have
	}
	result := observe.ResultRefused
	if errors.Is(err, partition.ErrOutcomeUnknown) {
		result = observe.ResultUnknown
	}
	s.metrics.Published(topic, result, b.Len())
}
