package partition

import (
	"encoding/binary"
)

// clockSection is the leader's reading of both clocks. It is the only way in which time passes.
type clockSection struct {
	// Delta is how long ago, by the leader's monotonic clock, the last reading was. A new leader's first is 0.
	Delta Tick
	// Wall is the leader's wall clock. One that lies far from what the partition clock expects is not believed.
	Wall Wall
	// Agreed: a majority of the replicas' wall clocks agree with the leader's, so that it is believed however far it lies off. With one
	// replica its own is the majority.
	Agreed bool
}

func (clockSection) sectionType() SectionType { return sectionClock }

func (s clockSection) appendBody(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.Delta))
	b = binary.AppendUvarint(b, uint64(s.Wall))
	return appendBool(b, s.Agreed)
}

func decodeClock(body []byte) (s clockSection, err error) {
	d := decoder{b: body}
	s.Delta = Tick(d.bounded("clock delta", 1<<62))
	s.Wall = Wall(d.bounded("wall time", 1<<62))
	s.Agreed = d.bool("agreed")
	return s, d.done("clock")
}

// streamSection makes a stream, if it isn't there, or sets its retention.
//
//	stream | sets: u8 | if it sets: age, bytes: uvarint, drop: u8
type streamSection struct {
	Stream StreamID
	// Retention to set; nil leaves it as it is.
	Retention *Retention
}

func (streamSection) sectionType() SectionType { return sectionStream }

func (s streamSection) appendBody(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.Stream))
	b = appendBool(b, s.Retention != nil)
	if s.Retention == nil {
		return b
	}
	return s.Retention.append(b)
}

func (r Retention) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(r.Age))
	b = binary.AppendUvarint(b, r.Bytes)
	return appendBool(b, r.Drop)
}

func (d *decoder) retention() (r Retention) {
	r.Age = Wall(d.bounded("retention age", retentionMax))
	r.Bytes = d.bounded("retention bytes", retentionMax)
	r.Drop = d.bool("retention drops")
	return r
}

func decodeStream(body []byte) (s streamSection, err error) {
	d := decoder{b: body}
	s.Stream = StreamID(d.uvarint("stream"))
	if d.bool("sets") {
		r := d.retention()
		s.Retention = &r
	}
	return s, d.done("stream")
}

// SubscriptionConfig is a subscription as the partition needs it. Names are not among it: they are the catalog's.
type SubscriptionConfig struct {
	ID     SubscriptionID
	Stream StreamID
	Kind   Kind
	// Pattern is the event pattern's text; empty: every event.
	Pattern string
	// Visibility is how long a lease lasts unless the session says otherwise.
	Visibility Tick
	// AttemptsMax is how often an event is tried before it is a dead letter.
	AttemptsMax uint16
	// From says where its cursors begin: a queue's with the subscription, a member's when it is made. Changing it changes those made afterwards.
	From From
	// MemberExpiry is for how long, in milliseconds of wall time, a fan-out's member may be unused before it leaves; 0: for ever.
	MemberExpiry Wall
	// Ordered: a queue gives the events of a key one after the other (order.go). It can't be changed.
	Ordered bool
	// Members of a fan-out that begin with the subscription.
	Members []string
}

// subscriptionSection makes a subscription or changes one. Each such section raises the stream's set version by one, whether it changes
// anything or not, so that the proposer, which counts along, always knows the version that its next block meets.
type subscriptionSection struct{ SubscriptionConfig }

func (subscriptionSection) sectionType() SectionType { return sectionSubscription }

func (s subscriptionSection) appendBody(b []byte) []byte { return s.append(b) }

func (c SubscriptionConfig) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(c.ID))
	b = binary.AppendUvarint(b, uint64(c.Stream))
	b = append(b, byte(c.Kind))
	b = appendString(b, c.Pattern)
	b = binary.AppendUvarint(b, uint64(c.Visibility))
	b = binary.AppendUvarint(b, uint64(c.AttemptsMax))
	b = append(b, byte(c.From))
	b = binary.AppendUvarint(b, uint64(c.MemberExpiry))
	b = appendBool(b, c.Ordered)
	b = binary.AppendUvarint(b, uint64(len(c.Members)))
	for _, m := range c.Members {
		b = appendString(b, m)
	}
	return b
}

func (d *decoder) subscriptionConfig() (c SubscriptionConfig) {
	c.ID = SubscriptionID(d.uvarint("subscription"))
	c.Stream = StreamID(d.uvarint("stream"))
	c.Kind = Kind(d.byte("kind"))
	c.Pattern = d.string("pattern")
	c.Visibility = Tick(d.bounded("visibility", uint64(leaseTicksMax)))
	c.AttemptsMax = uint16(d.bounded("attempts", 1<<16-1))
	if c.From = From(d.byte("from")); c.From > FromEarliest {
		d.fail("from")
	}
	c.MemberExpiry = Wall(d.bounded("member expiry", 1<<60))
	c.Ordered = d.bool("ordered")
	for range d.bounded("members", MembersMax) {
		c.Members = append(c.Members, d.string("member"))
	}
	return c
}

func decodeSubscription(body []byte) (s subscriptionSection, err error) {
	d := decoder{b: body}
	s.SubscriptionConfig = d.subscriptionConfig()
	return s, d.done("subscription")
}
