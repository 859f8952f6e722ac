package client

import (
	"context"
	"errors"
	"fmt"
)

// steer is a producer's goroutine that finds the way: which partitions the topic is on, and who leads them. It ends last.
//
// When slots move, an event may only be sent to its new partition when those before it, that went to the old one, are answered: otherwise two
// events of a key could be stored in another order than theirs. Slots move seldom, so all of the topic's senders wait for each other: none
// makes new blocks, until each has its blocks answered, or back because they weren't stored (window.withdraw). Then all that waits is placed by
// the new route.
//
//	known ---another route's places---> moving ---every window empty---> known
func (p *Producer) steer() {
	defer close(p.joined)
	timer := stoppedTimer()
	defer timer.Stop()
	var told *route // the latest
	for p.context.Err() == nil {
		var replaced <-chan struct{}
		if told != nil {
			replaced = told.replaced
			timer.Reset(routeKept)
		}
		var fresh *route
		var err error
		select {
		case <-p.context.Done():
			continue
		case <-p.drained:
			p.settle()
			continue
		case <-p.lost:
			if told == nil { // this is the first event
				fresh, err = p.client.routes.route(p.context, p.topic)
			} else {
				fresh, err = p.client.routes.refresh(p.context, p.topic, told)
			}
		case <-replaced:
			fresh, err = p.client.routes.route(p.context, p.topic)
		case <-timer.C:
			fresh, err = p.client.routes.route(p.context, p.topic)
		}
		if err != nil {
			told = nil
			p.noRoute(err)
			continue
		}
		told = fresh
		p.follow(fresh)
	}
	p.end(context.Cause(p.context))
}

// lose has steer ask for the route again, because the one that was seen did no good.
func (p *Producer) lose(seen *route) {
	p.mu.Lock()
	known := p.mu.route
	if p.mu.moving != nil {
		known = p.mu.moving
	}
	p.mu.Unlock()
	if known == seen {
		poke(p.lost)
	}
}

// follow takes in a route.
func (p *Producer) follow(r *route) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.trouble = nil
	known := p.mu.route
	if p.mu.moving != nil {
		known = p.mu.moving
	}
	switch {
	case known == nil:
		p.lay(r)
	case r.places(known) && p.mu.moving != nil:
		p.mu.moving = r
	case r.places(known):
		p.mu.route = r
	default:
		p.client.options.logger.Debug("slots have moved", "topic", p.topic, "epoch", r.epoch)
		p.mu.moving = r
		poke(p.drained) // there may be nothing to wait for
	}
	p.pokeSenders()
}

// settle ends a move if nothing is on its way by the old route any more.
func (p *Producer) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.moving == nil {
		return
	}
	for _, s := range p.mu.lines {
		if s != nil && s.mu.oldest != 0 {
			return
		}
	}
	for _, s := range p.lay(p.mu.moving) {
		close(s.over)
	}
	p.pokeSenders()
}

// noRoute takes in that there is no route to the topic. What waits for one is told.
func (p *Producer) noRoute(err error) {
	if p.context.Err() != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.trouble, _ = errors.AsType[*Error](err)
	if len(p.mu.lines) == 0 {
		p.failUnplaced(err)
	}
}

// failUnplaced fails what waits for a place. mu is held.
func (p *Producer) failUnplaced(err error) {
	for _, w := range p.mu.unplaced.takeAll() {
		p.leave(1, w.size)
		w.refuse(err)
	}
	p.wakeFlushes()
}

// end joins the senders, and fails what was never sealed.
func (p *Producer) end(cause error) {
	p.mu.Lock()
	p.mu.closed = true // no sender begins any more
	p.mu.Unlock()
	p.senders.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.mu.lines {
		if s == nil {
			continue
		}
		for _, w := range s.mu.gathering.takeAll() {
			p.mu.unplaced.add(w, p.eventsMax())
		}
	}
	p.failUnplaced(fmt.Errorf("freshet: not sent: %w", cause))
}
