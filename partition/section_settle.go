package partition

import (
	"encoding/binary"
	"fmt"
)

// Verb is what a consumer says about an event that it holds.
type Verb uint8

const (
	// VerbAck settles it: it is never delivered again (P5).
	VerbAck Verb = 1
	// VerbExtend moves its deadline.
	VerbExtend Verb = 2
	// VerbRelease gives it back, now or after a delay.
	VerbRelease Verb = 3
	// VerbReject makes it a dead letter.
	VerbReject Verb = 4
)

func (v Verb) String() string {
	switch v {
	case VerbAck:
		return "ack"
	case VerbExtend:
		return "extend"
	case VerbRelease:
		return "release"
	case VerbReject:
		return "reject"
	}
	return fmt.Sprintf("verb(%d)", uint8(v))
}

// Leased names events that a session holds: a delivery, and runs of it.
type Leased struct {
	Delivery uint64
	// Runs of its events; none means all that are left.
	Runs []Run
	// ByPosition: the runs are of positions in the delivery, from 0 in the order in which it lists its events, instead of offsets. Events that are
	// acked together are then mostly one run, however far apart they lie in the log. What is lost is told as it was named.
	ByPosition bool
}

// Decision is a verb and what it is said of.
type Decision struct {
	Verb Verb
	// Leased events; none means, for an extend, all that the session holds.
	Leased []Leased
	// After is an extend's new time left (0: the session's visibility), or a release's delay.
	After Tick
	// Unstarted: a release that doesn't count as an attempt.
	Unstarted bool
	// Reason of a release or reject, for people.
	Reason string
}

// settleSection is what a session says about events that it holds. Sequences within a session make it safe to send again: a repeated one
// is answered from memory.
type settleSection struct {
	Session   SessionID
	Sequence  uint64
	Received  uint64
	Decisions []Decision
}

func (settleSection) sectionType() SectionType { return sectionSettle }

func (s settleSection) appendBody(b []byte) []byte {
	b = append(b, s.Session[:]...)
	b = binary.AppendUvarint(b, s.Sequence)
	b = binary.AppendUvarint(b, s.Received)
	b = binary.AppendUvarint(b, uint64(len(s.Decisions)))
	for _, dec := range s.Decisions {
		b = dec.append(b)
	}
	return b
}

func decodeSettle(body []byte) (s settleSection, err error) {
	d := decoder{b: body}
	s.Session = d.session()
	s.Sequence = d.uvarint("sequence")
	s.Received = d.uvarint("received")
	n := d.count("decisions")
	s.Decisions = make([]Decision, 0, n)
	for range n {
		s.Decisions = append(s.Decisions, d.decision())
	}
	return s, d.done("settle")
}

func (dec Decision) append(b []byte) []byte {
	b = append(b, byte(dec.Verb))
	b = binary.AppendUvarint(b, uint64(dec.After))
	b = appendBool(b, dec.Unstarted)
	b = appendString(b, dec.Reason)
	return appendLeasedList(b, dec.Leased)
}

func (d *decoder) decision() (dec Decision) {
	dec.Verb = Verb(d.byte("verb"))
	dec.After = Tick(d.bounded("after", uint64(leaseTicksMax)))
	dec.Unstarted = d.bool("unstarted")
	dec.Reason = d.string("reason")
	dec.Leased = d.leasedList()
	return dec
}

// appendLeasedList writes leased events: of each delivery its number, how many runs of it are named, twice that, and 1 more for runs of positions, and
// the runs.
func appendLeasedList(b []byte, list []Leased) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, l := range list {
		b = binary.AppendUvarint(b, l.Delivery)
		n := 2 * uint64(len(l.Runs))
		if l.ByPosition && n > 0 {
			n++
		}
		b = binary.AppendUvarint(b, n)
		for _, r := range l.Runs {
			b = appendRun(b, r)
		}
	}
	return b
}

func (d *decoder) leasedList() []Leased {
	n := d.count("leased")
	if n == 0 {
		return nil
	}
	list := make([]Leased, 0, n)
	for range n {
		l := Leased{Delivery: d.uvarint("delivery")}
		v := d.uvarint("runs")
		runs := v / 2
		switch l.ByPosition = v&1 != 0; {
		case runs > uint64(len(d.b)/2): // a run is of two bytes at least
			d.fail("more runs than bytes")
			return nil
		case runs > 0:
			l.Runs = make([]Run, 0, runs)
		case l.ByPosition:
			d.fail("positions of nothing")
			return nil
		}
		for range runs {
			l.Runs = append(l.Runs, d.run())
		}
		list = append(list, l)
	}
	return list
}

// takeSection leases events once, without a session.
type takeSection struct {
	Cursor     CursorID
	Events     uint32
	Bytes      uint64
	Visibility Tick
}

func (takeSection) sectionType() SectionType { return sectionTake }

func (s takeSection) appendBody(b []byte) []byte {
	b = appendCursor(b, s.Cursor)
	b = binary.AppendUvarint(b, uint64(s.Events))
	b = binary.AppendUvarint(b, s.Bytes)
	return binary.AppendUvarint(b, uint64(s.Visibility))
}

func decodeTake(body []byte) (s takeSection, err error) {
	d := decoder{b: body}
	s.Cursor = d.cursor()
	s.Events = uint32(d.bounded("events", ReceiptsMax))
	s.Bytes = d.bounded("bytes", CreditBytesMax)
	s.Visibility = Tick(d.bounded("visibility", uint64(leaseTicksMax)))
	return s, d.done("take")
}

// Receipt is what a taken event is settled by: a stale one names an epoch that is over (P6).
type Receipt struct {
	Cursor CursorID
	Offset Offset
	Epoch  Epoch
}

// returnSection settles taken events by their receipts.
type returnSection struct {
	// Decision without its Leased.
	Decision Decision
	Receipts []Receipt
}

func (returnSection) sectionType() SectionType { return sectionReturn }

func (s returnSection) appendBody(b []byte) []byte {
	b = s.Decision.append(b)
	b = binary.AppendUvarint(b, uint64(len(s.Receipts)))
	for _, r := range s.Receipts {
		b = appendCursor(b, r.Cursor)
		b = binary.AppendUvarint(b, uint64(r.Offset))
		b = binary.AppendUvarint(b, uint64(r.Epoch))
	}
	return b
}

func decodeReturn(body []byte) (s returnSection, err error) {
	d := decoder{b: body}
	s.Decision = d.decision()
	for range d.bounded("receipts", ReceiptsMax) {
		s.Receipts = append(s.Receipts, Receipt{
			Cursor: d.cursor(),
			Offset: Offset(d.uvarint("offset")),
			Epoch:  Epoch(d.uvarint("epoch")),
		})
	}
	return s, d.done("return")
}
