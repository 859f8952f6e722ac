package partition

import (
	"time"
)

// stamp is a consumer's reading of its clock, and when it came.
type stamp struct {
	at time.Time
	ns uint64
}

// stampsMax bounds how many stamps are kept. Beyond it the newest but one goes, so that an older one, with which a lease looks
// shorter, is taken in its place.
const stampsMax = 64

// Stamp notes a reading of the consumer's clock. It must be called before what came with it is handed on.
func (a *Attachment) Stamp(ns uint64) {
	if ns == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(a.mu.stamps); n >= stampsMax {
		a.mu.stamps = a.mu.stamps[:n-1]
	}
	a.mu.stamps = append(a.mu.stamps, stamp{a.p.now(), ns})
}

// stampBefore returns the latest stamp that was known at a time, and forgets those before it.
func (a *Attachment) stampBefore(read time.Time) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.mu.stamps
	for len(s) > 1 && !s[1].at.After(read) {
		s = s[1:]
	}
	a.mu.stamps = s
	if len(s) == 0 {
		return 0
	}
	return s[0].ns
}
