package partition

import (
	"encoding/binary"
)

// blockSection is a block of events and what the leader's matcher found in it.
//
//	stream, set version: uvarint | match index: length and bytes | block: the rest
type blockSection struct {
	Stream StreamID
	// SetVersion is the subscription set that the match index is of. Against another version nothing is done.
	SetVersion uint64
	// Matches is the match index (matchindex.go).
	Matches []byte
	// Block is as the client sent it (proto/block).
	Block []byte
}

func (blockSection) sectionType() SectionType { return sectionBlock }

func (s blockSection) appendBody(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.Stream))
	b = binary.AppendUvarint(b, s.SetVersion)
	b = appendString(b, s.Matches)
	return append(b, s.Block...)
}

func decodeBlock(body []byte) (s blockSection, err error) {
	d := decoder{b: body}
	s.Stream = StreamID(d.uvarint("stream"))
	s.SetVersion = d.uvarint("set version")
	s.Matches = d.bytes("match index")
	s.Block, d.b = d.b, nil
	return s, d.err
}
