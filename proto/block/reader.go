package block

import (
	"encoding/binary"
	"fmt"
)

// Reader reads the events of blocks, in order or by index:
//
//	for r.Reset(&b); r.Next(); {
//		use(r.View().Data())
//	}
//	if err := r.Err(); err != nil { … }
//
// A frame is checked, and inflated into the Reader's buffer, when the first of its events is read. The zero Reader is ready for
// Reset. A Reader is not for concurrent use.
type Reader struct {
	block *Block
	err   error
	view  View

	next     int    // index of the event that Next reads
	frame    int    // the frame at hand, -1 for none
	frameEnd int    // index of the event behind the frame's last; next == frameEnd asks for the frame after
	records  []byte // the frame's, uncompressed: a part of the block or of scratch
	start    uint32 // where event next's record begins in records
	base     uint32 // where the frame begins in the uncompressed body

	kept    bool // frames are inflated into memory of their own
	scratch []byte
}

// Reset points the Reader before the first event of b, which it refers to from then on.
func (r *Reader) Reset(b *Block) {
	scratch := r.scratch
	*r = Reader{block: b, frame: -1, scratch: scratch}
}

// ResetKept is Reset for a caller who keeps what views return: each frame has memory of its own then, of at most FrameBytesMax unless it is a single record, and
// the Reader refers to none of it once it has moved on. So who keeps the data of one event keeps its frame, and may change it.
func (r *Reader) ResetKept(b *Block) {
	r.Reset(b)
	r.kept = true
}

// Next moves to the next event and reports whether there is one; Err then says why not.
func (r *Reader) Next() bool {
	if r.next == r.frameEnd && !r.nextFrame() {
		return false
	}
	// Open has checked that record ends ascend and stay within the frame (B1).
	end := binary.LittleEndian.Uint32(r.block.recordEnds[r.next*recordEndBytes:]) - r.base
	err := r.view.load(r.records[r.start:end:end])
	r.start = end
	r.next++
	if err != nil {
		r.fail(fmt.Errorf("event %d: %w", r.next-1, err))
		return false
	}
	return true
}

// nextFrame makes the frame that begins with event next the one at hand.
func (r *Reader) nextFrame() bool {
	if r.err != nil || r.next == r.block.header.events {
		return false
	}
	return r.loadFrame(r.frame + 1)
}

// loadFrame checks a frame, inflates it, and points before its first event.
func (r *Reader) loadFrame(i int) bool {
	room := r.scratch[:0]
	if r.kept {
		room = nil
	}
	records, inflated, err := r.block.records(room, i)
	if err != nil {
		r.fail(err)
		return false
	}
	switch {
	case r.kept && !inflated:
		records = append([]byte(nil), records...)
	case !r.kept && inflated:
		r.scratch = records
	}
	f := r.block.Frame(i)
	r.frame, r.records, r.next, r.frameEnd = i, records, f.From, f.To
	r.base, r.start = r.block.entry(i-1).recordEnd, 0
	return true
}

// fail stops the Reader for good.
func (r *Reader) fail(err error) {
	r.err = err
	r.frame, r.frameEnd, r.next, r.records = -1, 0, 0, nil
}

// Seek moves before event i, 0 to the block's length, so that Next reads it. It inflates nothing twice while i stays in a frame.
func (r *Reader) Seek(i int) {
	switch {
	case r.err != nil:
		return
	case i == r.block.header.events:
		r.next, r.frameEnd = i, i
		return
	}
	if r.frame < 0 || i < r.block.Frame(r.frame).From || i >= r.block.Frame(r.frame).To {
		if !r.loadFrame(r.block.FrameOf(i)) {
			return
		}
	}
	r.next, r.frameEnd = i, r.block.Frame(r.frame).To
	r.start = uint32(r.block.recordEnd(i-1)) - r.base
}

// At reads event i: Seek and Next. An index out of range panics.
func (r *Reader) At(i int) (*View, error) {
	_ = r.block.recordEnd(i)
	r.Seek(i)
	if !r.Next() {
		return nil, r.err
	}
	return &r.view, nil
}

// View returns the event that Next moved to.
func (r *Reader) View() *View { return &r.view }

// Index returns the index of that event in the block.
func (r *Reader) Index() int { return r.next - 1 }

// Event returns a copy of that event, with what stands of it in the block's columns.
func (r *Reader) Event() Event {
	i := r.Index()
	e := r.view.event()
	e.DeliverAtMillis = r.block.DeliverAtMillis(i)
	e.Source = string(r.block.Source(r.block.SourceIndex(i)))
	e.DetailType = string(r.block.DetailType(r.block.DetailTypeIndex(i)))
	return e
}

// Err returns why the Reader stopped before the block's end, nil if it didn't.
func (r *Reader) Err() error { return r.err }

// Verify checks everything that Open left: each frame's checksum and inflating, each record's structure, lengths and text, and that
// the columns agree with the records (B6). A broker does so once, with what is published; dataBytesMax, at most DataBytesMax, is its
// limit on an event's data. Verify returns ErrCorrupt, a *LimitError or a *FieldError, with the event's index in the text. The
// Reader is left at the block's end.
func (r *Reader) Verify(b *Block, dataBytesMax int) error {
	for r.Reset(b); r.Next(); {
		if err := checkLimit("data", dataBytesMax, len(r.view.Data())); err != nil {
			return fmt.Errorf("event %d: %w", r.Index(), err)
		}
		if r.view.set == 0 && b.header.columns&columnsOfRecords == 0 {
			continue // nothing to compare, the usual case
		}
		if err := r.view.verify(b, r.Index()); err != nil {
			return fmt.Errorf("event %d: %w", r.Index(), err)
		}
	}
	return r.err
}

// columnsOfRecords are the columns that repeat what records say.
const columnsOfRecords columnSet = 1<<columnKeyHash | 1<<columnDedupHash | 1<<columnFlags
