package history

import (
	"cmp"
	"slices"
)

// checkSettled is I3, I7, I8 and I19, pair by pair.
func (c *checker) checkSettled() {
	c.pairs(func(p *pair) {
		c.checkFinal(p)
		c.checkFence(p)
		c.checkAttempts(p)
	})
}

// checkFinal: nothing comes once an ack is confirmed (I3), whatever happened since
// (I19). What a consumer had had all the time, with a lease that it knew to be over,
// doesn't count as coming.
func (c *checker) checkFinal(p *pair) {
	by, decision := p.settled()
	if by == nil {
		return
	}
	for i := range p.Leases {
		l := &p.Leases[i]
		if l.Asked > decision.Returned && (l.Epoch > by.Epoch || l.Held > l.Got) {
			c.verdict.addf(AfterAck, "%s of %s came at %v under lease %d, after its %v under lease %d was confirmed at %v",
				p.Place, c.Readers[p.Reader].Name, l.Got, l.Epoch, decision.Verb, by.Epoch, decision.Returned)
		}
	}
}

// checkFence: one lease settles an event, and it is the latest at that time (I7).
func (c *checker) checkFence(p *pair) {
	by, decision := p.settled()
	if by == nil {
		return
	}
	for i := range p.Leases {
		l := &p.Leases[i]
		for _, d := range l.Decisions {
			if d.Outcome == OK && d.Verb != Release && l.Epoch != by.Epoch {
				c.verdict.addf(Fence, "%s of %s was settled under lease %d and under lease %d", p.Place, c.Readers[p.Reader].Name, by.Epoch, l.Epoch)
			}
		}
		if l.Epoch > by.Epoch && l.Got < decision.Invoked {
			c.verdict.addf(Fence, "%s of %s: lease %d was good for an %v at %v, although lease %d had come at %v",
				p.Place, c.Readers[p.Reader].Name, by.Epoch, decision.Verb, decision.Invoked, l.Epoch, l.Got)
		}
	}
}

// checkAttempts: in the order of the leases attempts don't fall (one that never arrived
// isn't counted, so that two leases may have the same), and stay within their limit
// (I8).
func (c *checker) checkAttempts(p *pair) {
	most := c.Readers[p.Reader].AttemptsMax
	if len(p.Leases) == 1 {
		if most > 0 && p.Leases[0].Attempt > most {
			c.verdict.addf(Attempts, "%s of %s came as attempt %d of at most %d", p.Place, c.Readers[p.Reader].Name, p.Leases[0].Attempt, most)
		}
		return
	}
	ordered := slices.Clone(p.Leases)
	slices.SortStableFunc(ordered, func(a, b lease) int { return cmp.Compare(a.Epoch, b.Epoch) })
	for i := range ordered {
		l := &ordered[i]
		if most > 0 && l.Attempt > most {
			c.verdict.addf(Attempts, "%s of %s came as attempt %d of at most %d", p.Place, c.Readers[p.Reader].Name, l.Attempt, most)
		}
		if i > 0 && l.Attempt < ordered[i-1].Attempt {
			c.verdict.addf(Attempts, "%s of %s: lease %d is attempt %d, and the later lease %d attempt %d",
				p.Place, c.Readers[p.Reader].Name, ordered[i-1].Epoch, ordered[i-1].Attempt, l.Epoch, l.Attempt)
		}
	}
}
