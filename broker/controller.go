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

// controller drives the partitions to what the catalog says. What it asks for is idempotent, and it remembers the catalog's version that
// it got to, so that a change costs what changed. When something fails it begins again there, after a while.
//
//	catalog's view ──changed──▶ pass: everything since `reached` ──▶ PutStream, PutSubscription ──▶ reached = the view's version
//	                              ▲                                         │ fails
//	                              └────────────── after retryAfter ◀────────┘
//
// It never removes anything: that the catalog doesn't mention a thing proves nothing about it (M2).
type controller struct {
	view       func() *catalog.View
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

// retryAfter is how long the controller waits before it tries again what failed.
const retryAfter = time.Second

func newController(view func() *catalog.View, ps *partitions, clock partition.Clock, logger *slog.Logger) *controller {
	c := &controller{view: view, partitions: ps, clock: clock, logger: logger}
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

// sameSubscription tells whether a partition holds a subscription as wanted. Members that came later by themselves are no difference.
func sameSubscription(held, wanted partition.SubscriptionConfig) bool {
	for _, member := range wanted.Members {
		if !slices.Contains(held.Members, member) {
			return false
		}
	}
	return held.ID == wanted.ID && held.Stream == wanted.Stream && held.Kind == wanted.Kind && held.Pattern == wanted.Pattern &&
		held.Visibility == wanted.Visibility && held.AttemptsMax == wanted.AttemptsMax && held.Ordered == wanted.Ordered
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
			if _, ok := view.TopicByID(uint64(stream)); !ok {
				c.logger.Error("the partition holds a topic that the catalog doesn't know; it is kept", "partition", p.number, "topic_id", uint64(stream))
			}
			for _, s := range p.Subscriptions(stream) {
				if _, ok := view.SubscriptionByID(uint64(s.ID)); !ok {
					c.logger.Error("the partition holds a subscription that the catalog doesn't know; it is kept",
						"partition", p.number, "topic_id", uint64(stream), "subscription_id", uint64(s.ID))
				}
			}
		}
	}
}
