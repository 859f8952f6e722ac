package history

import (
	"cmp"
	"slices"
)

// checker is a history, sorted for those who check it.
type checker struct {
	*History
	verdict *Verdict
	// publishOf has the number of a message's publish, storedAt that of the publish that
	// was told a place.
	publishOf map[Message]int32
	storedAt  map[Place]int32
	// byPair are the deliveries' numbers: by reader, place and time.
	byPair []int32
	// byDelivery are the decisions' numbers, those of delivery i in
	// byDelivery[decided[i]:decided[i+1]].
	byDelivery, decided []int32
}

// pair is an event and a reader, and all that happened between them.
type pair struct {
	Reader Reader
	Place  Place
	// Leases are the deliveries, in the order in which they came.
	Leases []lease
}

// lease is a delivery with what was decided of it, in that order.
type lease struct {
	*Delivery
	Decisions []*Decision
	// until is when its holder stopped believing in it (checkEarly).
	until Time
}

func newChecker(h *History, v *Verdict) *checker {
	c := &checker{History: h, verdict: v, publishOf: make(map[Message]int32, len(h.Publishes)), storedAt: make(map[Place]int32, len(h.Publishes))}
	for i := range h.Publishes {
		p := &h.Publishes[i]
		c.publishOf[p.Message] = int32(i)
		if p.Outcome == OK {
			c.storedAt[p.Place] = int32(i)
		}
	}
	c.byPair = make([]int32, len(h.Deliveries))
	for i := range c.byPair {
		c.byPair[i] = int32(i)
	}
	slices.SortFunc(c.byPair, func(a, b int32) int {
		x, y := &h.Deliveries[a], &h.Deliveries[b]
		return cmp.Or(cmp.Compare(x.Reader, y.Reader), comparePlaces(x.Place, y.Place), cmp.Compare(x.Got, y.Got), cmp.Compare(a, b))
	})
	// A sort by counting: decisions lie in the order of their numbers.
	c.decided = make([]int32, len(h.Deliveries)+1)
	for i := range h.Decisions {
		c.decided[h.Decisions[i].Delivery+1]++
	}
	for i := range h.Deliveries {
		c.decided[i+1] += c.decided[i]
	}
	c.byDelivery = make([]int32, len(h.Decisions))
	next := slices.Clone(c.decided)
	for i := range h.Decisions {
		of := h.Decisions[i].Delivery
		c.byDelivery[next[of]] = int32(i)
		next[of]++
	}
	return c
}

func comparePlaces(a, b Place) int {
	return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
}

// pairs visits every pair that met, by reader and place. The pair is only good
// until visit returns.
func (c *checker) pairs(visit func(*pair)) {
	var p pair
	for i, number := range c.byPair {
		d := &c.Deliveries[number]
		if i > 0 && (d.Reader != p.Reader || d.Place != p.Place) {
			visit(&p)
			p.Leases = p.Leases[:0]
		}
		p.Reader, p.Place = d.Reader, d.Place
		l := lease{Delivery: d}
		for _, of := range c.byDelivery[c.decided[number]:c.decided[number+1]] {
			l.Decisions = append(l.Decisions, &c.Decisions[of])
		}
		p.Leases = append(p.Leases, l)
	}
	if len(p.Leases) > 0 {
		visit(&p)
	}
}

// settled is the first decision of a pair that was confirmed and is final, or nil.
func (p *pair) settled() (by *lease, decision *Decision) {
	for i := range p.Leases {
		for _, d := range p.Leases[i].Decisions {
			if d.Outcome == OK && d.Verb != Release && (decision == nil || d.Returned < decision.Returned) {
				by, decision = &p.Leases[i], d
			}
		}
	}
	return by, decision
}

// offered is when somebody first said a final word on the event that may have
// counted: from then on nobody may complain that it was settled.
func (p *pair) offered() Time {
	first := Never
	for i := range p.Leases {
		for _, d := range p.Leases[i].Decisions {
			if d.Outcome != Fail && d.Verb != Release {
				first = min(first, d.Invoked)
			}
		}
	}
	return first
}

// life is a reader's time with 0 read as Never, where that is meant.
func (c *checker) life(r Reader) ReaderInfo {
	info := c.Readers[r]
	if info.Removing == 0 {
		info.Removing = Never
	}
	if info.Removed == 0 {
		info.Removed = Never
	}
	return info
}
