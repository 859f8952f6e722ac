package client

import (
	"context"
	"errors"
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// way is how a consumer, or a reader, comes to one partition: to the node that leads it, or to another that passes on. It belongs to one goroutine.
type way struct {
	client    *Client
	topic     string
	partition uint32

	route *route // by which it was gone last; nil: it wasn't
	link  link
	lost  bool // the last one did no good
}

// detourLasts is how often a session that is with a node that only passes on looks whether it can come to the leader: a detour costs each delivery and
// each ack a hop, attaching again a few milliseconds.
const detourLasts = 5 * time.Second

// node returns a connection to go by. It waits for as long as ctx allows for one that tells the way; errors are as for routes.route.
func (w *way) node(ctx context.Context) (freshetv1.ConsumeServiceClient, error) {
	var err error
	if w.lost {
		w.route, err = w.client.routes.refresh(ctx, w.topic, w.route)
	} else {
		w.route, err = w.client.routes.route(ctx, w.topic)
	}
	if err != nil {
		return nil, err
	}
	w.lost = true // until an answer comes
	if w.link, err = w.client.nodes.toLeader(ctx, w.route, w.partition, forConsuming); err != nil {
		return nil, err
	}
	return freshetv1.NewConsumeServiceClient(w.link), nil
}

// better waits until there is a better way than the one that is gone: true; or until ctx ends. Whoever passes on, since it leads no more, or not yet, or
// since the leader couldn't be reached, doesn't say so.
func (w *way) better(ctx context.Context) bool {
	topic, partition, at, known := w.topic, w.partition, w.link.address, w.route // what goes by this way meanwhile is its owner's
	nodes, routes := w.client.nodes, w.client.routes
	for {
		look := time.NewTimer(routeKept)
		if known.leader(partition).address != at {
			look.Reset(detourLasts)
		}
		select {
		case <-look.C:
		case <-known.replaced:
		case <-ctx.Done():
		}
		look.Stop()
		if ctx.Err() != nil {
			return false
		}
		var err error
		if known, err = routes.refresh(ctx, topic, known); err != nil { // one session asks for all
			return false // ctx has ended, or what is wrong the stream will tell
		}
		leader := known.leader(partition).address
		if leader == "" || leader == at || nodes.avoided(leader) {
			continue
		}
		if l, err := nodes.reach(ctx, leader, forConsuming); err == nil && l.ClientConn != nil {
			return true
		}
	}
}

// answered notes that the node does what it was asked.
func (w *way) answered() {
	w.client.nodes.answered(w.link.address)
	w.lost = false
}

// left notes why it is gone again. A connection that breaks says nothing of who leads: if the node is there, it is asked again at once.
func (w *way) left(err error) {
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeUnavailable || !e.OutcomeUnknown {
		w.lost = true
	}
}
