package partition

import (
	"encoding/binary"

	"github.com/freshet-mq/freshet/proto/block"
)

// blockSection is a block of events and what the leader's matcher found in it.
//
//	stream, set version: uvarint | match index: length and bytes | checked: uvarint
//	repeats: count, then for each the position from the one before, and the first's offset | block: the rest
type blockSection struct {
	Stream StreamID
	// SetVersion is the subscription set that the match index is of. Against another version nothing is done.
	SetVersion uint64
	// Matches is the match index (matchindex.go).
	Matches []byte
	// Repeats are the events whose dedup ids the leader knows from before, by ascending position, and Checked is through which entry it had
	// looked (dedup.go).
	Checked Index
	Repeats []Repeat
	// Block is as the client sent it (proto/block).
	Block []byte
}

func (blockSection) sectionType() SectionType { return sectionBlock }

func (s blockSection) appendBody(b []byte) []byte { return append(s.appendHead(b), s.Block...) }

// appendHead writes the body but for the block, which is its end.
func (s blockSection) appendHead(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.Stream))
	b = binary.AppendUvarint(b, s.SetVersion)
	b = appendString(b, s.Matches)
	b = binary.AppendUvarint(b, uint64(s.Checked))
	b = binary.AppendUvarint(b, uint64(len(s.Repeats)))
	last := uint32(0)
	for _, r := range s.Repeats {
		b = binary.AppendUvarint(b, uint64(r.Event-last))
		b = binary.AppendUvarint(b, uint64(r.First))
		last = r.Event
	}
	return b
}

func decodeBlock(body []byte) (s blockSection, err error) {
	d := decoder{b: body}
	s.Stream = StreamID(d.uvarint("stream"))
	s.SetVersion = d.uvarint("set version")
	s.Matches = d.bytes("match index")
	s.Checked = Index(d.uvarint("checked"))
	last := uint64(0)
	for i := range d.bounded("repeats", block.EventsMax) {
		step := d.bounded("repeat", block.EventsMax)
		if i > 0 && step == 0 {
			d.fail("a repeat twice")
			break
		}
		last += step
		s.Repeats = append(s.Repeats, Repeat{Event: uint32(last), First: Offset(d.uvarint("first offset"))})
	}
	s.Block, d.b = d.b, nil
	return s, d.err
}
