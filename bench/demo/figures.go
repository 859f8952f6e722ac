package demo

// Figures is what a ledger comes to. A pair is an event that is confirmed as
// stored and a reader that should get it.
type Figures struct {
	// Published is how many events are confirmed as stored.
	Published int
	// Counts are the sums over all readers.
	Counts
	// Readers has the counts of each reader.
	Readers []Counts
	// Contradictions are answers of the broker that can't both be true: two
	// events at one place, or a dead letter whose ack was confirmed.
	Contradictions int
	// Early is how many of Unexpected are of events that no publish is confirmed of.
	// While events are published some consumers are quicker than the publisher hears
	// of its own; when the run is over there may be none.
	Early int
}

// Counts are one reader's, or the sums over all.
type Counts struct {
	// Matched is how many pairs there are.
	Matched int
	// Delivered is how many of them arrived at least once, with the right bytes.
	Delivered int
	// Acked is how many had their ack confirmed.
	Acked int
	// Rejected is how many arrived and were rejected by their reader, confirmed,
	// or stand among its dead letters. They count as delivered.
	Rejected int
	// Redelivered is arrivals of pairs beyond the first.
	Redelivered int
	// DeadLettered is how many are dead letters and never arrived: what arrived
	// is delivered, whatever became of it, so no pair counts twice.
	DeadLettered int
	// Unexpected is arrivals that should not be: of an event that the reader
	// does not want, that nobody published, with other bytes than were
	// published, or that the reader had rejected, confirmed.
	Unexpected int
	// AfterAck is arrivals that began after the reader had been told that the
	// ack is stored.
	AfterAck int
	// Open is pairs that nothing final has happened to: neither acked, nor
	// rejected, nor dead.
	Open int
}

// Lost is pairs that neither arrived nor are dead letters. While a run is under
// way it is what is still to come.
func (c Counts) Lost() int { return c.Matched - c.Delivered - c.DeadLettered }

// InFlight is pairs that arrived and that nothing final has happened to.
func (c Counts) InFlight() int { return max(0, c.Open-c.Lost()) }

func (c *Counts) add(other Counts) {
	c.Matched += other.Matched
	c.Delivered += other.Delivered
	c.Acked += other.Acked
	c.Rejected += other.Rejected
	c.Redelivered += other.Redelivered
	c.DeadLettered += other.DeadLettered
	c.Unexpected += other.Unexpected
	c.AfterAck += other.AfterAck
	c.Open += other.Open
}

// Figures counts everything anew from what was told: there are no running sums
// that could drift. It takes some 20 ns a pair.
func (l *Ledger) Figures() Figures {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := Figures{Readers: make([]Counts, l.readers), Contradictions: len(l.mu.clashes)}
	for i := range l.mu.events {
		if l.mu.events[i].place == nil {
			continue
		}
		f.Published++
		l.countPairsLocked(i, &f)
		if p := l.mu.events[i].place; p.event == i {
			l.countArrivalsLocked(p, &f)
		}
	}
	for _, p := range l.mu.strays {
		l.countArrivalsLocked(p, &f)
	}
	for _, c := range f.Readers {
		f.add(c)
	}
	return f
}

// countPairsLocked counts an event's pairs.
func (l *Ledger) countPairsLocked(event int, f *Figures) {
	e := &l.mu.events[event]
	for r := range Reader(l.readers) {
		if !e.wanted.Has(r) {
			continue
		}
		c := &f.Readers[r]
		c.Matched++
		if e.place.event != event { // a clash: the place is another event's
			c.Open++
			continue
		}
		arrived := e.place.times(r, e.digest) > 0
		acked, dead := e.place.acked.Has(r), e.place.dead.Has(r)
		rejected := arrived && (dead || e.place.rejected.Has(r))
		if arrived {
			c.Delivered++
		} else if dead {
			c.DeadLettered++
		}
		if acked {
			c.Acked++
		}
		if rejected {
			c.Rejected++
		}
		if acked && dead {
			f.Contradictions++
		}
		if !acked && !rejected && !dead {
			c.Open++
		}
	}
}

// countArrivalsLocked counts what arrived from a place beyond each pair's first
// time, or should not have.
func (l *Ledger) countArrivalsLocked(p *place, f *Figures) {
	for i := range p.arrivals {
		a := &p.arrivals[i]
		c := &f.Readers[a.reader]
		switch {
		case l.expectedLocked(p, a):
			c.Redelivered += a.times - 1
			c.AfterAck += a.late
			c.Unexpected += a.buried
		case p.event < 0 && l.mu.unknown[a.digest]: // it may be stored after all
		default:
			c.Unexpected += a.times
			if p.event < 0 {
				f.Early += a.times
			}
		}
	}
}

// expectedLocked reports whether an arrival is of a pair, with the right bytes.
func (l *Ledger) expectedLocked(p *place, a *arrival) bool {
	if p.event < 0 {
		return false
	}
	e := &l.mu.events[p.event]
	return e.wanted.Has(a.reader) && e.digest == a.digest
}

// times is how often these bytes reached the reader.
func (p *place) times(r Reader, digest Digest) int {
	for i := range p.arrivals {
		if a := &p.arrivals[i]; a.reader == r && a.digest == digest {
			return a.times
		}
	}
	return 0
}
