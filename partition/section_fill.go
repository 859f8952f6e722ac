package partition

import (
	"encoding/binary"
	"fmt"
)

// fillSection brings a far cursor what the leader found in the log for it: all matching events from its frontier up to an offset.
//
//	cursor | from, to - from: uvarint | runs: uvarint
//	each run:  distance from the end of the run before (or from), length: uvarint | size classes: length and bytes, one for each event, or one for all
//	           keys: number, and 8 bytes for each; one for each event, or none
type fillSection struct {
	Cursor CursorID
	// From must be the cursor's frontier, or nothing is done. To is its next.
	From, To Offset
	// Runs of matching events, ascending, at most FillEventsMax events. Classes of their sizes follow each other in Classes: for each
	// run as many as Uniform says.
	Runs []sizedRun
}

// sizedRun is matching events in a row with what a cursor must know of them.
type sizedRun struct {
	Run
	// Classes of their sizes: one for each, or one for all.
	Classes []sizeClass
	// Keys are the hashes of their keys, 0 for none; nil when no event has one, and in fills of cursors that aren't ordered.
	Keys []uint64
}

// part returns n of the run's events.
func (r *sizedRun) part(from, n uint32) sizedRun {
	p := sizedRun{Run: Run{r.First + Offset(from), n}, Classes: r.Classes}
	if len(r.Classes) > 1 {
		p.Classes = r.Classes[from : from+n]
	}
	if r.Keys != nil {
		p.Keys = r.Keys[from : from+n]
	}
	return p
}

// key returns the hash of an event's key.
func (r *sizedRun) key(i uint32) uint64 {
	if r.Keys == nil {
		return 0
	}
	return r.Keys[i]
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
		b = binary.AppendUvarint(b, uint64(len(r.Keys)))
		for _, key := range r.Keys {
			b = binary.LittleEndian.AppendUint64(b, key)
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
		if k := d.count("keys"); k != 0 && k != int(r.Count) {
			d.fail(fmt.Sprintf("%d keys for %d events", k, r.Count))
			break
		} else if k > 0 {
			r.Keys = make([]uint64, k)
		}
		for i := range r.Keys {
			r.Keys[i] = d.u64("key hash")
		}
		s.Runs = append(s.Runs, r)
	}
	return s, d.done("fill")
}
