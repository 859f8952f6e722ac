package partition

import (
	"encoding/binary"
)

// attachSection opens a session, or takes one up again on another connection.
type attachSection struct {
	Session    SessionID
	Connection ConnectionID
	Cursor     CursorID
	// Received is the highest delivery number that the consumer has: what was sent above it never arrived.
	Received      uint64
	CreditEvents  uint32
	CreditBytes   uint64
	VisibilityOwn Tick
	// Stamp is the consumer's own clock when it asked, or 0.
	Stamp uint64
	// Answered is the Stamp of its last attach of this session that was answered, or 0.
	Answered uint64
}

func (attachSection) sectionType() SectionType { return sectionAttach }

func (s attachSection) appendBody(b []byte) []byte {
	b = append(b, s.Session[:]...)
	b = binary.AppendUvarint(b, uint64(s.Connection))
	b = appendCursor(b, s.Cursor)
	b = binary.AppendUvarint(b, s.Received)
	b = binary.AppendUvarint(b, uint64(s.CreditEvents))
	b = binary.AppendUvarint(b, s.CreditBytes)
	b = binary.AppendUvarint(b, uint64(s.VisibilityOwn))
	b = binary.AppendUvarint(b, s.Stamp)
	return binary.AppendUvarint(b, s.Answered)
}

func decodeAttach(body []byte) (s attachSection, err error) {
	d := decoder{b: body}
	s.Session = d.session()
	s.Connection = ConnectionID(d.uvarint("connection"))
	s.Cursor = d.cursor()
	s.Received = d.uvarint("received")
	s.CreditEvents = uint32(d.bounded("credit events", CreditEventsMax))
	s.CreditBytes = d.bounded("credit bytes", CreditBytesMax)
	s.VisibilityOwn = Tick(d.bounded("visibility", uint64(leaseTicksMax)))
	s.Stamp = d.uvarint("stamp")
	s.Answered = d.uvarint("answered")
	return s, d.done("attach")
}

// detachSection says that a session's connection broke. Its leases run on; it gets nothing until it attaches again. With Away
// the consumer has stayed away for too long, and the session is forgotten.
type detachSection struct {
	Session    SessionID
	Connection ConnectionID
	Away       bool
}

func (detachSection) sectionType() SectionType { return sectionDetach }

func (s detachSection) appendBody(b []byte) []byte {
	b = append(b, s.Session[:]...)
	b = binary.AppendUvarint(b, uint64(s.Connection))
	return appendBool(b, s.Away)
}

func decodeDetach(body []byte) (s detachSection, err error) {
	d := decoder{b: body}
	s.Session = d.session()
	s.Connection = ConnectionID(d.uvarint("connection"))
	s.Away = d.bool("away")
	return s, d.done("detach")
}

// creditSection changes how much a session may hold. Like news of an old connection's end, an old connection's credit is none of its successor's.
type creditSection struct {
	Session    SessionID
	Connection ConnectionID
	Events     uint32
	Bytes      uint64
}

func (creditSection) sectionType() SectionType { return sectionCredit }

func (s creditSection) appendBody(b []byte) []byte {
	b = append(b, s.Session[:]...)
	b = binary.AppendUvarint(b, uint64(s.Connection))
	b = binary.AppendUvarint(b, uint64(s.Events))
	return binary.AppendUvarint(b, s.Bytes)
}

func decodeCredit(body []byte) (s creditSection, err error) {
	d := decoder{b: body}
	s.Session = d.session()
	s.Connection = ConnectionID(d.uvarint("connection"))
	s.Events = uint32(d.bounded("credit events", CreditEventsMax))
	s.Bytes = d.bounded("credit bytes", CreditBytesMax)
	return s, d.done("credit")
}

// closeSection ends a session for good: what it holds is given back.
type closeSection struct {
	Session  SessionID
	Received uint64
	// Unstarted was never worked on: given back uncounted. The rest counts as an attempt.
	Unstarted []Leased
}

func (closeSection) sectionType() SectionType { return sectionClose }

func (s closeSection) appendBody(b []byte) []byte {
	b = append(b, s.Session[:]...)
	b = binary.AppendUvarint(b, s.Received)
	return appendLeasedList(b, s.Unstarted)
}

func decodeClose(body []byte) (s closeSection, err error) {
	d := decoder{b: body}
	s.Session = d.session()
	s.Received = d.uvarint("received")
	s.Unstarted = d.leasedList()
	return s, d.done("close")
}
