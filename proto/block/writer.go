package block

import (
	"encoding/binary"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// Options configure a Writer.
type Options struct {
	// Codec compresses the frames. Default CodecNone.
	Codec Codec
	// Producer numbers the block; Writer.SetProducer can do so later. Default none.
	Producer Producer
}

// Validate reports what is wrong with the options.
func (o *Options) Validate() error {
	if o.Codec >= codecCount {
		return &FieldError{Field: "codec", Reason: o.Codec.String() + " is unknown"}
	}
	return o.Producer.check()
}

// Writer collects events and encodes them as a block. The zero Writer is ready for a block without compression and producer.
// It keeps its buffers over Reset, at most about 3 × BlockBytesMax, and is not for concurrent use.
type Writer struct {
	options Options

	body       []byte // finished frames as stored; without compression the open frame too
	open       []byte // with compression: records of the open frame
	openBytes  int    // of records in the open frame
	directory  []byte
	recordEnds []byte
	columns    [columnCount][]byte // empty until some event has a value

	events      int
	recordBytes int

	sources     dictionary
	detailTypes dictionary

	properties []byte // of the event being appended
	scratch    []byte // of the codec
}

// Reset makes the Writer ready for another block, with other options. It lets go of the strings it was given.
func (w *Writer) Reset(o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	w.options = o
	w.body, w.open, w.openBytes = w.body[:0], w.open[:0], 0
	w.directory, w.recordEnds = w.directory[:0], w.recordEnds[:0]
	for c := range w.columns {
		w.columns[c] = w.columns[c][:0]
	}
	w.events, w.recordBytes = 0, 0
	w.sources.reset()
	w.detailTypes.reset()
	return nil
}

// SetProducer numbers the block, any time before Finish: a client knows its sequence only when it sends.
func (w *Writer) SetProducer(p Producer) error {
	if err := p.check(); err != nil {
		return err
	}
	w.options.Producer = p
	return nil
}

// Len returns the number of events.
func (w *Writer) Len() int { return w.events }

// Size returns the bytes of the events' records, uncompressed: data, properties and a byte or two an event.
func (w *Writer) Size() int { return w.recordBytes }

// Append adds an event. It returns ErrFull if the block has no room for it, a *LimitError or *FieldError if no block had;
// the Writer is as before then. It refers to nothing of e afterwards, except the strings Source and DetailType.
func (w *Writer) Append(e *Event) error {
	if len(e.Data) > DataBytesMax {
		return checkLimit("data", DataBytesMax, len(e.Data))
	}
	if uint64(e.DeliverAtMillis) > DeliverAtMax {
		return deliverAtError(e.DeliverAtMillis)
	}
	var set propertySet
	size := 1 + len(e.Data)
	plain := e.plain()
	if !plain {
		var err error
		if w.properties, set, err = e.appendProperties(w.properties[:0]); err != nil {
			return err
		}
		size = len(w.properties) + len(e.Data)
	}
	if w.events == EventsMax || w.recordBytes+size > BlockBytesMax {
		return ErrFull
	}
	if w.openBytes > 0 && w.openBytes+size > FrameBytesMax {
		if err := w.closeFrame(); err != nil {
			return err
		}
	}
	records := &w.open
	if w.options.Codec == CodecNone {
		records = &w.body
	}
	if plain { // a byte alone is not worth a call of memmove
		*records = append(append(*records, 0), e.Data...)
	} else {
		*records = append(append(*records, w.properties...), e.Data...)
	}
	if e.Source != w.sources.run {
		w.sources.begin(e.Source, w.events)
	}
	if e.DetailType != w.detailTypes.run {
		w.detailTypes.begin(e.DetailType, w.events)
	}
	if !plain || e.DeliverAtMillis != 0 {
		w.putColumns(e, set)
	}
	w.openBytes += size
	w.recordBytes += size
	w.events++
	w.recordEnds = binary.LittleEndian.AppendUint32(w.recordEnds, uint32(w.recordBytes))
	return nil
}

// deliverAtError says what is wrong with a deliver-at that is out of range.
func deliverAtError(millis int64) error {
	if millis < 0 {
		return &FieldError{Field: "deliver_at_ms", Reason: "is negative"}
	}
	return &LimitError{Field: "deliver_at_ms", Limit: DeliverAtMax, Got: millis}
}

// putColumns adds the event's entries to the columns that it has a value for.
func (w *Writer) putColumns(e *Event, set propertySet) {
	le := binary.LittleEndian
	if e.DeliverAtMillis != 0 {
		w.fillColumn(columnDeliverAt)
		w.columns[columnDeliverAt] = le.AppendUint64(w.columns[columnDeliverAt], uint64(e.DeliverAtMillis))
	}
	if set.has(propertyKey) {
		w.fillColumn(columnKeyHash)
		w.columns[columnKeyHash] = le.AppendUint64(w.columns[columnKeyHash], keyHash(xxhash.Sum64String(e.Key), len(e.Key)))
	}
	if set.has(propertyDedupID) {
		hash := HashDedupID(e.DedupID)
		w.fillColumn(columnDedupHash)
		w.columns[columnDedupHash] = append(w.columns[columnDedupHash], hash[:]...)
	}
	if flags := set.flags(); flags != 0 {
		w.fillColumn(columnFlags)
		w.columns[columnFlags] = append(w.columns[columnFlags], byte(flags))
	}
}

// flags returns the flags of an event that has the properties.
func (s propertySet) flags() Flags {
	var flags Flags
	if s.has(propertyContentType) {
		flags |= FlagOpaque
	}
	if s.has(propertyAttributes) {
		flags |= FlagAttributes
	}
	return flags
}

// fillColumn gives a column the zero entries of the events before the one at hand: they are owed until some later event has a
// value, so that columns without one cost nothing.
func (w *Writer) fillColumn(c column) {
	want := w.events * columnBytes[c]
	if have := len(w.columns[c]); have < want {
		w.columns[c] = slices.Grow(w.columns[c], want-have)[:want]
		clear(w.columns[c][have:])
	}
}

// closeFrame stores the open frame and enters it in the directory.
func (w *Writer) closeFrame() error {
	start := len(w.body)
	if w.options.Codec == CodecNone {
		start -= w.openBytes
	} else {
		var err error
		w.body, w.scratch, err = w.options.Codec.compress(w.body, w.open, w.scratch)
		if err != nil {
			return err
		}
		w.open = w.open[:0]
	}
	w.directory = directoryEntry{
		storedEnd: uint32(len(w.body)),
		recordEnd: uint32(w.recordBytes),
		eventEnd:  uint32(w.events),
		checksum:  checksum(w.body[start:]),
	}.append(w.directory)
	w.openBytes = 0
	return nil
}

// Finish appends the encoded block to dst, at most EncodedBytesMax bytes, and returns it, or ErrEmpty. The Writer may go on: finish
// the same events again with another producer, or append more.
func (w *Writer) Finish(dst []byte) ([]byte, error) {
	if w.events == 0 {
		return dst, ErrEmpty
	}
	if w.openBytes > 0 {
		if err := w.closeFrame(); err != nil {
			return dst, err
		}
	}
	h := header{
		codec:           w.options.Codec,
		sources:         w.sources.len(),
		detailTypes:     w.detailTypes.len(),
		bodyBytes:       len(w.body),
		recordBytes:     w.recordBytes,
		events:          w.events,
		frames:          len(w.directory) / directoryEntryBytes,
		dictionaryBytes: len(w.sources.strings) + len(w.detailTypes.strings),
		producer:        w.options.Producer,
	}
	h.columns = w.finishColumns()
	l := h.layout()
	h.headerBytes = l.headerBytes
	h.setPadding()

	start, total := len(dst), h.headerBytes+h.bodyBytes+h.paddingBytes
	dst = slices.Grow(dst, total)[:start+total]
	b := dst[start:]
	h.put(b)
	copy(b[l.directory:], w.directory)
	copy(b[l.sourceEnds:], w.sources.ends)
	copy(b[l.detailEnds:], w.detailTypes.ends)
	copy(b[l.strings:], w.sources.strings)
	copy(b[l.strings+len(w.sources.strings):], w.detailTypes.strings)
	copy(b[l.recordEnds:], w.recordEnds)
	for c, entries := range w.columns {
		copy(b[l.columns[c]:], entries)
	}
	h.seal(b)
	copy(b[h.headerBytes:], w.body)
	clear(b[h.headerBytes+h.bodyBytes:]) // dst may have been used before
	return dst, nil
}

// finishColumns brings all columns that any event has a value for to full length, and returns which they are.
func (w *Writer) finishColumns() columnSet {
	w.columns[columnSource] = w.sources.finish(w.events)
	w.columns[columnDetailType] = w.detailTypes.finish(w.events)
	var set columnSet
	for c := range columnCount {
		if len(w.columns[c]) > 0 {
			set |= 1 << c
			w.fillColumn(c)
		}
	}
	return set
}
