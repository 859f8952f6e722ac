package partition

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	// smallBytes is up to where an entry is small: it waits for more while another is on its way.
	smallBytes = 16 << 10
	// gatherBytes is what an entry of many small blocks comes to at most before it is made all the same: 64 callers' events of 256 bytes are 26 KiB.
	gatherBytes = 64 << 10
)

// gather holds a small entry back until those that were on their way when it might have begun have been carried out, and then for those who were just
// answered (company.go), or until what waits with it is large, or comes to much. An entry costs the nodes some hundreds of microseconds whatever is in it, and
// each a sync: acks, which come by themselves when publishing is busy, are worth none of their own, nor is one event. It is what Nagle did for TCP (RFC 896),
// with an entry's time for a round trip's: a command that comes alone while nothing is on its way waits for nothing, and what is large doesn't either.
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
	until := p.landed.load().count + uint64(len(p.inFlight))
	for len(p.inFlight) > 0 && p.landed.load().count < until && !p.queued.enough() {
		if !pr.doze(ctx, nil) {
			return false
		}
	}
	return pr.awaitCompany(ctx)
}

// awaitCompany waits for those whom the last entry answered.
func (pr *proposer) awaitCompany(ctx context.Context) bool {
	w, some := pr.company.expect(pr.p.landed.load(), pr.p.now())
	if !some {
		return true
	}
	if !pr.awaitBlocks(ctx, w.half, w.until) {
		return false
	}
	return pr.awaitBlocks(ctx, w.all, w.rest(pr.p.now()))
}

// awaitBlocks waits until so many blocks wait, or what waits is enough in any case.
func (pr *proposer) awaitBlocks(ctx context.Context, blocks int64, until time.Time) bool {
	p := pr.p
	there := func() bool { return p.queued.publications.Load() >= blocks || p.queued.enough() }
	p.queued.want.Store(blocks)
	defer p.queued.want.Store(0)
	for until.After(p.now()) && !there() {
		timer, stop := p.options.Clock.TimerAt(until)
		ok := pr.doze(ctx, timer)
		stop()
		if !ok {
			return false
		}
	}
	return true
}

// doze waits until an entry has landed, the lanes have enough, or a timer ends.
func (pr *proposer) doze(ctx context.Context, timer <-chan time.Time) bool {
	p := pr.p
	select {
	case <-timer:
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
	return true
}

// refuseFirst answers the command that an entry was to be made for which isn't made.
func (pr *proposer) refuseFirst() {
	if pr.first != nil {
		pr.p.refuse(pr.first)
		pr.first = nil
	}
}

// queued is about how many bytes of commands wait for an entry, in the lanes, and tells when that is no small entry any more, or
// when as many blocks wait as somebody waits for.
type queued struct {
	bytes        atomic.Int64
	large        atomic.Int64 // commands that are no small entry by themselves
	publications atomic.Int64
	// want is how many blocks the proposer waits for; 0: none.
	want    atomic.Int64
	reached chan struct{} // holds one
}

func (q *queued) add(c *command) {
	large := c.weight >= smallBytes
	if large {
		q.large.Add(1)
	}
	wanted := c.publication != nil && q.publications.Add(1) == q.want.Load()
	after := q.bytes.Add(c.weight)
	passes := func(bound int64) bool { return after >= bound && after-c.weight < bound }
	if large || wanted || passes(smallBytes) || passes(gatherBytes) {
		select {
		case q.reached <- struct{}{}:
		default:
		}
	}
}

// remove takes out a command that waits no more. One that was never added has no weight, and isn't counted.
func (q *queued) remove(c *command) {
	if c.weight == 0 {
		return
	}
	if c.weight >= smallBytes {
		q.large.Add(-1)
	}
	if c.publication != nil {
		q.publications.Add(-1)
	}
	q.bytes.Add(-c.weight)
}

// enough tells whether what waits is worth an entry in any case. Of many small blocks more are awaited: they are callers'.
func (q *queued) enough() bool {
	bytes := q.bytes.Load()
	return bytes >= gatherBytes || q.large.Load() > 0 || bytes >= smallBytes && q.publications.Load() < companyLeast
}

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

// landing is what the proposer knows of the entry that landed last: it is no longer on its way.
type landing struct {
	// count of all the entries that have.
	count uint64
	// answered is how many blocks it held, and waiting how many were waiting by then.
	answered, waiting int64
	// at is when it landed, and took how long entries take of late, from when they are proposed.
	at   time.Time
	took time.Duration
}

// landed tells what has landed. The carrier alone notes it.
type landed struct {
	last    atomic.Pointer[landing]
	changed chan struct{} // holds one
}

func (l *landed) load() landing {
	if last := l.last.Load(); last != nil {
		return *last
	}
	return landing{}
}

func (l *landed) note(s *sealed, waiting int64, now time.Time) {
	last := l.load()
	next := landing{count: last.count + 1, waiting: waiting, at: now, took: now.Sub(s.proposed)}
	if last.count > 0 {
		next.took = last.took + (next.took-last.took)/8 // as TCP smooths its round trips (RFC 6298)
	}
	for _, c := range s.commands {
		if c != nil && c.publication != nil {
			next.answered++
		}
	}
	l.last.Store(&next)
	select {
	case l.changed <- struct{}{}:
	default:
	}
}
