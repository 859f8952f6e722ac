package history

import "time"

// Options say what a check may take for granted.
type Options struct {
	// ClockError is by how much a lease may seem to end early: 0 where nodes and clients
	// share a machine, otherwise the rates of their clocks times the longest lease.
	ClockError Time
	// Straggle is for how long what a stream had on its way may come to a subscription
	// that has been removed: as long as a lease lasts, since no client hands out what
	// it knows to be over. Default 2 s.
	Straggle Time
	// Lives is how many events' lives porcupine is asked of at most, of those that came
	// more than once or were decided in doubt. Default 2,000.
	Lives int
}

// livesDefault keeps porcupine below a second or two.
const livesDefault = 2_000

const straggleDefault = 2 * time.Second

// Check decides what the history proves to be broken. The invariants, as
// docs/reliability.md counts them, and what decides them:
//
//	I1, I4  lost.go      a confirmed publish arrives everywhere, or is a dead letter
//	I2, I5  phantom.go   nothing arrives that wasn't published so, or doesn't match
//	I3, I19 settled.go   nothing arrives after its ack was confirmed
//	I6      early.go     nothing is leased to two at once
//	I7      settled.go   a lease that is over is no good for an ack
//	I8      settled.go   attempts grow with the leases, up to their limit
//	I9, I11 offset.go    a place has one event, an event one place; in the order of publishing
//	I10     order.go     events of a key one after the other
//	I13     lost.go      nothing is left when all is over
//	I14     lifetime.go  a subscription gets what is published while it is there
//	I15     names.go     names of topics and subscriptions, by porcupine
//	I16     replay.go    readings of the log show the same, without gaps
//	I17     replica.go   the same entries, the same state
//	I18     replica.go   nothing is counted as held when all is settled
//	        lives.go     lives of single events, by porcupine
//
// I12 (a long poll that waits beside an event) needs a bound in time, which only virtual
// time makes a promise; I20 (authorisation) isn't built.
func Check(h *History, o Options) *Verdict {
	if o.Lives == 0 {
		o.Lives = livesDefault
	}
	if o.Straggle == 0 {
		o.Straggle = straggleDefault
	}
	v := &Verdict{Incomplete: h.Full}
	c := newChecker(h, v)
	for _, check := range []func(){
		c.checkLost, c.checkPhantoms, c.checkSettled, func() { c.checkEarly(o.ClockError) },
		c.checkPlaces, c.checkPublishOrder, c.checkKeys, func() { c.checkLifetimes(o.Straggle) }, c.checkNames,
		c.checkReadings, c.checkReplicas, c.checkAccounts, func() { c.checkLives(o.Lives) },
	} {
		check()
	}
	return v
}
