package lan

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Link is one direction between two hosts. Safe for concurrent use.
type Link struct {
	shape atomic.Pointer[Shape]
	// What has become of packets so far.
	passed, delayed, lost atomic.Uint64
}

// Shape is how a link is. The zero value is a good one.
type Shape struct {
	// Cut: nothing arrives (L2).
	Cut bool
	// Loss is how many of a thousand packets are lost.
	Loss int
	// Delay is how long each packet takes, and Jitter by how much that varies: later
	// packets may arrive first then.
	Delay, Jitter time.Duration
}

// Set gives the link a shape.
func (l *Link) Set(s Shape) { l.shape.Store(&s) }

// Counts are how many packets have passed, of those how many were delayed, and how many
// were lost.
func (l *Link) Counts() (passed, delayed, lost uint64) {
	return l.passed.Load(), l.delayed.Load(), l.lost.Load()
}

// fate draws what becomes of a packet.
func (l *Link) fate() (after time.Duration, arrives bool) {
	s := l.shape.Load()
	if s.Cut || s.Loss > 0 && rand.IntN(1000) < s.Loss { //nolint:gosec // chance that keeps no secret
		l.lost.Add(1)
		return 0, false
	}
	l.passed.Add(1)
	after = s.Delay
	if s.Jitter > 0 {
		after += rand.N(s.Jitter) //nolint:gosec // the same
	}
	if after > 0 {
		l.delayed.Add(1)
	}
	return after, true
}
