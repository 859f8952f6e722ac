package history

import "slices"

// checkKeys is I10: an event of an ordered queue comes for the first time only when
// those of its key that lie before it have been decided, or are in the same hands, or
// are dead letters. One that never came at all is checkLost's.
func (c *checker) checkKeys() {
	dead := make(map[Dead]struct{}, len(c.Dead))
	for _, d := range c.Dead {
		dead[d] = struct{}{}
	}
	type line struct {
		reader         Reader
		partition, key uint32
	}
	type hand struct {
		consumer, batch uint32
	}
	// Of those before: the one that was decided last.
	type open struct {
		place Place
		until Time
		hands []hand // that it has been in, with others of a batch
	}
	before := make(map[line]open)
	c.pairs(func(p *pair) {
		key := c.orderedKey(p)
		if key == 0 {
			return
		}
		first, own := &p.Leases[0], line{p.Reader, p.Place.Partition, key}
		last, some := before[own]
		together := first.Batch != 0 && slices.Contains(last.hands, hand{first.Consumer, first.Batch})
		if some && first.Got < last.until && !together {
			c.verdict.addf(Order, "%s of %s came at %v, and %s, which lies before it under key %d, was decided at %v",
				p.Place, c.Readers[p.Reader].Name, first.Got, last.place, own.key, last.until)
		}
		if _, died := dead[Dead{p.Reader, p.Place}]; died {
			return // when it died isn't known
		}
		if until := p.offered(); !some || until > last.until {
			now := open{place: p.Place, until: until}
			for i := range p.Leases {
				if l := &p.Leases[i]; l.Batch != 0 {
					now.hands = append(now.hands, hand{l.Consumer, l.Batch})
				}
			}
			before[own] = now
		}
	})
}
