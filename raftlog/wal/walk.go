package wal

import (
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// How much the walker reads at once: a block where it goes on further than skipBytes from where it was, otherwise windowBytes.
// A read of one block takes 80 µs on a virtio disk, in which as much as skipBytes is read as well. So a log of 2 GiB with entries
// of 4, 64 and 256 KiB was opened in 1.1, 1.4 and 0.5 s, with 0.2 to 0.3 CPU seconds, beside others who used the disk; through
// the page cache, block by block, it took 3.7, 0.8 and 0.05 CPU seconds.
const (
	windowBytes = 1 << 20
	skipBytes   = 128 << 10
)

// window reads a file through a buffer, whole blocks at a time.
type window struct {
	file   vfs.File
	size   int64 // bytes from here on are not there
	start  int64
	buffer []byte
	asked  int64 // the offset that was asked for last
}

// at returns n bytes at an offset; they are valid until the next call.
func (w *window) at(offset int64, n int) ([]byte, error) {
	if offset < 0 || n < 0 || offset+int64(n) > w.size {
		return nil, fmt.Errorf("%d bytes at %d of %d", n, offset, w.size)
	}
	stride := offset - w.asked
	w.asked = offset
	if offset >= w.start && offset+int64(n) <= w.start+int64(len(w.buffer)) {
		return w.buffer[offset-w.start:][:n], nil
	}
	start := offset &^ (blockBytes - 1)
	length := alignBlock(offset + int64(n) - start)
	if stride <= skipBytes {
		length = max(length, windowBytes)
	}
	length = min(length, w.size-start)
	if int64(cap(w.buffer)) < length {
		w.buffer = make([]byte, length)
	}
	w.buffer, w.start = w.buffer[:length], start
	if read, err := w.file.ReadAt(w.buffer, start); err != nil && (read < len(w.buffer) || !errors.Is(err, io.EOF)) {
		w.buffer = w.buffer[:0]
		return nil, &readError{fmt.Errorf("reading %d bytes at %d: %w", length, start, err)}
	}
	return w.buffer[offset-start:][:n], nil
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
