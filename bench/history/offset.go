package history

import (
	"cmp"
	"slices"
)

// checkPlaces is the half of I9 and I11 that is about identity: whoever tells of a place
// (a receipt, a delivery, a reading of the log) tells of the same event, and an event
// that was published once has one place.
func (c *checker) checkPlaces() {
	events := make(map[Place]Message, len(c.Publishes))
	places := make(map[Message]Place, len(c.Publishes))
	tell := func(at Place, m Message, who string) {
		if m == 0 {
			return // a phantom
		}
		if other, ok := events[at]; ok && other != m {
			c.verdict.addf(Offsets, "%s is the place of event %d, and by %s that of event %d", at, other, who, m)
		}
		if other, ok := places[m]; ok && other != at {
			c.verdict.addf(Twice, "event %d is stored at %s, and by %s at %s", m, other, who, at)
		}
		events[at], places[m] = m, at
	}
	for i := range c.Publishes {
		if p := &c.Publishes[i]; p.Outcome == OK {
			tell(p.Place, p.Message, "a receipt")
		}
	}
	for i := range c.Deliveries {
		tell(c.Deliveries[i].Place, c.Deliveries[i].Message, "a delivery")
	}
	for i := range c.Reads {
		if !c.Reads[i].Truncated {
			tell(c.Reads[i].Place, c.Reads[i].Message, "a reading of the log")
		}
	}
}

// checkPublishOrder is the other half of I9: a publish that was confirmed before another
// was sent lies before it in the partition that they share, and what one producer
// sends under one key lies in the order in which it was sent.
func (c *checker) checkPublishOrder() {
	type line struct {
		partition, producer, key uint32
	}
	sent := make(map[line]*Publish)
	var latest *Publish // of those before, the one that was sent last
	for _, p := range c.confirmed() {
		if latest != nil && latest.Place.Partition != p.Place.Partition {
			latest = nil
		}
		if latest != nil && p.Returned < latest.Invoked {
			c.verdict.addf(Offsets, "event %d at %s was confirmed at %v, before event %d was sent at %v, and lies behind it at %s",
				p.Message, p.Place, p.Returned, latest.Message, latest.Invoked, latest.Place)
		}
		if latest == nil || p.Invoked > latest.Invoked {
			latest = p
		}
		if p.Key == 0 {
			continue
		}
		own := line{p.Place.Partition, p.Producer, p.Key}
		if before := sent[own]; before != nil && before.Invoked > p.Invoked {
			c.verdict.addf(Offsets, "producer %d sent event %d under key %d before event %d, and it lies behind it: %s, %s",
				p.Producer, p.Message, p.Key, before.Message, p.Place, before.Place)
		}
		sent[own] = p
	}
}

// confirmed are the publishes that were told a place, by place.
func (c *checker) confirmed() []*Publish {
	list := make([]*Publish, 0, len(c.storedAt))
	for _, number := range c.storedAt {
		list = append(list, &c.Publishes[number])
	}
	slices.SortFunc(list, func(a, b *Publish) int {
		return cmp.Or(comparePlaces(a.Place, b.Place), cmp.Compare(a.Message, b.Message))
	})
	return list
}
