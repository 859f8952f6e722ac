package partition

import (
	"cmp"
	"fmt"
	"slices"
)

// modelEvent is an event as its stream has it.
type modelEvent struct {
	offset Offset
	class  sizeClass
	key    uint64
	// due is its deliver-at, rounded up to a tenth of a second; undue: W hasn't reached it yet.
	due   Wall
	undue bool
	// named are the selective subscriptions that it matches.
	named  map[SubscriptionID]bool
	repeat bool
}

// eventState is what a cursor has of an event. What it doesn't have is settled, dropped, yet to be looked at, or doesn't match.
type eventState uint8

const (
	// stateLater: it isn't due, or found no room in an ordered queue when it was.
	stateLater eventState = iota
	// stateAhead: it waits behind a gap that fills have yet to close.
	stateAhead
	stateReady
	stateLeased
	// stateDelayed: released, and not ready before a time.
	stateDelayed
	stateDead
)

func (s eventState) String() string {
	return [...]string{"later", "ahead", "ready", "leased", "delayed", "dead"}[s]
}

// modelCopy is an event as a cursor has it.
type modelCopy struct {
	offset Offset
	class  sizeClass
	key    uint64
	state  eventState
	// attempts and undelivered count the leases that are over; attempt is the number of the one that runs.
	attempts, undelivered uint16
	attempt               uint16
	lease                 *modelLease
	notBefore             Tick
	dead                  deadLetter
}

// in returns the copies that are in one of some states, by offset.
func (c *modelCursor) in(states ...eventState) (list []*modelCopy) {
	for _, e := range c.copies {
		if slices.Contains(states, e.state) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *modelCopy) int { return cmp.Compare(a.offset, b.offset) })
	return list
}

func (c *modelCursor) count(states ...eventState) (n uint64) {
	for _, e := range c.copies {
		if slices.Contains(states, e.state) {
			n++
		}
	}
	return n
}

// bring has a cursor get an event that it looks at for the first time.
func (c *modelCursor) bring(at Offset, class sizeClass, key uint64) {
	if !c.sub.Ordered {
		key = 0
	}
	if c.copies[at] != nil || c.acked[at] || c.lost[at] || at < c.began {
		panic(fmt.Sprintf("P5: cursor %v gets offset %d for the second time", c.id, at))
	}
	e := &modelCopy{offset: at, class: class, key: key}
	c.copies[at] = e
	switch {
	case c.reach == reachClosing && at >= c.resume:
		e.state = stateAhead
	case c.sub.stream.events[at].undue:
		c.takeAside(at)
	default:
		c.ready(e)
	}
}

func (c *modelCursor) ready(e *modelCopy) {
	if c.sub.stream.events[e.offset].undue {
		panic(fmt.Sprintf("cursor %v: offset %d is ready before it is due", c.id, e.offset))
	}
	e.state, c.gained = stateReady, true
}

// lose drops an event for its stream's retention.
func (c *modelCursor) lose(e *modelCopy) {
	delete(c.copies, e.offset)
	c.lost[e.offset] = true
}

// tooLate drops an event whose stream's retention has passed it while it was held.
func (c *modelCursor) tooLate(e *modelCopy) bool {
	if e.offset >= c.sub.stream.dropped || c.aside[e.offset] {
		return false
	}
	c.lose(e)
	c.dropped++
	c.truncatedAt = c.sub.stream.dropped
	return true
}

// comeback gives back an event whose lease is over.
func (m *model) comeback(c *modelCursor, e *modelCopy, why comeback) {
	if c.tooLate(e) {
		return
	}
	attempt := e.attempt
	if why.kind != comebackCounted {
		attempt--
	}
	e.attempts, e.attempt = attempt, 0 // P7
	if why.kind == comebackUndelivered {
		e.undelivered++
	}
	switch {
	case why.kind == comebackCounted && attempt >= c.sub.AttemptsMax:
		m.bury(c, e, deadLetter{reason: why.reason, attempts: attempt, detail: why.detail})
	case e.undelivered >= UndeliveredMax:
		m.bury(c, e, deadLetter{reason: DeadUndelivered, attempts: attempt})
	case why.after > 0:
		e.state, e.notBefore = stateDelayed, m.clock.deadlineAfter(why.after)
	default:
		c.ready(e)
	}
}

func (m *model) bury(c *modelCursor, e *modelCopy, d deadLetter) {
	m.setAside(c, e)
	d.offset, d.died = e.offset, m.wall
	e.state, e.dead = stateDead, d
	e.attempts, e.undelivered, e.attempt = 0, 0, 0
}

// redrive makes dead letters ready again, as if they had never been tried.
func (m *model) redrive(sec redriveSection) Result {
	c := m.find(sec.Cursor)
	if c == nil {
		return Result{Refused: RefusedSubscription}
	}
	var res Result
	for _, e := range c.in(stateDead) {
		meant := len(sec.Runs) == 0
		for _, r := range sec.Runs {
			meant = meant || r.First <= e.offset && e.offset < r.end()
		}
		switch {
		case !meant || e.offset < sec.From:
		case res.Redriven == sec.Max:
			res.More, res.Next = true, e.offset
			return res
		case sec.Reason == 0 || sec.Reason == e.dead.reason:
			e.dead = deadLetter{}
			c.ready(e)
			res.Redriven++
		}
	}
	return res
}
