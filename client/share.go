package client

import (
	"cmp"
	"slices"
	"time"
)

// share divides a consumer's window over its sessions, one on each partition, and moves credit to where events are. It is a function of what it is
// told and of the times that come with that: no lock, no clock, no goroutine. The consumer's lock guards it.
//
// Goal: what the consumer holds, and what nodes may still send it, is never more than the window; the window is where it is of use; no
// partition waits for ever, also where there are more partitions than the window has credits.
//
// A portion is what one session has of the window:
//
//	            another is short ──▶ lower ──▶ answered, and settled below it ──▶ the rest is free
//	credit > 0 ────────────────────▶ 0: parked ──── the node's hint: there are events ────▶ short
//	    ^                                                                                      │
//	    └──────────────────────────────────── what is free ◀───────────────────────────────────┘
//
// Who is short: a parked session that has a hint, and a hungry one, which holds all that it may while handlers have nothing to do. Handlers that are
// slower than their events come make nobody hungry: more in the window wouldn't help, and be kept from other consumers. While nobody is short nothing
// moves, so idle sessions keep what they have, and their next event comes without asking.
//
// What each should have is max-min fair (fair): a short one asks for all of the window, another for twice what it held at most in the last seconds, an
// idle one for nothing. Where that isn't a credit for each, those who have one keep it for a turn, turnLasts, or until they have held nothing
// for turnEmpty; then it goes to those who wait for longest.
//
// Rules:
//
//   - C1: the sum of charges is at most the window when a credit is raised. A portion's charge is the highest of: its credit, those that the node may
//     still go by (Credited), and what it holds, by number or by bytes. So what was lowered is free when nothing more can come of it, not before.
//   - C2: a short portion gets something at the latest when all that was held when it became short is settled, and as many turns are over as there are
//     portions short for longer than it, divided by the window. Each turn ends at the latest turnLasts, and the settling of what is held then, after
//     it began; and a connection that is dead without a word is noticed by its pings, which is when its portion is free.
//   - C3: a portion is lowered at most every turnLasts, or as often as it runs empty: each change is an entry in a partition's log.
//
// With one portion there is nobody to share with: it has the window for good.
//
// Tried and left: equal shares of whoever isn't parked, by a time of silence. One busy partition among seven that trickle had an eighth of the window. And
// lowering without Credited, by waiting for an answer to a Settle behind the Credit: that doesn't tell whether a delivery is still on its way.
type share struct {
	window   int
	bytes    int // that belong to the window
	portions []*portion
}

const (
	// turnLasts is how long who has a credit that others wait for keeps it. A turn costs two entries in the log: at a few milliseconds each, 100 ms spends
	// some per cent on moving, and eight partitions that share one credit wait for less than a second.
	turnLasts = 100 * time.Millisecond
	// turnEmpty is how long an empty one keeps it: somewhat more than a delivery takes that is on its way.
	turnEmpty = 20 * time.Millisecond
	// peakLasts is how long what was held at most is remembered, at least; at most twice as long.
	peakLasts = time.Second
	// hungerLasts is how long a hungry portion is taken for hungry.
	hungerLasts = turnLasts
)

// portion is what a session has of the window.
type portion struct {
	// credit is what it is to hold at most; 0 parks it.
	credit int
	// told is what the node may go by: the credit that it is known to have, and behind it those that it was sent since. Empty while the session isn't
	// attached: then the node sends nothing that arrives.
	told []int
	// held is what it holds, in credits.
	held int

	// hinted: parked, and there are events. since is since when.
	hinted bool
	since  time.Time
	// hungry is when it was found to be so.
	hungry time.Time
	// changed is when its credit was, a raise when it is answered; empty is since when it has held nothing, not before the last raise.
	changed, empty time.Time
	// peaks are the most that was held in the time that began at peaksFrom, and in the one before.
	peaks     [2]int
	peaksFrom time.Time
}

// newShare divides a window evenly. If there isn't a credit for each, it begins with a portion of the caller's choice: consumers that choose at random
// begin on different partitions.
func newShare(window, bytes, portions, first int, now time.Time) *share {
	s := &share{window: window, bytes: bytes}
	for range portions {
		s.portions = append(s.portions, &portion{changed: now, empty: now, peaksFrom: now})
	}
	for i := range portions {
		p := s.portions[(first+i)%portions]
		p.credit = window / portions
		if i < window%portions {
			p.credit++
		}
	}
	return s
}

// creditBytes are the bytes that go with a credit. At least 1: a node gives one event whatever its size.
func (s *share) creditBytes(credit int) int {
	return max(1, int(int64(s.bytes)*int64(credit)/int64(s.window)))
}

// hold notes what a portion holds now.
func (s *share) hold(p *portion, events, bytes int, now time.Time) {
	had := p.held
	p.held = max(events, int((int64(bytes)*int64(s.window)+int64(s.bytes)-1)/int64(s.bytes)))
	if p.held == 0 && had > 0 {
		p.empty = now
	}
	p.turnPeaks(now)
	p.peaks[0] = max(p.peaks[0], p.held)
}

// turnPeaks begins a new time of peaks when one is over.
func (p *portion) turnPeaks(now time.Time) {
	past := now.Sub(p.peaksFrom)
	if past < peakLasts {
		return
	}
	p.peaks[1] = p.peaks[0]
	if past >= 2*peakLasts {
		p.peaks[1] = p.held
	}
	p.peaks[0], p.peaksFrom = p.held, now
}

// attaching notes that the session is being attached with a credit.
func (p *portion) attaching(credit int) { p.told, p.hinted = append(p.told[:0], credit), false }

// detached notes that the session's connection is over: nothing comes of what the node was told.
func (p *portion) detached() { p.told, p.hinted = p.told[:0], false }

// tell notes that the node is told a credit, if that is news to it.
func (p *portion) tell(credit int) bool {
	if n := len(p.told); n == 0 || p.told[n-1] == credit {
		return false
	}
	p.told, p.hinted = append(p.told, credit), false
	return true
}

// credited notes that the node has carried out the first of what it was told. It tells whether there was anything to carry out.
func (p *portion) credited(now time.Time) bool {
	if len(p.told) < 2 {
		return false
	}
	if p.told[1] > p.told[0] {
		p.changed, p.empty = now, now
	}
	p.told = append(p.told[:0], p.told[1:]...)
	return true
}

// hint notes what the node says of a parked session. What it says of one that is parked no more, or not yet, is old.
func (p *portion) hint(ready bool, now time.Time) {
	if len(p.told) != 1 || p.told[0] != 0 {
		return
	}
	if ready && !p.hinted {
		p.since = now
	}
	p.hinted = ready
}

// idle notes that handlers have nothing to do: who holds all that it may is hungry. It tells whether there is somebody who wasn't.
func (s *share) idle(now time.Time) (found bool) {
	for _, p := range s.portions {
		if p.credit > 0 && p.held >= p.credit && p.credit < s.window {
			found = found || !p.short(now)
			p.hungry = now
		}
	}
	return found
}

// charge is what of the window can't be given to another.
func (p *portion) charge() int {
	charge := max(p.credit, p.held)
	for _, credit := range p.told {
		charge = max(charge, credit)
	}
	return charge
}

// short says that it should have more.
func (p *portion) short(now time.Time) bool {
	if p.credit == 0 {
		return p.hinted
	}
	return !p.hungry.IsZero() && now.Sub(p.hungry) < hungerLasts
}

// ask is what it is to have if that is possible.
func (p *portion) ask(window int, now time.Time) int {
	if p.short(now) {
		return window
	}
	p.turnPeaks(now)
	return min(2*max(p.peaks[0], p.peaks[1]), p.credit)
}

// turnOver is when others may have its credit; zero while that isn't known, since the node has yet to answer.
func (p *portion) turnOver() time.Time {
	if len(p.told) > 0 && p.credit > p.told[0] {
		return time.Time{}
	}
	over := p.changed.Add(turnLasts)
	if empty := p.empty.Add(turnEmpty); p.held == 0 && empty.Before(over) {
		over = empty
	}
	return over
}

// inTurn says that it has a credit, and keeps it for now.
func (p *portion) inTurn(now time.Time) bool {
	if p.credit == 0 {
		return false
	}
	over := p.turnOver()
	return over.IsZero() || now.Before(over)
}

// plan moves credit, if somebody is short and it can be done now. It tells whether any credit was changed, and when to plan again if nothing
// happens before; never, if that is zero.
func (s *share) plan(now time.Time) (changed bool, again time.Time) {
	if len(s.portions) < 2 || !slices.ContainsFunc(s.portions, func(p *portion) bool { return p.short(now) }) {
		return false, time.Time{}
	}
	order := s.order(now)
	asked := make([]int, len(order))
	for i, p := range order {
		asked[i] = p.ask(s.window, now)
	}
	should := fair(s.window, asked)

	// What is wanted, beyond what is free, or will be when what was lowered before is settled.
	missing := -s.window
	for i, p := range order {
		missing += p.credit
		if p.wants(should[i], now) {
			missing += should[i] - p.credit
		}
	}
	for i, p := range order {
		if missing <= 0 {
			break
		}
		if should[i] >= p.credit {
			continue
		}
		if p.inTurn(now) {
			if over := p.turnOver(); !over.IsZero() && (again.IsZero() || over.Before(again)) {
				again = over
			}
			continue
		}
		missing -= p.credit - should[i]
		p.credit, p.changed, changed = should[i], now, true
	}
	if again.IsZero() {
		again = s.nextTurn(now)
	}
	return s.raise(order, should, now) || changed, again
}

// wants says that it is short of a part that is worth an entry.
func (p *portion) wants(should int, now time.Time) bool {
	return p.short(now) && should-p.credit >= max(1, p.credit/4)
}

// nextTurn is when the first turn is over, if somebody waits for one who is parked.
func (s *share) nextTurn(now time.Time) (next time.Time) {
	waiting := false
	for _, p := range s.portions {
		waiting = waiting || p.credit == 0 && p.hinted
		if p.inTurn(now) {
			if over := p.turnOver(); !over.IsZero() && (next.IsZero() || over.Before(next)) {
				next = over
			}
		}
	}
	if !waiting {
		return time.Time{}
	}
	return next
}

// raise gives what is free to those who are short (C1): to the parked ones first, any credit, to another if it is at least half of what it lacks, so that what
// becomes free bit by bit isn't an entry for each bit.
func (s *share) raise(order []*portion, should []int, now time.Time) (changed bool) {
	free := s.window
	for _, p := range s.portions {
		free -= p.charge()
	}
	for _, parked := range []bool{true, false} {
		for i, p := range order {
			if (p.credit == 0) != parked || !p.wants(should[i], now) {
				continue
			}
			// What it holds or may still get counts as its own.
			lacks := should[i] - p.credit
			give := min(lacks, free+p.charge()-p.credit)
			if give < 1 || !parked && 2*give < lacks {
				continue
			}
			before := p.charge()
			p.credit += give
			free -= p.charge() - before
			p.changed, p.empty, p.hungry, changed = now, now, time.Time{}, true
		}
	}
	return changed
}

// order says who comes first where the window isn't enough: who has a turn, then those who wait, by how long they do, then the others.
func (s *share) order(now time.Time) []*portion {
	rank := func(p *portion) int {
		switch {
		case p.inTurn(now):
			return 0
		case p.credit == 0 && p.hinted:
			return 1
		}
		return 2
	}
	order := slices.Clone(s.portions)
	slices.SortStableFunc(order, func(a, b *portion) int {
		if r := cmp.Compare(rank(a), rank(b)); r != 0 || rank(a) != 1 {
			return r
		}
		return a.since.Compare(b.since)
	})
	return order
}

// fair divides room by max-min fairness: nobody gets more than it asks for, and nobody who gets less than that has less than another, but for one that
// doesn't divide: those who come first have that.
func fair(room int, asked []int) []int {
	given := make([]int, len(asked))
	byAsk := make([]int, len(asked))
	for i := range byAsk {
		byAsk[i] = i
	}
	slices.SortStableFunc(byAsk, func(a, b int) int { return cmp.Compare(asked[a], asked[b]) })
	for len(byAsk) > 0 && asked[byAsk[0]] <= room/len(byAsk) {
		given[byAsk[0]] = asked[byAsk[0]]
		room -= asked[byAsk[0]]
		byAsk = byAsk[1:]
	}
	slices.Sort(byAsk) // those who can't have all of it
	for i, at := range byAsk {
		given[at] = room / len(byAsk)
		if i < room%len(byAsk) {
			given[at]++
		}
	}
	return given
}
