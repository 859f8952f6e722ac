package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// controller drives the partitions to what the catalog says. What it asks for is idempotent, and it remembers the catalog's version that
// it got to, so that a change costs what changed. When something fails it begins again there, after a while.
//
//	catalog's view ──changed──▶ pass: everything since `reached` ──▶ PutStream, PutSubscription ──▶ reached = the view's version
//	                              ▲      Removals ──▶ RemoveStream, ...     │ fails
//	                              └────────────── after retryAfter ◀────────┘
//
// It removes what the catalog says was deleted, and has the catalog forget that once every partition has. Nothing is removed for want of being
// mentioned: that the catalog doesn't know a thing proves nothing about it (M2).
type controller struct {
	view func() *catalog.View
	// forget changes the catalog.
	forget     func(context.Context, catalog.Command) error
	partitions *partitions
	clock      partition.Clock
	logger     *slog.Logger

	mu struct {
		sync.Mutex
		// reached is the version of the catalog that the partitions hold, attempted the one that the last pass drove to.
		reached, attempted uint64
		// failed has what the last pass couldn't do, by the id of the topic or subscription.
		failed map[uint64]error
		// passed is closed and replaced at the end of each pass.
		passed chan struct{}
	}
}

// memberExpiry is how long a fan-out's member may be unused before it goes, with all that waits for it: 30 days, in milliseconds.
const memberExpiry partition.Wall = 30 * 24 * 60 * 60 * 1000

// retryAfter is how long the controller waits before it tries again what failed.
const retryAfter = time.Second

func newController(view func() *catalog.View, forget func(context.Context, catalog.Command) error, ps *partitions, clock partition.Clock, logger *slog.Logger) *controller {
	c := &controller{view: view, forget: forget, partitions: ps, clock: clock, logger: logger}
	c.mu.passed = make(chan struct{})
	return c
}

// run drives until the context ends.
func (c *controller) run(ctx context.Context) {
	for {
		view := c.view()
		var retry <-chan time.Time
		stop := func() {}
		if !c.pass(ctx, view) {
			retry, stop = c.clock.NewTimer(retryAfter)
		}
		select {
		case <-view.Changed():
		case <-retry:
		case <-ctx.Done():
			stop()
			return
		}
		stop()
	}
}

// pass drives the partitions to a view, and tells whether it got there.
func (c *controller) pass(ctx context.Context, view *catalog.View) bool {
	c.mu.Lock()
	since := c.mu.reached
	c.mu.Unlock()
	failed := map[uint64]error{}
	c.remove(ctx, view, failed)
	held := c.held(since)
	for topic, subscription := range view.Since(since) {
		if ctx.Err() != nil {
			return true
		}
		if id, err := c.put(ctx, held, topic, subscription); err != nil {
			failed[id] = err
			c.logger.Error("the partition doesn't take what the catalog says", "topic", topic.Name, "id", id, "error", err)
		}
	}
	if ctx.Err() == nil && len(failed) == 0 {
		c.forgetRemovals(ctx, view)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.attempted, c.mu.failed = view.Version(), failed
	if len(failed) == 0 {
		c.mu.reached = view.Version()
	}
	close(c.mu.passed)
	c.mu.passed = make(chan struct{})
	return len(failed) == 0
}

// remove has the partitions remove what was deleted. What they have removed already costs them nothing.
func (c *controller) remove(ctx context.Context, view *catalog.View, failed map[uint64]error) {
	for removal := range view.Removals() {
		for _, p := range c.partitions.holding(removal.TopicID) {
			var err error
			if stream := partition.StreamID(removal.TopicID); removal.ID == removal.TopicID {
				err = p.RemoveStream(ctx, stream)
			} else {
				err = p.RemoveSubscription(ctx, stream, partition.SubscriptionID(removal.ID))
			}
			if err != nil && ctx.Err() == nil {
				failed[removal.ID] = fmt.Errorf("partition %d: %w", p.number, err)
				c.logger.Error("the partition doesn't remove what was deleted", "partition", p.number, "id", removal.ID, "error", err)
			}
		}
	}
}

// forgetRemovals tells the catalog that what it knew to be removed is. If that doesn't get there, the next pass removes it again.
func (c *controller) forgetRemovals(ctx context.Context, view *catalog.View) {
	for range view.Removals() {
		if err := c.forget(ctx, catalog.ForgetRemovals{Through: view.Version()}); err != nil && ctx.Err() == nil {
			c.logger.Warn("the catalog still lists what is removed", "error", err)
		}
		return
	}
}

// holding is what partitions hold already, so that a start doesn't write all of it anew.
type holding struct {
	partition uint32
	id        uint64
}

// held looks at what the partitions hold, when the pass is about everything; one about changes puts them in any case.
func (c *controller) held(since uint64) map[holding]partition.SubscriptionConfig {
	if since > 0 {
		return nil
	}
	held := map[holding]partition.SubscriptionConfig{}
	for _, p := range c.partitions.all {
		for _, stream := range p.Streams() {
			held[holding{p.number, uint64(stream)}] = partition.SubscriptionConfig{}
			for _, s := range p.Subscriptions(stream) {
				held[holding{p.number, uint64(s.ID)}] = s
			}
		}
	}
	return held
}

// put brings one topic or subscription to the partitions that hold a part of it.
func (c *controller) put(ctx context.Context, held map[holding]partition.SubscriptionConfig, topic catalog.Topic, s *catalog.Subscription) (id uint64, err error) {
	id = topic.ID
	wanted := partition.SubscriptionConfig{}
	if s != nil {
		id = s.ID
		wanted = partition.SubscriptionConfig{
			ID: partition.SubscriptionID(s.ID), Stream: partition.StreamID(s.TopicID), Kind: partition.Kind(s.Kind),
			Pattern: s.Pattern, Visibility: partition.Tick(s.VisibilityMs), AttemptsMax: uint16(s.AttemptsMax), Ordered: s.Ordered, Members: s.Members,
		}
		if wanted.Kind == partition.KindFanout {
			wanted.MemberExpiry = memberExpiry
		}
	}
	for _, p := range c.partitions.holding(topic.ID) {
		if there, ok := held[holding{p.number, id}]; ok && sameSubscription(there, wanted) {
			continue
		}
		if s == nil {
			err = p.PutStream(ctx, partition.StreamID(topic.ID))
		} else {
			err = p.PutSubscription(ctx, wanted)
		}
		if err != nil {
			return id, fmt.Errorf("partition %d: %w", p.number, err)
		}
	}
	return id, nil
}

// sameSubscription tells whether a partition holds a subscription as wanted. Members are no difference: it was made with those that it began with, and
// one that has gone since, removed or unused for too long, mustn't come back.
func sameSubscription(held, wanted partition.SubscriptionConfig) bool {
	return held.ID == wanted.ID && held.Stream == wanted.Stream && held.Kind == wanted.Kind && held.Pattern == wanted.Pattern &&
		held.Visibility == wanted.Visibility && held.AttemptsMax == wanted.AttemptsMax && held.MemberExpiry == wanted.MemberExpiry && held.Ordered == wanted.Ordered
}

// await waits until the controller has tried what the catalog had at a version.
func (c *controller) await(ctx context.Context, version uint64) error {
	for {
		c.mu.Lock()
		attempted, passed := c.mu.attempted, c.mu.passed
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

// reach waits until the partitions hold what the catalog had at a version, of which the id is a part. A partition's refusal of it
// ends the wait.
func (c *controller) reach(ctx context.Context, version, id uint64) error {
	for {
		c.mu.Lock()
		attempted, passed, failed := c.mu.attempted, c.mu.passed, c.mu.failed[id]
		c.mu.Unlock()
		if attempted >= version && failed == nil {
			return nil
		}
		if refused, ok := errors.AsType[*partition.RefusedError](failed); ok {
			return refused
		}
		select {
		case <-passed:
		case <-ctx.Done():
			return faultf(freshetv1.ErrorCode_ERROR_CODE_OUTCOME_UNKNOWN,
				"it is in the catalog, and not yet in every partition; the same again waits for that")
		}
	}
}

// unmentioned logs what partitions hold and the catalog doesn't know. It stays: deleting is a command, never an inference (M2).
func (c *controller) unmentioned(view *catalog.View) {
	for _, p := range c.partitions.all {
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
}
