package client

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// way is how a consumer, or a reader, comes to one partition: to the node that leads it, or to another that passes on. It belongs to one goroutine, but for
// what better looks at.
//
// # Silence
//
// A node that is paused, or cut off, breaks no connection, and says nothing, while the others have elected another in three seconds. gRPC's own pings
// take twenty to tell. A consumer says something each second (talk.go), and its node answers: where nothing has come for two looks, others are asked who
// leads. While nobody else does, it stays: a large delivery on a slow link is silence, too, and to leave would have it begin again. A reader sends nothing, so its
// silence says nothing.
type way struct {
	client    *Client
	topic     string
	partition uint32

	route *route // by which it was gone last; nil: it wasn't
	link  link
	lost  bool // the last one did no good

	heard     atomic.Uint64 // messages that have come
	talkative atomic.Bool   // something has to come each second
}

// detourLasts is how often a session that is with a node that only passes on looks whether it can come to the leader: a detour costs each delivery and
// each ack a hop, attaching again a few milliseconds.
const detourLasts = 5 * time.Second

// quietAfter is after how many looks in a row at which nothing had come a node is quiet: an answer may just miss one.
const quietAfter = 2

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
	e := ear{heard: w.heard.Load()}
	asked := w.client.now() // who leads
	for {
		again := asked + routeKept
		if known.leader(partition).address != at {
			again = asked + detourLasts
		}
		replaced := false
		look := time.NewTimer(w.untilLook(again - w.client.now()))
		select {
		case <-look.C:
		case <-known.replaced:
			replaced = true
		case <-ctx.Done():
		}
		look.Stop()
		if ctx.Err() != nil {
			return false
		}
		if !replaced {
			before := e.quiet
			e.listen(w)
			quiet := e.quiet >= quietAfter
			if quiet {
				nodes.doubt(at)
			} else if before >= quietAfter {
				nodes.answered(at)
			}
			if !quiet && w.client.now() < again {
				continue
			}
		}
		asked = w.client.now()
		fresh, err := routes.refresh(ctx, topic, known) // one session asks for all
		if err != nil {
			continue // ctx has ended, or what is wrong the stream will tell
		}
		known = fresh
		leader := known.leader(partition).address
		if leader == "" || leader == at || nodes.avoided(leader) {
			continue
		}
		if l, err := nodes.reach(ctx, leader, forConsuming); err == nil && l.ClientConn != nil {
			return true
		}
	}
}

// untilLook is how long better waits of a pause: less where it has to be looked whether something comes.
func (w *way) untilLook(pause time.Duration) time.Duration {
	if w.talkative.Load() {
		return min(pause, lookEvery)
	}
	return pause
}

// ear is what better has heard.
type ear struct {
	heard uint64
	quiet int // looks in a row at which nothing had come since the one before
}

func (e *ear) listen(w *way) {
	heard := w.heard.Load()
	if !w.talkative.Load() || heard != e.heard {
		e.quiet = 0
	} else {
		e.quiet++
	}
	e.heard = heard
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
