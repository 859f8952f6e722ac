package partition

import (
	"encoding/binary"
)

// redriveSection gives dead letters of a cursor another life.
//
//	cursor | reason: u8 | from, max: uvarint | runs: count, then first and length each
type redriveSection struct {
	Cursor CursorID
	// Reason that they must have; 0: any.
	Reason DeadReason
	// From is the lowest offset.
	From Offset
	// Max is how many at most, 1 to RedriveMax.
	Max uint32
	// Runs, ascending, are the offsets that are meant; none: all from From on.
	Runs []Run
}

func (redriveSection) sectionType() SectionType { return sectionRedrive }

func (s redriveSection) appendBody(b []byte) []byte {
	b = appendCursor(b, s.Cursor)
	b = append(b, byte(s.Reason))
	b = binary.AppendUvarint(b, uint64(s.From))
	b = binary.AppendUvarint(b, uint64(s.Max))
	b = binary.AppendUvarint(b, uint64(len(s.Runs)))
	for _, r := range s.Runs {
		b = appendRun(b, r)
	}
	return b
}

func decodeRedrive(body []byte) (s redriveSection, err error) {
	d := decoder{b: body}
	s.Cursor = d.cursor()
	s.Reason = DeadReason(d.byte("reason"))
	s.From = Offset(d.uvarint("from"))
	s.Max = uint32(d.bounded("max", RedriveMax))
	last := Offset(0)
	for range d.bounded("runs", RedriveMax) {
		r := d.run()
		if r.First < last {
			d.fail("runs that don't ascend")
			break
		}
		last = r.end()
		s.Runs = append(s.Runs, r)
	}
	return s, d.done("redrive")
}
