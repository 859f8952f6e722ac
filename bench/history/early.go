package history

// checkEarly is I6: while a consumer holds an event under a lease that it believes in,
// nobody else gets it. A client never believes in a lease for longer than the node
// does (its invariant), so two who hold an event at once prove that the node gave it
// away too early.
func (c *checker) checkEarly(clockError Time) {
	c.pairs(func(p *pair) {
		// In the order in which they came, whoever holds it longest so far.
		longest := -1
		for i := range p.Leases {
			l := &p.Leases[i]
			if longest >= 0 {
				before := &p.Leases[longest]
				if until := before.believed(); l.Got < until-clockError && l.Epoch != before.Epoch {
					c.verdict.addf(EarlyLease, "%s of %s came to consumer %d at %v under lease %d, while consumer %d held it from %v to %v under lease %d",
						p.Place, c.Readers[p.Reader].Name, l.Consumer, l.Got, l.Epoch, before.Consumer, before.Got, until, before.Epoch)
				}
			}
			if longest < 0 || l.believed() > p.Leases[longest].believed() {
				longest = i
			}
		}
	})
}

// believed is until when the consumer held the event: to the end of its lease, or to
// its first word on it.
func (l *lease) believed() Time {
	until := l.Held
	for _, d := range l.Decisions {
		until = min(until, d.Invoked)
	}
	return until
}
