package history

// checkLost is I1, I4 and I13: what was confirmed as stored has arrived at everyone
// whom it matches and who was there before it was sent, or is a dead letter there.
// Without a drain it is not known whether it would have come: then it is stuck.
func (c *checker) checkLost() {
	arrived := make(map[Place]ReaderSet, len(c.storedAt))
	settled := make(map[Place]ReaderSet, len(c.storedAt))
	c.pairs(func(p *pair) {
		arrived[p.Place] = arrived[p.Place].With(p.Reader)
		if p.offered() != Never {
			settled[p.Place] = settled[p.Place].With(p.Reader)
		}
	})
	for _, d := range c.Dead {
		arrived[d.Place], settled[d.Place] = arrived[d.Place].With(d.Reader), settled[d.Place].With(d.Reader)
	}
	for i := range c.Publishes {
		p := &c.Publishes[i]
		if p.Outcome != OK {
			continue
		}
		due := c.due(p)
		for r := range Reader(len(c.Readers)) {
			switch {
			case !due.Has(r):
			case !arrived[p.Place].Has(r) && c.Drained:
				c.verdict.addf(Lost, "event %d at %s, confirmed at %v, never came to %s", p.Message, p.Place, p.Returned, c.Readers[r].Name)
			case !arrived[p.Place].Has(r):
				c.verdict.addf(Stuck, "event %d at %s, confirmed at %v, has not come to %s, and the nodes still hold events", p.Message, p.Place, p.Returned, c.Readers[r].Name)
			case !settled[p.Place].Has(r):
				c.verdict.addf(Stuck, "event %d at %s came to %s and was never settled", p.Message, p.Place, c.Readers[r].Name)
			}
		}
	}
}

// due are the readers to whom a publish has to come: there before it was sent, and
// still there at the end.
func (c *checker) due(p *Publish) ReaderSet {
	var due ReaderSet
	for r := range Reader(len(c.Readers)) {
		info := c.life(r)
		if p.Matches.Has(r) && info.Made < p.Invoked && info.Removing == Never {
			due = due.With(r)
		}
	}
	return due
}
