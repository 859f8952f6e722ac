package partition

import (
	"context"
	"sync/atomic"
)

// gatherBytes is up to where an entry is small: it waits for more while another is on its way.
const gatherBytes = 16 << 10

// gather holds a small entry back until those that were on their way when it might have begun have been carried out, or what waits with it comes
// to more. An entry costs each node some tens of microseconds whatever is in it, and a sync: acks, which come by themselves when publishing
// is busy, are worth none of their own, nor is one event. It is what Nagle did for TCP (RFC 896), with an entry's time for a round trip's: a command
// that comes while nothing is on its way waits for nothing, and what is large doesn't either.
//
//	on its way:  ─────── entry 1 ───────▶│◀─ acks, an event, acks: entry 2 ─▶
//	                ▲      ▲       ▲      │
//	              acks   event   acks ────┘ in their lanes
//
// What comes stays in its lane, and the proposer asleep: sixty callers of one event each would wake it sixty times for an entry. It returns false when
// the replica no longer leads, or ends: then the first command has been refused.
func (pr *proposer) gather(ctx context.Context, first *command) bool {
	p := pr.p
	pr.first = first
	until := p.landed.count.Load() + uint64(len(p.inFlight))
	for len(p.inFlight) > 0 && p.landed.count.Load() < until && !p.queued.enough() {
		select {
		case <-p.landed.changed:
		case <-p.queued.reached:
		case l := <-p.group.Leadership():
			if !l.Leading {
				pr.refuseFirst()
				return false
			}
		case <-ctx.Done():
			pr.refuseFirst()
			return false
		}
	}
	return true
}

// refuseFirst answers the command that an entry was to be made for which isn't made.
func (pr *proposer) refuseFirst() {
	if pr.first != nil {
		pr.p.refuse(pr.first)
		pr.first = nil
	}
}

// queued is about how many bytes of commands wait for an entry, in the lanes or on their way into them, and tells when that is no small entry any more.
type queued struct {
	bytes   atomic.Int64
	reached chan struct{} // holds one
}

func (q *queued) add(c *command) {
	c.weight = c.bytes()
	if after := q.bytes.Add(c.weight); after >= gatherBytes && after-c.weight < gatherBytes {
		select {
		case q.reached <- struct{}{}:
		default:
		}
	}
}

// remove takes out a command that waits no more; one that was never added has no weight.
func (q *queued) remove(c *command) { q.bytes.Add(-c.weight) }

func (q *queued) enough() bool { return q.bytes.Load() >= gatherBytes }

// bytes is about what a command will take of an entry.
func (c *command) bytes() int64 {
	const some, run = 64, 8
	if c.publication != nil {
		return some + int64(len(c.publication.Block))
	}
	n := 0
	switch s := c.section.(type) {
	case settleSection:
		for i := range s.Decisions {
			for j := range s.Decisions[i].Leased {
				n += run * (1 + len(s.Decisions[i].Leased[j].Runs))
			}
		}
	case returnSection:
		n += 2 * run * len(s.Receipts)
	case fillSection:
		n += run * len(s.Runs)
	}
	return int64(some + n)
}

// landed counts the entries that are no longer on their way.
type landed struct {
	count   atomic.Uint64
	changed chan struct{} // holds one
}

func (l *landed) note() {
	l.count.Add(1)
	select {
	case l.changed <- struct{}{}:
	default:
	}
}
