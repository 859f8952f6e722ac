package history

// checkLifetimes is I14. What was confirmed before a subscription was asked for doesn't
// come to it; what is published while it is being made may, but from then on
// without a hole; and nothing comes once its removal is confirmed, but for what a stream
// had on its way, or its client in hand: when that was leased isn't known.
func (c *checker) checkLifetimes(straggle Time) {
	type line struct {
		reader    Reader
		partition uint32
	}
	begins := make(map[line]uint64) // the first offset that came
	came := make(map[Dead]struct{}, len(c.Deliveries))
	c.pairs(func(p *pair) {
		came[Dead{p.Reader, p.Place}] = struct{}{}
		own := line{p.Reader, p.Place.Partition}
		if _, ok := begins[own]; !ok {
			begins[own] = p.Place.Offset // pairs come by place
		}
		info := c.life(p.Reader)
		if number, ok := c.publishOf[p.Leases[0].Message]; ok && c.Publishes[number].Outcome == OK && c.Publishes[number].Returned < info.Asked {
			c.verdict.addf(Lifetime, "%s was stored before %s was asked for, and came to it", p.Place, info.Name)
		}
		for i := range p.Leases {
			l := &p.Leases[i]
			if removed := info.Removed; l.Asked > removed && (l.Batch != 0 || l.Got-straggle > removed) {
				c.verdict.addf(Lifetime, "%s came to %s at %v, after its removal was confirmed at %v", p.Place, info.Name, l.Got, removed)
			}
		}
	})
	if !c.Drained {
		return // what hasn't come may yet
	}
	for _, d := range c.Dead {
		came[d] = struct{}{}
	}
	for _, p := range c.confirmed() {
		for r := range Reader(len(c.Readers)) {
			info := c.life(r)
			begin, some := begins[line{r, p.Place.Partition}]
			meanwhile := p.Matches.Has(r) && p.Invoked <= info.Made && info.Removing == Never
			if _, ok := came[Dead{r, p.Place}]; meanwhile && some && p.Place.Offset > begin && !ok {
				c.verdict.addf(Lifetime, "%s did not come to %s, to which %d/%d, before it, did", p.Place, info.Name, p.Place.Partition, begin)
			}
		}
	}
}
