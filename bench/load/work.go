package load

import (
	"fmt"
	"time"
)

// Work is what a run measures. It sets defaults; what else is asked for still holds.
type Work uint8

const (
	// WorkQueue is publishing, delivering and acking through one queue a topic.
	WorkQueue Work = iota
	// WorkPublish is publishing alone, to topics without subscriptions.
	WorkPublish
	// WorkFanout is every event to each of 10 fan-outs with a member each.
	WorkFanout
	// WorkRoute is 1,000 patterns, of which an event matches 3, each with a queue.
	WorkRoute
	// WorkLatency is WorkQueue at 2,000 events a second, each sent alone in its own moment.
	WorkLatency
	// WorkFailover is WorkLatency at 20,000 events a second, and a node that is struck meanwhile.
	WorkFailover
)

func (w Work) String() string {
	names := [...]string{"queue", "publish", "fanout", "route", "latency", "failover"}
	if int(w) >= len(names) {
		return fmt.Sprintf("work %d", uint8(w))
	}
	return names[w]
}

// Send is how a producer hands over its events.
type Send uint8

const (
	// SendBatch hands over batches, several at a time.
	SendBatch Send = iota
	// SendEach hands over each event in its moment and doesn't wait for those before; the
	// client gathers them into blocks as it does for a service.
	SendEach
	// SendUnary makes a call of its own for each event, past the client's producer: one
	// block of one event, and the next when it is answered.
	SendUnary
)

func (s Send) String() string {
	names := [...]string{"batch", "each", "unary"}
	if int(s) >= len(names) {
		return fmt.Sprintf("send %d", uint8(s))
	}
	return names[s]
}

// workDefaults are the options in which works differ.
type workDefaults struct {
	partitions, subscriptions, matches, rate int
	duration                                 time.Duration
	send                                     Send
}

const (
	fanoutSubscriptions = 10
	routeSubscriptions  = 1_000
	routeMatches        = 3
	latencyRate         = 2_000
	failoverRate        = 20_000
	failoverPartitions  = 8 // so that a node leads several, and others don't
	failoverDuration    = 15 * time.Second
)

func (w Work) defaults() workDefaults {
	d := workDefaults{partitions: partitionsDefault, subscriptions: 1, duration: durationDefault}
	switch w {
	case WorkQueue:
	case WorkPublish:
		d.subscriptions = 0
	case WorkFanout:
		d.subscriptions = fanoutSubscriptions
	case WorkRoute:
		d.subscriptions, d.matches = routeSubscriptions, routeMatches
	case WorkLatency:
		d.rate, d.send = latencyRate, SendEach
	case WorkFailover:
		d.partitions, d.rate, d.send, d.duration = failoverPartitions, failoverRate, SendEach, failoverDuration
	}
	return d
}
