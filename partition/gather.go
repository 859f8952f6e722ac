package partition

import (
	"context"
	"sync/atomic"
)

const (
	// gatherBytes is up to where an entry is small: it waits for more while another is on its way.
	gatherBytes = 16 << 10
	// gatheredMax is how many commands wait so at most.
	gatheredMax = 1_024
)

// gather holds a small entry back until those that were on their way when it might have begun have been carried out, or what waits with it comes
// to more. An entry costs each node some tens of microseconds whatever is in it, and a sync: acks, which come by themselves when publishing
// is busy, are worth none of their own, nor is one event. It is what Nagle did for TCP (RFC 896), with an entry's time for a round trip's: a command
// that comes while nothing is on its way waits for nothing, and what is large doesn't either.
//
//	on its way:  ─────── entry 1 ───────▶│◀─ acks, an event, acks: entry 2 ─▶
//	                ▲      ▲       ▲      │
//	              acks   event   acks ────┘ held
//
// It returns false when the replica no longer leads, or ends: then what was held has been refused.
func (pr *proposer) gather(ctx context.Context, first *command) bool {
	p := pr.p
	pr.held = append(pr.held[:0], first)
	bytes, until := first.bytes(), p.landed.count.Load()+uint64(len(p.inFlight))
	hold := func(c *command) {
		pr.held = append(pr.held, c)
		bytes += c.bytes()
	}
	for len(p.inFlight) > 0 && p.landed.count.Load() < until && bytes < gatherBytes && len(pr.held) < gatheredMax {
		select {
		case <-p.landed.changed:
		case c := <-p.controls:
			hold(c)
		case c := <-p.publications:
			hold(c)
		case l := <-p.group.Leadership():
			if !l.Leading {
				pr.refuseHeld()
				return false
			}
		case <-ctx.Done():
			pr.refuseHeld()
			return false
		}
	}
	return true
}

// refuseHeld answers what was gathered for an entry that isn't made.
func (pr *proposer) refuseHeld() {
	for i, c := range pr.held {
		c.done(Result{}, ErrUnavailable)
		pr.held[i] = nil
	}
	pr.held = pr.held[:0]
}

// bytes is about what a command will take of an entry.
func (c *command) bytes() int {
	const some, run = 64, 8
	if c.publication != nil {
		return some + len(c.publication.Block)
	}
	n := some
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
	return n
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
