package demo

import (
	"cmp"
	"slices"
)

// Fault says what is wrong with a finding.
type Fault uint8

// The faults, the worst first.
const (
	// FaultLost is a pair that neither arrived nor is a dead letter.
	FaultLost Fault = iota + 1
	// FaultAfterAck is an arrival after the ack was confirmed.
	FaultAfterAck
	// FaultUnwanted is an arrival at a reader that does not want the event.
	FaultUnwanted
	// FaultBytes is an arrival with other bytes than were published.
	FaultBytes
	// FaultUnpublished is an arrival of an event that nobody is known to have
	// published.
	FaultUnpublished
	// FaultBuried is an arrival after the rejection was confirmed.
	FaultBuried
	// FaultClash is an event that is said to be where another one is.
	FaultClash
	// FaultAckedDead is a dead letter whose ack was confirmed.
	FaultAckedDead
	// FaultOpen is a pair that arrived and was never settled.
	FaultOpen
)

func (f Fault) String() string {
	names := [...]string{
		"", "never arrived", "arrived again although its ack was confirmed", "arrived where it does not match",
		"arrived with other bytes than were published", "arrived and was never published",
		"arrived again although its rejection was confirmed", "is said to be where another event is",
		"is a dead letter although its ack was confirmed", "arrived and was never settled",
	}
	if int(f) >= len(names) {
		return "has an unknown fault"
	}
	return names[f]
}

// Finding is one thing that should not be.
type Finding struct {
	Fault Fault
	// Event is the event's position in the run; -1 where nobody knows.
	Event int
	Place Place
	// Reader is -1 where the fault is nobody's in particular.
	Reader Reader
}

// Findings lists at most limit things that should not be, the worst first, then by
// event. Ask when the run is over: before that, what is under way looks lost.
func (l *Ledger) Findings(limit int) []Finding {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []Finding
	for _, event := range l.mu.clashes {
		found = append(found, Finding{Fault: FaultClash, Event: event, Place: l.mu.events[event].place.at, Reader: -1})
	}
	for i := range l.mu.events {
		if l.mu.events[i].place != nil {
			found = append(found, l.pairFaultsLocked(i)...)
		}
	}
	for _, p := range l.mu.places {
		for i := range p.arrivals {
			found = append(found, l.arrivalFaultsLocked(p, &p.arrivals[i])...)
		}
	}
	slices.SortFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Fault, b.Fault), cmp.Compare(a.Event, b.Event), cmp.Compare(a.Place.Partition, b.Place.Partition),
			cmp.Compare(a.Place.Offset, b.Place.Offset), cmp.Compare(a.Reader, b.Reader))
	})
	return found[:min(limit, len(found))]
}

func (l *Ledger) pairFaultsLocked(event int) []Finding {
	var found []Finding
	e := &l.mu.events[event]
	for r := range Reader(l.readers) {
		if !e.wanted.Has(r) {
			continue
		}
		ours := e.place.event == event
		arrived := ours && e.place.times(r, e.digest) > 0
		acked, dead := ours && e.place.acked.Has(r), ours && e.place.dead.Has(r)
		one := Finding{Event: event, Place: e.place.at, Reader: r}
		switch {
		case acked && dead:
			one.Fault = FaultAckedDead
		case !arrived && !dead:
			one.Fault = FaultLost
		case !acked && !dead && !e.place.rejected.Has(r):
			one.Fault = FaultOpen
		default:
			continue
		}
		found = append(found, one)
	}
	return found
}

func (l *Ledger) arrivalFaultsLocked(p *place, a *arrival) []Finding {
	var found []Finding
	one := Finding{Event: p.event, Place: p.at, Reader: a.reader}
	note := func(fault Fault) {
		one.Fault = fault
		found = append(found, one)
	}
	switch {
	case l.expectedLocked(p, a):
		if a.late > 0 {
			note(FaultAfterAck)
		}
		if a.buried > 0 {
			note(FaultBuried)
		}
	case p.event >= 0 && !l.mu.events[p.event].wanted.Has(a.reader):
		note(FaultUnwanted)
	case p.event >= 0:
		note(FaultBytes)
	case !l.mu.unknown[a.digest]:
		note(FaultUnpublished)
	}
	return found
}
