package partition

import (
	"encoding/binary"
	"fmt"
)

// fillSection brings a far cursor what the leader found in the log for it: all matching events from its frontier up to an offset.
//
//	cursor | from, to - from: uvarint | runs: uvarint
//	each run:  distance from the end of the run before (or from), length: uvarint | size classes: length and bytes, one for each event, or one for all
type fillSection struct {
	Cursor CursorID
	// From must be the cursor's frontier, or nothing is done. To is its next.
	From, To Offset
	// Runs of matching events, ascending, at most FillEventsMax events. Classes of their sizes follow each other in Classes: for each
	// run as many as Uniform says.
	Runs []sizedRun
}

// sizedRun is matching events in a row with the classes of their sizes: one for each, or one for all.
type sizedRun struct {
	Run
	Classes []sizeClass
}

func (fillSection) sectionType() SectionType { return sectionFill }

func (s fillSection) appendBody(b []byte) []byte {
	b = appendCursor(b, s.Cursor)
	b = binary.AppendUvarint(b, uint64(s.From))
	b = binary.AppendUvarint(b, uint64(s.To-s.From))
	b = binary.AppendUvarint(b, uint64(len(s.Runs)))
	at := s.From
	for _, r := range s.Runs {
		b = appendRun(b, Run{r.First - at, r.Count})
		b = binary.AppendUvarint(b, uint64(len(r.Classes)))
		for _, c := range r.Classes {
			b = append(b, byte(c))
		}
		at = r.end()
	}
	return b
}

func decodeFill(body []byte) (s fillSection, err error) {
	d := decoder{b: body}
	s.Cursor = d.cursor()
	s.From = Offset(d.bounded("from", 1<<62))
	s.To = s.From + Offset(d.bounded("to", 1<<62))
	at, events := s.From, uint64(0)
	n := d.count("runs")
	s.Runs = make([]sizedRun, 0, min(n, fillEventsMax))
	for range n {
		r := sizedRun{Run: d.run()}
		if r.First > s.To-at || Offset(r.Count) > s.To-at-r.First || r.Count == 0 {
			d.fail(fmt.Sprintf("a run of %d events, %d after offset %d, in a fill up to %d", r.Count, r.First, at, s.To))
			break
		}
		r.First += at
		at = r.end()
		if events += uint64(r.Count); events > fillEventsMax {
			d.fail(fmt.Sprintf("a fill has %d events or more, limit %d", events, fillEventsMax))
			break
		}
		for _, c := range d.bytes("size classes") {
			r.Classes = append(r.Classes, sizeClass(c))
		}
		if k := len(r.Classes); k != 1 && k != int(r.Count) {
			d.fail(fmt.Sprintf("%d size classes for %d events", k, r.Count))
			break
		}
		s.Runs = append(s.Runs, r)
	}
	return s, d.done("fill")
}
