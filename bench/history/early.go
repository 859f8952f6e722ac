package history

import "slices"

// checkEarly is I6: while a consumer holds an event under a lease that it believes in,
// nobody else gets it. A client never believes in a lease for longer than the node
// does (its invariant), so two who hold an event at once prove that the node gave it
// away too early. Of an ordered reader, who gives an event back, or whose lease of it
// runs out, gives back those of its key that lie behind it and that he holds as well.
func (c *checker) checkEarly(clockError Time) {
	type hands struct {
		reader         Reader
		partition, key uint32
		consumer       uint32
	}
	lapsed := make(map[hands][]Time) // when they gave back something, place by place
	c.pairs(func(p *pair) {
		key := c.orderedKey(p)
		for i := range p.Leases {
			l := &p.Leases[i]
			l.until = l.believed()
			if key == 0 {
				continue
			}
			for _, at := range lapsed[hands{p.Reader, p.Place.Partition, key, l.Consumer}] {
				if at >= l.Got {
					l.until = min(l.until, at)
				}
			}
		}
		// In the order in which they came, whoever holds it longest so far.
		longest := -1
		for i := range p.Leases {
			l := &p.Leases[i]
			if longest >= 0 {
				before := &p.Leases[longest]
				if until := before.until; l.Got < until-clockError && l.Epoch != before.Epoch {
					c.verdict.addf(EarlyLease, "%s of %s came to consumer %d at %v under lease %d, while consumer %d held it from %v to %v under lease %d",
						p.Place, c.Readers[p.Reader].Name, l.Consumer, l.Got, l.Epoch, before.Consumer, before.Got, until, before.Epoch)
				}
			}
			if longest < 0 || l.until > p.Leases[longest].until {
				longest = i
			}
		}
		for i := range p.Leases {
			l := &p.Leases[i]
			if key == 0 || l.settled() {
				continue
			}
			own := hands{p.Reader, p.Place.Partition, key, l.Consumer}
			if !l.inDoubt() {
				lapsed[own] = append(lapsed[own], l.until)
			}
			if i+1 < len(p.Leases) { // it was over by then, whatever became of an ack in doubt
				lapsed[own] = append(lapsed[own], p.Leases[i+1].Got)
			}
		}
	})
}

// orderedKey returns the key of an event that a reader gets in order; 0: there is none.
func (c *checker) orderedKey(p *pair) uint32 {
	number, ok := c.publishOf[p.Leases[0].Message]
	if !ok || !c.Readers[p.Reader].Ordered {
		return 0
	}
	return c.Publishes[number].Key
}

// settled reports whether the lease ended in an ack or a rejection that was confirmed.
func (l *lease) settled() bool {
	return slices.ContainsFunc(l.Decisions, func(d *Decision) bool { return d.Verb != Release && d.Outcome == OK })
}

// inDoubt reports whether nobody knows if the lease ended in an ack or a rejection: it may
// have, and then nothing behind the event was given back.
func (l *lease) inDoubt() bool {
	return slices.ContainsFunc(l.Decisions, func(d *Decision) bool { return d.Verb != Release && d.Outcome == Unknown })
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
