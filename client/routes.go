package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// route is where a topic's events are, as far as a node knew when it was asked. It is never changed: what is known later is another route.
type route struct {
	topic          string
	topicID, epoch uint64
	partitions     []routed
	slots          [block.Slots]uint16 // position in partitions, by slot
	// replaced is closed when a route is known that says something else.
	replaced chan struct{}
}

// routed is one partition of a topic.
type routed struct {
	number uint32
	// leader is the name of the node that leads it, and address where that is reached. Empty: not known.
	leader, address string
	term            uint64
}

// leader returns what is known of a partition; nothing, if the topic isn't on it.
func (r *route) leader(partition uint32) routed {
	for _, p := range r.partitions {
		if p.number == partition {
			return p
		}
	}
	return routed{number: partition}
}

// places says that another route has the same slots on the same partitions.
func (r *route) places(other *route) bool {
	return r.topicID == other.topicID && r.epoch == other.epoch
}

// routeOf makes a route of an answer, and checks that it has a place for each slot.
func routeOf(topic string, response *freshetv1.RouteResponse) (*route, error) {
	r := &route{topic: topic, topicID: response.GetTopicId(), epoch: response.GetEpoch(), replaced: make(chan struct{})}
	placed := 0
	for i, p := range response.GetPartitions() {
		r.partitions = append(r.partitions, routed{p.GetNumber(), p.GetLeader(), p.GetApiAddress(), p.GetTerm()})
		for _, run := range p.GetSlots() {
			first, count := int(run.GetFirst()), int(run.GetCount())
			if first+count > block.Slots {
				return nil, badRoute(topic, fmt.Sprintf("has slot %d", first+count-1))
			}
			for slot := first; slot < first+count; slot++ {
				r.slots[slot] = uint16(i)
			}
			placed += count
		}
	}
	if placed != block.Slots {
		return nil, badRoute(topic, fmt.Sprintf("places %d slots of %d", placed, block.Slots))
	}
	return r, nil
}

// badRoute is a fault of a node; another may do better.
func badRoute(topic, what string) *Error {
	return &Error{Code: CodeInternal, Message: fmt.Sprintf("the node's route to topic %q %s", topic, what), OutcomeUnknown: true}
}

// merge keeps of an earlier route to the same places who leads in a later term: a node may know less than another did.
func (r *route) merge(earlier *route) {
	if !r.places(earlier) {
		return
	}
	for i := range r.partitions {
		if before := earlier.leader(r.partitions[i].number); before.term > r.partitions[i].term {
			r.partitions[i] = before
		}
	}
}

const (
	// routeKept is for how long a route is believed that nothing contradicts.
	routeKept = 30 * time.Second
	// routeTimeout is how long one node may take to tell: all of it is in its memory.
	routeTimeout = 2 * time.Second
	// routeEvery and routeEverySeldom bound how often a topic's route is asked for: twice as seldom each time that it says nothing new.
	routeEvery       = 50 * time.Millisecond
	routeEverySeldom = time.Second
	// routesMax bounds how many topics' routes are kept; those that were asked for least lately are forgotten first.
	routesMax = 1_024
)

// routes is a cache of routes by topic. It is safe for concurrent use. It has no goroutine: who wants to know asks, and one asks for all who
// want to know the same. Whatever a node says about not leading, or a broken connection, is reason enough to refresh: how often nodes are really asked
// is bounded here.
type routes struct {
	nodes *nodes

	mu struct {
		sync.Mutex
		topics map[string]*topicRoute
	}
}

// topicRoute is what is known of a topic. routes.mu guards it.
type topicRoute struct {
	current *route // nil: not known
	told    time.Time
	asked   time.Time     // last, whether there was an answer or not
	asking  chan struct{} // closed when the question under way is over; nil while there is none
	same    int           // how often the answer was the same, lately
}

func newRoutes(n *nodes) *routes {
	r := &routes{nodes: n}
	r.mu.topics = map[string]*topicRoute{}
	return r
}

// route returns a topic's route, from memory if that is at most 30 s old. It waits for as long as ctx allows for a node that knows; an error is an
// *Error that waiting can't help, or ErrClosed, or wraps ctx's and why there was no answer.
func (r *routes) route(ctx context.Context, topic string) (*route, error) {
	r.mu.Lock()
	if t := r.mu.topics[topic]; t != nil && t.current != nil && time.Since(t.told) < routeKept {
		defer r.mu.Unlock()
		return t.current, nil
	}
	r.mu.Unlock()
	return r.refresh(ctx, topic, nil)
}

// refresh returns a route that was asked for after seen, which did no good: from memory, if somebody has asked meanwhile. It may say the same. Errors
// are as for route; seen nil stands for whatever is remembered.
func (r *routes) refresh(ctx context.Context, topic string, seen *route) (*route, error) {
	var again retry
	for {
		r.mu.Lock()
		t := r.topic(topic)
		if seen == nil {
			seen = t.current
		}
		if known := t.current; known != nil && known != seen {
			r.mu.Unlock()
			return known, nil
		}
		if asking := t.asking; asking != nil {
			r.mu.Unlock()
			select {
			case <-asking:
				continue
			case <-ctx.Done():
				return nil, fmt.Errorf("freshet: route to topic %q: %w", topic, ctx.Err())
			}
		}
		t.asking = make(chan struct{})
		pause := t.pause(time.Now())
		r.mu.Unlock()

		fresh, err := r.ask(ctx, topic, pause)
		r.mu.Lock()
		fresh = r.note(t, fresh, err)
		r.mu.Unlock()
		switch {
		case err == nil:
			return fresh, nil
		case ctx.Err() != nil:
			return nil, &noAnswerError{asked: fmt.Sprintf("any node about topic %q", topic), ended: ctx.Err(), last: err}
		case definite(err) || errors.Is(err, ErrClosed):
			return nil, err
		}
		if ended := again.pause(ctx); ended != nil {
			return nil, &noAnswerError{asked: fmt.Sprintf("any node about topic %q", topic), ended: ended, last: err}
		}
	}
}

// topic returns what is known of a topic. mu is held.
func (r *routes) topic(name string) *topicRoute {
	t := r.mu.topics[name]
	if t != nil {
		return t
	}
	if len(r.mu.topics) >= routesMax {
		var oldest string
		for name, t := range r.mu.topics {
			if t.asking == nil && (oldest == "" || t.asked.Before(r.mu.topics[oldest].asked)) {
				oldest = name
			}
		}
		delete(r.mu.topics, oldest)
	}
	t = &topicRoute{}
	r.mu.topics[name] = t
	return t
}

// pause is how long a node may not be asked yet.
func (t *topicRoute) pause(now time.Time) time.Duration {
	if t.asked.IsZero() {
		return 0
	}
	since := now.Sub(t.asked)
	if since > 2*routeEverySeldom {
		t.same = 0
	}
	return min(routeEvery<<min(t.same, 10), routeEverySeldom) - since
}

// ask asks the nodes one by one, after a pause.
func (r *routes) ask(ctx context.Context, topic string, pause time.Duration) (*route, error) {
	if pause > 0 {
		if err := pauseFor(ctx, pause); err != nil {
			return nil, err
		}
	}
	var last error
	for _, address := range r.nodes.order() {
		fresh, err := r.askOne(ctx, topic, address)
		if err == nil {
			return fresh, nil
		}
		if definite(err) || ctx.Err() != nil {
			return nil, err
		}
		r.nodes.failed(address)
		last = err
	}
	return nil, last
}

func (r *routes) askOne(ctx context.Context, topic, address string) (*route, error) {
	l, err := r.nodes.link(address, forConsuming)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, routeTimeout)
	defer cancel()
	response, err := freshetv1.NewRouteServiceClient(l).Route(limited, &freshetv1.RouteRequest{Topic: topic})
	if err != nil {
		return nil, errorOf(ctx, err)
	}
	r.nodes.answered(address)
	fresh, err := routeOf(topic, response)
	if err != nil {
		return nil, err
	}
	r.nodes.learn(convert(fresh.partitions, func(p routed) string { return p.address })...)
	return fresh, nil
}

// note takes in what a question came to, and ends the wait of those who want to know the same. It returns the route that is known then. mu is held.
func (r *routes) note(t *topicRoute, fresh *route, err error) *route {
	close(t.asking)
	t.asking, t.asked = nil, time.Now()
	before := t.current
	switch {
	case err == nil && before == nil:
		t.same = 0
	case err == nil && before.topicID == fresh.topicID && before.epoch > fresh.epoch:
		again := *before // the node is behind
		fresh = &again
		t.same++
	case err == nil:
		fresh.merge(before)
		if fresh.places(before) && slices.Equal(fresh.partitions, before.partitions) {
			fresh.replaced = before.replaced
			t.same++
			break
		}
		t.same = 0
		close(before.replaced)
	case definite(err): // there is no such topic (any more)
		if before != nil {
			close(before.replaced)
		}
		t.same = 0
	default:
		t.same++
		return nil
	}
	t.current, t.told = fresh, t.asked
	return fresh
}

// partitions returns the partitions that hold a topic, by number. Errors are as for routes.route.
func (c *Client) partitions(ctx context.Context, topic string) ([]uint32, error) {
	found, err := c.routes.route(ctx, topic)
	if err != nil {
		return nil, err
	}
	return convert(found.partitions, func(p routed) uint32 { return p.number }), nil
}
