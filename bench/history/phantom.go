package history

// checkPhantoms is I2 and I5: what arrives was published, with these bytes, before, was
// not refused, and matches.
func (c *checker) checkPhantoms() {
	for i := range c.Deliveries {
		d := &c.Deliveries[i]
		number, ok := c.publishOf[d.Message]
		name := c.Readers[d.Reader].Name
		if !ok {
			c.verdict.addf(Phantom, "what came to %s from %s was never published: it says that it is event %d", name, d.Place, d.Message)
			continue
		}
		p := &c.Publishes[number]
		switch {
		case p.Digest != d.Digest:
			c.verdict.addf(Phantom, "event %d came to %s with other bytes: digest %016x, published with %016x", d.Message, name, d.Digest, p.Digest)
		case p.Outcome == Fail:
			c.verdict.addf(Phantom, "event %d came to %s although its publish was refused", d.Message, name)
		case p.Invoked > d.Got:
			c.verdict.addf(Phantom, "event %d came to %s at %v, before it was sent at %v", d.Message, name, d.Got, p.Invoked)
		case !p.Matches.Has(d.Reader):
			c.verdict.addf(NonMatching, "event %d came to %s, which it doesn't match", d.Message, name)
		}
	}
}
