package block

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Run is a range of a block's events, by index: From up to To, without To.
type Run struct{ From, To int }

// Selector makes blocks of some of a block's events: what a broker sends a session. Records are copied as they are; a frame
// that is wanted whole is copied as it is stored, with its checksum; of the others the wanted records are packed into frames
// anew. The zero Selector is ready. It is not for concurrent use.
type Selector struct {
	// Recompress has frames that are packed anew compressed by the block's codec. Default false: they are stored as they
	// are, since compressing is most of what selecting would cost. Frames copied whole stay compressed either way.
	Recompress bool
	// Verified says that the blocks were verified since they came into memory: frames that are stored as they are aren't
	// checked again when they are taken apart, which without compression is most of what selecting costs. Default false.
	Verified bool
	// Pooled has Select use memory of NewBuffer's where it is given none. Default false.
	Pooled bool
	// Inflated returns the records of a compressed frame, as Block.DecodeFrame does, from a cache. Its result is read until
	// the next call. Default nil: frames are decoded into the Selector's own buffer.
	Inflated func(b *Block, frame int) ([]byte, error)

	segments []segment
	frames   []selectedFrame

	sources, detailTypes dictionarySelection

	inflated []byte // of the frame being taken apart
	packed   []byte // of the frame being packed, when it is to be compressed
	scratch  []byte // of the codec
}

// segment is a run of wanted events within one frame of the source.
type segment struct {
	frame    int
	from, to int
}

// selectedFrame is a frame of the selected block.
type selectedFrame struct {
	segments []segment // all of the same source frame if it is copied whole
	whole    bool
	bytes    int // of records
	events   int
}

// Select appends to dst a block of only those events of src that runs name. The runs ascend, are not empty and don't overlap. The
// new block has no producer, and only the dictionary strings that its events use (B5). Frames that have to be taken apart are
// checked, and ErrCorrupt is returned with dst as it was; frames that go whole are left to the new block's reader. ErrEmpty means no runs, a
// *FieldError wrong ones.
func (s *Selector) Select(dst []byte, src *Block, runs []Run) ([]byte, error) {
	if err := s.plan(src, runs); err != nil {
		return dst, err
	}
	h, bodyMax := s.header(src)
	l := h.layout()
	h.headerBytes = l.headerBytes

	if dst == nil && s.Pooled {
		dst = NewBuffer(max(h.headerBytes+bodyMax, h.bytesMin()))[:0]
	}
	start := len(dst)
	// Room for all that will be appended, so that out stays where it is and the directory can be written to its place in it.
	out := slices.Grow(dst, max(h.headerBytes+bodyMax, h.bytesMin()))[:start+h.headerBytes]
	out, err := s.putBody(out, out[start+l.directory:start+l.directory], src)
	if err != nil {
		return dst, err
	}
	h.bodyBytes = len(out) - start - h.headerBytes
	h.setPadding()
	out = out[:len(out)+h.paddingBytes]
	clear(out[len(out)-h.paddingBytes:])

	b := out[start:]
	h.put(b)
	s.sources.put(b[l.sourceEnds:], b[l.strings:], src.sources)
	s.detailTypes.put(b[l.detailEnds:], b[l.strings+s.sources.bytes:], src.detailTypes)
	s.putRecordEnds(b[l.recordEnds:l.columns[0]], src)
	for c := range columnCount {
		if h.columns.has(c) {
			s.putColumn(b[l.columns[c]:], src, c)
		}
	}
	h.seal(b)
	return out, nil
}

// plan cuts the runs into segments at the frames' borders and decides which frames the new block has. It reads nothing but the
// directory and record ends.
func (s *Selector) plan(src *Block, runs []Run) error {
	if len(runs) == 0 {
		return ErrEmpty
	}
	s.segments, s.frames = s.segments[:0], s.frames[:0]
	end := 0
	for i, run := range runs {
		if run.From < end || run.From >= run.To || run.To > src.Len() {
			return &FieldError{Field: fmt.Sprintf("runs[%d]", i),
				Reason: fmt.Sprintf("goes from %d to %d in %d events, behind one to %d", run.From, run.To, src.Len(), end)}
		}
		end = run.To
		s.cut(src, run)
	}
	s.group(src)
	return nil
}

// cut adds the run's segments.
func (s *Selector) cut(src *Block, run Run) {
	for frame := src.FrameOf(run.From); run.From < run.To; frame++ {
		to := min(run.To, int(src.entry(frame).eventEnd))
		s.segments = append(s.segments, segment{frame: frame, from: run.From, to: to})
		run.From = to
	}
}

// group makes frames of the segments: whole ones by themselves, what is wanted of others together as far as it fits, which is a
// frame's share at a time.
func (s *Selector) group(src *Block) {
	open := false // the last frame may take more
	for i := 0; i < len(s.segments); {
		from, events, bytes := i, 0, 0
		for frame := s.segments[i].frame; i < len(s.segments) && s.segments[i].frame == frame; i++ {
			events += s.segments[i].to - s.segments[i].from
			bytes += src.RunSize(s.segments[i].from, s.segments[i].to)
		}
		f := src.Frame(s.segments[from].frame)
		whole := events == f.To-f.From
		if last := len(s.frames) - 1; open && !whole && s.frames[last].bytes+bytes <= FrameBytesMax {
			group := &s.frames[last]
			group.segments = group.segments[:len(group.segments)+i-from] // they lie one behind the other
			group.bytes += bytes
			group.events += events
			continue
		}
		s.frames = append(s.frames, selectedFrame{segments: s.segments[from:i], whole: whole, bytes: bytes, events: events})
		open = !whole
	}
}

// header returns what is known of the new block's header before its body is there, and a bound on the body's bytes.
func (s *Selector) header(src *Block) (header, int) {
	h := header{codec: src.header.codec, frames: len(s.frames)}
	bodyMax := 0
	for _, f := range s.frames {
		h.recordBytes += f.bytes
		h.events += f.events
		if f.whole {
			bodyMax += src.Frame(f.segments[0].frame).StoredBytes
		} else {
			bodyMax += f.bytes
		}
	}
	for c := range columnCount {
		if s.columnUsed(src, c) {
			h.columns |= 1 << c
		}
	}
	s.sources.choose(src.sources, src.columns[columnSource], s.segments)
	s.detailTypes.choose(src.detailTypes, src.columns[columnDetailType], s.segments)
	h.sources, h.detailTypes = s.sources.count, s.detailTypes.count
	h.dictionaryBytes = s.sources.bytes + s.detailTypes.bytes
	return h, bodyMax
}

// columnUsed says whether any wanted event has a value in the column.
func (s *Selector) columnUsed(src *Block, c column) bool {
	if src.columns[c] == nil {
		return false
	}
	width := columnBytes[c]
	for _, segment := range s.segments {
		for _, b := range src.columns[c][segment.from*width : segment.to*width] {
			if b != 0 {
				return true
			}
		}
	}
	return false
}

// putBody appends the frames to out, and their entries to directory, which is the place for them in the header.
func (s *Selector) putBody(out, directory []byte, src *Block) ([]byte, error) {
	var entry directoryEntry
	bodyStart := len(out)
	for _, f := range s.frames {
		frameStart := len(out)
		var err error
		if f.whole {
			number := f.segments[0].frame
			out = append(out, src.stored(number)...)
			entry.checksum = src.entry(number).checksum // B4
		} else {
			if out, err = s.pack(out, f, src); err != nil {
				return nil, err
			}
			entry.checksum = checksum(out[frameStart:])
		}
		entry.storedEnd = uint32(len(out) - bodyStart)
		entry.recordEnd += uint32(f.bytes)
		entry.eventEnd += uint32(f.events)
		directory = entry.append(directory)
	}
	return out, nil
}

// pack appends a frame of the wanted records of one or more frames.
func (s *Selector) pack(out []byte, f selectedFrame, src *Block) ([]byte, error) {
	if !s.Recompress || src.header.codec == CodecNone {
		return s.appendRecords(out, f, src)
	}
	var err error
	if s.packed, err = s.appendRecords(s.packed[:0], f, src); err != nil {
		return nil, err
	}
	out, s.scratch, err = src.header.codec.compress(out, s.packed, s.scratch)
	return out, err
}

// appendRecords appends the records of f's segments.
func (s *Selector) appendRecords(dst []byte, f selectedFrame, src *Block) ([]byte, error) {
	var records []byte
	frame, base := -1, 0
	for _, segment := range f.segments {
		if segment.frame != frame {
			var err error
			if records, err = s.records(src, segment.frame); err != nil {
				return nil, err
			}
			frame, base = segment.frame, int(src.entry(segment.frame-1).recordEnd)
		}
		dst = append(dst, records[src.recordEnd(segment.from-1)-base:src.recordEnd(segment.to-1)-base]...)
	}
	return dst, nil
}

// records returns a frame's records, from the cache if there is one and the frame is compressed.
func (s *Selector) records(src *Block, frame int) ([]byte, error) {
	f := src.Frame(frame)
	if s.Verified && !f.Compressed {
		return src.stored(frame), nil
	}
	if s.Inflated != nil && f.Compressed {
		records, err := s.Inflated(src, frame)
		if err == nil && len(records) != f.RecordBytes {
			err = fmt.Errorf("block: frame %d inflates to %d bytes, the cache has %d", frame, f.RecordBytes, len(records))
		}
		return records, err
	}
	records, inflated, err := src.records(s.inflated[:0], frame)
	if inflated && err == nil {
		s.inflated = records
	}
	return records, err
}

// putRecordEnds writes the column of record ends: within a segment each is off by the same.
func (s *Selector) putRecordEnds(dst []byte, src *Block) {
	le := binary.LittleEndian
	end := 0
	for _, segment := range s.segments {
		before := src.recordEnd(segment.from - 1)
		ends := src.recordEnds[segment.from*recordEndBytes : segment.to*recordEndBytes]
		for i := 0; i < len(ends); i += recordEndBytes {
			le.PutUint32(dst[i:], le.Uint32(ends[i:])+uint32(end-before)) // modulo 2^32, as end may be less than before
		}
		end += src.recordEnd(segment.to-1) - before
		dst = dst[len(ends):]
	}
}

// putColumn writes another column: the wanted entries, with the new index where they are indexes.
func (s *Selector) putColumn(dst []byte, src *Block, c column) {
	width := columnBytes[c]
	for _, segment := range s.segments {
		entries := src.columns[c][segment.from*width : segment.to*width]
		switch c {
		case columnSource:
			s.sources.translate(dst, entries)
		case columnDetailType:
			s.detailTypes.translate(dst, entries)
		default:
			copy(dst, entries)
		}
		dst = dst[len(entries):]
	}
}
