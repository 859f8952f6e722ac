package wal

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// How much the walker reads at once: little where it skips from header to header, more where records are close together.
const (
	windowBytesMin = blockBytes
	windowBytesMax = 256 << 10
)

// window reads a file through a buffer.
type window struct {
	file   vfs.File
	size   int64 // bytes from here on are not there
	start  int64
	buffer []byte
	want   int // how much to read next time
}

// at returns n bytes at an offset; they are valid until the next call.
func (w *window) at(offset int64, n int) ([]byte, error) {
	if offset < 0 || n < 0 || offset+int64(n) > w.size {
		return nil, fmt.Errorf("%d bytes at %d of %d", n, offset, w.size)
	}
	end := w.start + int64(len(w.buffer))
	if offset >= w.start && offset+int64(n) <= end {
		return w.buffer[offset-w.start:][:n], nil
	}
	if gap := offset - end; gap >= 0 && gap < int64(w.want)/4 || offset >= w.start && offset < end {
		w.want = min(w.want*4, windowBytesMax)
	} else {
		w.want = windowBytesMin
	}
	w.want = max(w.want, windowBytesMin)
	length := int(min(int64(max(n, w.want)), w.size-offset))
	if cap(w.buffer) < length {
		w.buffer = make([]byte, length)
	}
	w.buffer, w.start = w.buffer[:length], offset
	if read, err := w.file.ReadAt(w.buffer, offset); err != nil && (read < length || !errors.Is(err, io.EOF)) {
		w.buffer = w.buffer[:0]
		return nil, &readError{fmt.Errorf("reading %d bytes at %d: %w", length, offset, err)}
	}
	return w.buffer[:n], nil
}

// readError is the file system's, and says nothing about what is in the file.
type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

// record is one that was read.
type record struct {
	recordHeader
	offset int64  // in the segment
	data   []byte // of kinds other than entries
}

// walker reads a segment's batches, one after the other.
type walker struct {
	window  window
	segment *segment
	// whole has payloads read and checked; otherwise only headers are, and what is no entry.
	whole   bool
	records []record
}

// batch reads the batch that begins at an offset and should have a number. It returns its records, valid until the next
// call, and where the next batch begins. An error says why there is no such batch, and at which offset that shows.
func (w *walker) batch(offset int64, number uint64, limit int64) (records []record, end, badAt int64, err error) {
	w.records = w.records[:0]
	from, err := w.window.at(offset, batchHeaderBytes)
	if err != nil {
		return nil, 0, offset, err
	}
	h, err := decodeBatchHeader(from, w.segment.crcSeed)
	if err != nil {
		return nil, 0, offset, err
	}
	end = offset + alignBlock(int64(h.length))
	if h.serial != w.segment.serial || h.number != number || h.length < batchHeaderBytes || end > limit {
		return nil, 0, offset, fmt.Errorf("batch %d of segment %d, %d bytes; expected batch %d of segment %d, %d bytes at most",
			h.number, h.serial, h.length, number, w.segment.serial, limit-offset)
	}
	at, stop := offset+batchHeaderBytes, offset+int64(h.length)
	for range h.records {
		r, err := w.record(at, stop, number)
		if err != nil {
			return nil, 0, at, err
		}
		w.records = append(w.records, r)
		at += int64(r.bytes())
	}
	if at != stop {
		return nil, 0, offset, fmt.Errorf("batch %d has %d bytes, its records %d", number, h.length, at-offset)
	}
	return w.records, end, 0, nil
}

// record reads the one at an offset, which has to end by stop.
func (w *walker) record(at, stop int64, number uint64) (r record, err error) {
	if at+recordHeaderBytes > stop {
		return r, fmt.Errorf("a record %d bytes before its batch's end", stop-at)
	}
	from, err := w.window.at(at, recordHeaderBytes)
	if err != nil {
		return r, err
	}
	if r.recordHeader, err = decodeRecordHeader(from, w.segment.crcSeed); err != nil {
		return r, err
	}
	r.offset = at
	payload := int64(r.dataLength) + int64(r.extLength)
	if r.batch != number || at+recordHeaderBytes+payload > stop {
		return r, fmt.Errorf("record of batch %d with %d bytes; expected batch %d, %d bytes at most", r.batch, payload, number, stop-at-recordHeaderBytes)
	}
	if r.kind == kindEntry && !w.whole {
		return r, nil
	}
	if from, err = w.window.at(at+recordHeaderBytes, int(payload)); err != nil {
		return r, err
	}
	data, _, err := r.payload(from)
	if err == nil && r.kind != kindEntry {
		r.data = append([]byte(nil), data...)
	}
	return r, err
}

// laterBatch looks, from an offset on, at every block for the header of a batch of this segment with at least a number. A
// batch is written only when the one before is synced: so if there is one, all before it were, and what is wrong there is
// damage.
func (w *walker) laterBatch(offset int64, number uint64) (found int64, there bool, err error) {
	for at := offset; at+blockBytes <= w.window.size; at += blockBytes {
		from, err := w.window.at(at, batchHeaderBytes)
		if err != nil {
			return 0, false, err
		}
		if h, err := decodeBatchHeader(from, w.segment.crcSeed); err == nil && h.serial == w.segment.serial && h.number >= number {
			return at, true, nil
		}
	}
	return 0, false, nil
}
