package client

import "time"

const (
	// paceMeasured is the time over which a producer's pace is taken, at least.
	paceMeasured = 20 * time.Millisecond
	// lingerEvents is how many events have to be expected while one lingers for it to be worth it. Fewer cost the partition about as much in a
	// block each: it puts what comes at once into one entry of its log, whoever publishes it.
	lingerEvents = 8
)

// pace is how fast events come to a producer. Producer.mu guards it.
type pace struct {
	// number is the last event that had come at a time, and gap the time between two events before it, on average. 0: not known yet.
	number uint64
	at     time.Time
	gap    time.Duration
}

// worthLingering says that enough events are expected in the time of a linger, now that the events up to a number have come. A producer whose pace isn't
// known yet is taken for fast.
func (p *pace) worthLingering(number uint64, linger time.Duration, now time.Time) bool {
	if past := now.Sub(p.at); past >= paceMeasured && number > p.number {
		if !p.at.IsZero() {
			p.gap = past / time.Duration(number-p.number)
		}
		p.number, p.at = number, now
	}
	return p.gap*lingerEvents <= linger
}
