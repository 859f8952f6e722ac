package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// controller drives the partitions that this node leads to what the catalog says, each by itself. What it asks for is idempotent, and it remembers the
// catalog's version that it got a partition to, so that a change costs what changed. When something fails it begins again there, after a
// while.
//
//	leads ──▶ catch up with the catalog ──▶ pass: everything since `reached` ──▶ PutStream, PutSubscription ──▶ reached = the view's version
//	                                          ▲      Removals ──▶ RemoveStream, ...     │ fails                  │
//	                                          ├────────────── after retryAfter ◀────────┘                        │
//	                                          └────────────── view changed ◀─────────────────────────────────────┘
//
// A leader's own replica of the catalog may be behind: what it doesn't know to be deleted it would make again. So it first waits for all that was
// committed before it led.
//
// It removes what the catalog says was deleted, and tells the leader of the metadata, which has the catalog forget that once every partition has.
// Nothing is removed for want of being mentioned: that the catalog doesn't know a thing proves nothing about it (M2).
type controller struct {
	metadata   *metadata
	partitions *partitions
	logger     *slog.Logger
	driving    sync.WaitGroup

	mu struct {
		sync.Mutex
		// attempted is the version of the catalog that the last pass drove a partition to.
		attempted map[uint32]uint64
		// failed has what the last pass couldn't do, by the id of the topic or subscription.
		failed map[uint32]map[uint64]error
		// passed is closed and replaced at the end of each pass.
		passed chan struct{}
	}
}

// memberExpiry is how long a fan-out's member may be unused before it goes, with all that waits for it: 30 days, in milliseconds.
const memberExpiry partition.Wall = 30 * 24 * 60 * 60 * 1000

// retryAfter is how long the controller waits before it tries again what failed.
const retryAfter = time.Second

func newController(m *metadata, ps *partitions, logger *slog.Logger) *controller {
	c := &controller{metadata: m, partitions: ps, logger: logger}
	c.mu.attempted, c.mu.failed = map[uint32]uint64{}, map[uint32]map[uint64]error{}
	c.mu.passed = make(chan struct{})
	return c
}

// run drives until the context ends, and then waits for what it has begun.
func (c *controller) run(ctx context.Context) {
	for _, p := range c.partitions.all {
		c.driving.Go(func() { c.drive(ctx, p) })
	}
	c.driving.Wait()
}

// drive drives a partition whenever this node leads it.
func (c *controller) drive(ctx context.Context, p hosted) {
	for {
		select {
		case <-p.Leads():
		case <-ctx.Done():
			return
		}
		leading, end := context.WithCancel(ctx)
		follows := p.Follows()
		c.driving.Go(func() {
			select {
			case <-follows:
			case <-leading.Done():
			}
			end()
		})
		if err := c.lead(leading, p); err != nil && leading.Err() == nil {
			c.logger.Error("the partition can't be driven to what the catalog says", "partition", p.number, "error", err)
		}
		end()
	}
}

// lead drives a partition until the context ends, which it does with this node's leadership.
func (c *controller) lead(ctx context.Context, p hosted) error {
	view, err := c.metadata.change(ctx, nil)
	if err != nil {
		return err
	}
	c.unmentioned(p, view)
	reached := uint64(0)
	for {
		done := c.pass(ctx, p, view, reached)
		if done {
			reached = view.Version()
		}
		if !c.wait(ctx, view, done && !hasRemovals(view)) {
			return nil
		}
		view = c.metadata.view()
	}
}

// wait waits until there is a newer view, or, unless all is done, for a while. False: leadership has ended, or the node's life.
func (c *controller) wait(ctx context.Context, view *catalog.View, done bool) bool {
	var retry <-chan time.Time
	if !done {
		timer := time.NewTimer(retryAfter)
		defer timer.Stop()
		retry = timer.C
	}
	select {
	case <-view.Changed():
	case <-retry:
	case <-ctx.Done():
		return false
	}
	return true
}

func hasRemovals(view *catalog.View) bool {
	for range view.Removals() {
		return true
	}
	return false
}

// pass drives a partition to a view, and tells whether it got there.
func (c *controller) pass(ctx context.Context, p hosted, view *catalog.View, since uint64) bool {
	failed := map[uint64]error{}
	c.remove(ctx, p, view, failed)
	held := held(p, since)
	for topic, subscription := range view.Since(since) {
		if ctx.Err() != nil {
			return false
		}
		if !slices.Contains(topic.Partitions, p.number) {
			continue
		}
		if id, err := put(ctx, p, held, topic, subscription); err != nil && ctx.Err() == nil {
			failed[id] = err
			c.logger.Error("the partition doesn't take what the catalog says", "partition", p.number, "topic", topic.Name, "id", id, "error", err)
		}
	}
	if ctx.Err() != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.attempted[p.number], c.mu.failed[p.number] = view.Version(), failed
	close(c.mu.passed)
	c.mu.passed = make(chan struct{})
	return len(failed) == 0
}

// remove has the partition remove what was deleted, and tells the metadata's leader when it holds none of that any more. If that doesn't get
// there, the next pass tells it again.
func (c *controller) remove(ctx context.Context, p hosted, view *catalog.View, failed map[uint64]error) {
	some := false
	for removal := range view.Removals() {
		some = true
		var err error
		stream, subscription := partition.StreamID(removal.TopicID), partition.SubscriptionID(removal.ID)
		switch {
		case removal.ID != removal.TopicID && p.HasSubscription(subscription):
			err = p.RemoveSubscription(ctx, stream, subscription)
		case removal.ID == removal.TopicID && p.HasStream(stream):
			err = p.RemoveStream(ctx, stream)
		}
		if err != nil && ctx.Err() == nil {
			failed[removal.ID] = err
			c.logger.Error("the partition doesn't remove what was deleted", "partition", p.number, "id", removal.ID, "error", err)
		}
	}
	if !some || len(failed) > 0 || ctx.Err() != nil {
		return
	}
	if err := c.metadata.report(ctx, p.number, view.Version()); err != nil && ctx.Err() == nil {
		c.logger.Debug("the metadata's leader wasn't told what is removed", "partition", p.number, "error", err)
	}
}

// held is what a partition holds already, so that a leader doesn't write all of it anew, when the pass is about everything; one about changes puts
// them in any case.
func held(p hosted, since uint64) map[uint64]partition.SubscriptionConfig {
	if since > 0 {
		return nil
	}
	held := map[uint64]partition.SubscriptionConfig{}
	for _, stream := range p.Streams() {
		held[uint64(stream)] = partition.SubscriptionConfig{}
		for _, s := range p.Subscriptions(stream) {
			held[uint64(s.ID)] = s
		}
	}
	return held
}

// put brings one topic or subscription to a partition that holds a part of it.
func put(ctx context.Context, p hosted, held map[uint64]partition.SubscriptionConfig, topic catalog.Topic, s *catalog.Subscription) (id uint64, err error) {
	id = topic.ID
	wanted := partition.SubscriptionConfig{}
	if s != nil {
		id = s.ID
		wanted = partition.SubscriptionConfig{
			ID: partition.SubscriptionID(s.ID), Stream: partition.StreamID(s.TopicID), Kind: partition.Kind(s.Kind),
			Pattern: s.Pattern, Visibility: partition.Tick(s.VisibilityMs), AttemptsMax: uint16(s.AttemptsMax), Ordered: s.Ordered, Members: s.Members,
			From: startOf(s.From),
		}
		if wanted.Kind == partition.KindFanout {
			wanted.MemberExpiry = memberExpiry
		}
	}
	if there, ok := held[id]; ok && sameSubscription(there, wanted) {
		return id, nil
	}
	if s == nil {
		err = p.SetRetention(ctx, partition.StreamID(topic.ID), partition.Retention{ // which makes it, with the same entry
			Age: partition.Wall(topic.Retention.AgeMs), Bytes: topic.Retention.Bytes, Drop: topic.Retention.Drop,
		})
	} else {
		err = p.PutSubscription(ctx, wanted)
	}
	if err != nil {
		return id, fmt.Errorf("partition %d: %w", p.number, err)
	}
	return id, nil
}

// startOf is where a subscription's cursors begin.
func startOf(from freshetv1.SubscriptionStart) partition.From {
	if from == freshetv1.SubscriptionStart_SUBSCRIPTION_START_EARLIEST {
		return partition.FromEarliest
	}
	return partition.FromLatest
}

// sameSubscription tells whether a partition holds a subscription as wanted. Members are no difference: it was made with those that it began with, and
// one that has gone since, removed or unused for too long, mustn't come back.
func sameSubscription(held, wanted partition.SubscriptionConfig) bool {
	return held.ID == wanted.ID && held.Stream == wanted.Stream && held.Kind == wanted.Kind && held.Pattern == wanted.Pattern &&
		held.Visibility == wanted.Visibility && held.AttemptsMax == wanted.AttemptsMax && held.MemberExpiry == wanted.MemberExpiry && held.Ordered == wanted.Ordered &&
		held.From == wanted.From
}

// await waits until the controller has tried, for every partition, what the catalog had at a version. It is for a node that leads all of them.
func (c *controller) await(ctx context.Context, version uint64) error {
	for {
		c.mu.Lock()
		attempted, passed := uint64(0), c.mu.passed
		if len(c.mu.attempted) == len(c.partitions.all) {
			attempted = version
			for _, at := range c.mu.attempted {
				attempted = min(attempted, at)
			}
		}
		c.mu.Unlock()
		if attempted >= version {
			return nil
		}
		select {
		case <-passed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// created waits until this node's replicas of a topic's partitions hold it, and a subscription of it unless its id is 0: what a replica has applied is
// stored for good. A refusal by a partition that this node leads ends the wait; so does its deletion, or the topic's.
func (c *controller) created(ctx context.Context, topic catalog.Topic, subscription uint64) error {
	id := max(topic.ID, subscription)
	for _, p := range c.partitions.holding(topic) {
		there := func() bool {
			view := c.metadata.view()
			if subscription != 0 {
				_, listed := view.SubscriptionByID(subscription)
				return !listed || p.HasSubscription(partition.SubscriptionID(subscription))
			}
			_, listed := view.TopicByID(topic.ID)
			return !listed || p.HasStream(partition.StreamID(topic.ID))
		}
		if err := c.until(ctx, p, id, there); err != nil {
			return err
		}
	}
	return nil
}

// deleted waits until this node's replicas of a topic's partitions have removed it, or a subscription of it unless its id is 0.
func (c *controller) deleted(ctx context.Context, topic catalog.Topic, subscription uint64) error {
	id := max(topic.ID, subscription)
	for _, p := range c.partitions.holding(topic) {
		gone := func() bool { return !p.HasStream(partition.StreamID(topic.ID)) }
		if subscription != 0 {
			gone = func() bool { return !p.HasSubscription(partition.SubscriptionID(subscription)) }
		}
		if err := c.until(ctx, p, id, gone); err != nil {
			return err
		}
	}
	return nil
}

// until waits until a partition is as wanted.
func (c *controller) until(ctx context.Context, p hosted, id uint64, done func() bool) error {
	for {
		changed, listed := p.TopologyChanged(), c.metadata.view().Changed()
		c.mu.Lock()
		passed, failed := c.mu.passed, c.mu.failed[p.number][id]
		c.mu.Unlock()
		if done() {
			return nil
		}
		if refused, ok := errors.AsType[*partition.RefusedError](failed); ok {
			return refused
		}
		select {
		case <-changed:
		case <-listed:
		case <-passed:
		case <-ctx.Done():
			return faultf(freshetv1.ErrorCode_ERROR_CODE_OUTCOME_UNKNOWN,
				"it is in the catalog, and not yet in every partition; the same again waits for that")
		}
	}
}

// unmentioned logs what a partition holds and the catalog doesn't know. It stays: deleting is a command, never an inference (M2).
func (c *controller) unmentioned(p hosted, view *catalog.View) {
	for _, stream := range p.Streams() {
		if _, ok := view.TopicByID(uint64(stream)); !ok && !view.Removed(uint64(stream)) {
			c.logger.Error("the partition holds a topic that the catalog doesn't know; it is kept", "partition", p.number, "topic_id", uint64(stream))
		}
		for _, s := range p.Subscriptions(stream) {
			if _, ok := view.SubscriptionByID(uint64(s.ID)); !ok && !view.Removed(uint64(s.ID)) && !view.Removed(uint64(stream)) {
				c.logger.Error("the partition holds a subscription that the catalog doesn't know; it is kept",
					"partition", p.number, "topic_id", uint64(stream), "subscription_id", uint64(s.ID))
			}
		}
	}
}
