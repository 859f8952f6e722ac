package partition

import (
	"encoding/binary"
)

// removeSection removes a stream, a subscription, or a fan-out's member.
//
//	stream, subscription: uvarint | member: length and bytes
type removeSection struct {
	Stream StreamID
	// Subscription 0: the whole stream.
	Subscription SubscriptionID
	// Member empty: the whole subscription. It raises the stream's set version by one then, whether it changes anything or not, as a
	// subscription section does.
	Member string
}

func (removeSection) sectionType() SectionType { return sectionRemove }

func (s removeSection) appendBody(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.Stream))
	b = binary.AppendUvarint(b, uint64(s.Subscription))
	return appendString(b, s.Member)
}

func decodeRemove(body []byte) (s removeSection, err error) {
	d := decoder{b: body}
	s.Stream = StreamID(d.uvarint("stream"))
	s.Subscription = SubscriptionID(d.uvarint("subscription"))
	s.Member = d.string("member")
	return s, d.done("remove")
}
