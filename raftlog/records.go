package raftlog

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"math/bits"
)

// A stream of records is how a whole state travels to another node, and lies in the snapshot files of a group that was
// opened by itself. Integers are little endian, lengths are uvarints.
//
//	┌───────────┬─────────┬ for each record ─────────────────────────────┬──────┬───────────┬───────────┐
//	│ "frshrecs"│ version │ 1 │ key length │ value length │ key │ value │  0   │ records   │ CRC32C of │
//	│  8 bytes  │ 1 byte  │                                              │ 1 B  │ 8 bytes   │ all before│
//	└───────────┴─────────┴──────────────────────────────────────────────┴──────┴───────────┴───────────┘
//
// The end is marked, so that a stream which breaks off is told from a whole one. Every record has a value: what is gone is
// not part of a whole state.
const (
	recordsMagic   = "frshrecs"
	recordsVersion = 1

	tagEnd, tagRecord = 0, 1

	// RecordKeyBytesMax is the longest key of a Record: 64 KiB.
	RecordKeyBytesMax = 64 << 10
	// RecordValueBytesMax is the longest value of a Record: 1 GiB. A state is better cut into small ones: a record is
	// written anew when any of its bytes change.
	RecordValueBytesMax = 1 << 30
)

// errRecords marks a stream that is no stream of records, or not a whole one.
var errRecords = errors.New("raftlog: not a whole state")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordWriter writes a stream of records.
type recordWriter struct {
	to      io.Writer
	sum     uint32
	count   uint64
	scratch []byte
}

// writeRecords writes the sequence as a stream.
func writeRecords(to io.Writer, records iter.Seq2[Record, error]) error {
	w := &recordWriter{to: to}
	if err := w.write(append([]byte(recordsMagic), recordsVersion)); err != nil {
		return err
	}
	for record, err := range records {
		if err != nil {
			return err
		}
		if err := w.record(record); err != nil {
			return err
		}
	}
	return w.end()
}

func (w *recordWriter) write(b []byte) error {
	w.sum = crc32.Update(w.sum, castagnoli, b)
	_, err := w.to.Write(b)
	return err
}

func (w *recordWriter) record(record Record) error {
	if err := record.check(); err != nil {
		return err
	}
	w.scratch = append(w.scratch[:0], tagRecord)
	w.scratch = binary.AppendUvarint(w.scratch, uint64(len(record.Key)))
	w.scratch = binary.AppendUvarint(w.scratch, uint64(len(record.Value)))
	w.scratch = append(w.scratch, record.Key...)
	w.count++
	if err := w.write(w.scratch); err != nil {
		return err
	}
	return w.write(record.Value)
}

func (w *recordWriter) end() error {
	if err := w.write(binary.LittleEndian.AppendUint64([]byte{tagEnd}, w.count)); err != nil {
		return err
	}
	return w.write(binary.LittleEndian.AppendUint32(nil, w.sum))
}

// check refuses a record that a stream can't carry.
func (r Record) check() error {
	switch {
	case r.Value == nil:
		return fmt.Errorf("raftlog: the record %q of a whole state has no value", r.Key)
	case len(r.Key) > RecordKeyBytesMax:
		return fmt.Errorf("raftlog: a record's key has %d bytes; the limit is %d", len(r.Key), RecordKeyBytesMax)
	case len(r.Value) > RecordValueBytesMax:
		return fmt.Errorf("raftlog: the record %q has a value of %d bytes; the limit is %d", r.Key, len(r.Value), RecordValueBytesMax)
	}
	return nil
}

// streamBytes is how long the stream of a sequence is: the library wants to know before it sends one.
func streamBytes(records iter.Seq2[Record, error]) (int64, error) {
	total := int64(len(recordsMagic) + 1 + 1 + 8 + 4)
	for record, err := range records {
		if err != nil {
			return 0, err
		}
		total += int64(1 + uvarintBytes(len(record.Key)) + uvarintBytes(len(record.Value)) + len(record.Key) + len(record.Value))
	}
	return total, nil
}

func uvarintBytes(n int) int { return (bits.Len64(uint64(n)|1) + 6) / 7 }

// recordReader reads a stream of records.
type recordReader struct {
	from   *bufio.Reader
	sum    uint32
	count  uint64
	buffer bytes.Buffer // the record's key and value
}

// readRecords returns the sequence that a stream stands for. It ends without an error only where the stream has its end and
// nothing follows; keys and values are valid until the next step.
func readRecords(from io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r := &recordReader{from: bufio.NewReaderSize(from, 64<<10)}
		err := r.head()
		for err == nil {
			var record Record
			if record, err = r.next(); err == nil && !yield(record, nil) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(Record{}, err)
		}
	}
}

// next returns the next record, io.EOF behind the last.
func (r *recordReader) next() (Record, error) {
	tag, err := r.ReadByte()
	if err != nil {
		return Record{}, brokenOff(err)
	}
	switch tag {
	case tagEnd:
		return Record{}, r.end()
	case tagRecord:
	default:
		return Record{}, fmt.Errorf("%w: record %d begins with %#x", errRecords, r.count, tag)
	}
	keyBytes, err := r.length("key", RecordKeyBytesMax)
	if err != nil {
		return Record{}, err
	}
	valueBytes, err := r.length("value", RecordValueBytesMax)
	if err != nil {
		return Record{}, err
	}
	// The buffer grows with what arrives, not with what is announced.
	r.buffer.Reset()
	if _, err := io.CopyN(&r.buffer, r.from, keyBytes+valueBytes); err != nil {
		return Record{}, brokenOff(err)
	}
	r.sum = crc32.Update(r.sum, castagnoli, r.buffer.Bytes())
	r.count++
	data := r.buffer.Bytes()
	if data == nil {
		data = []byte{}
	}
	return Record{Key: data[:keyBytes:keyBytes], Value: data[keyBytes:]}, nil
}

func (r *recordReader) head() error {
	head := make([]byte, len(recordsMagic)+1)
	if _, err := io.ReadFull(r.from, head); err != nil {
		return brokenOff(err)
	}
	r.sum = crc32.Update(r.sum, castagnoli, head)
	if string(head[:len(recordsMagic)]) != recordsMagic {
		return fmt.Errorf("%w: it begins with %q", errRecords, head[:len(recordsMagic)])
	}
	if head[len(recordsMagic)] != recordsVersion {
		return fmt.Errorf("%w: it has version %d, this build knows %d", errRecords, head[len(recordsMagic)], recordsVersion)
	}
	return nil
}

// end reads what follows the last record, and returns io.EOF when all is well.
func (r *recordReader) end() error {
	var tail [12]byte
	if _, err := io.ReadFull(r.from, tail[:]); err != nil {
		return brokenOff(err)
	}
	sum := crc32.Update(r.sum, castagnoli, tail[:8])
	if count := binary.LittleEndian.Uint64(tail[:]); count != r.count {
		return fmt.Errorf("%w: it has %d records and says %d", errRecords, r.count, count)
	}
	if want := binary.LittleEndian.Uint32(tail[8:]); want != sum {
		return fmt.Errorf("%w: its checksum is %08x, it says %08x", errRecords, sum, want)
	}
	switch _, err := r.from.ReadByte(); {
	case err == nil:
		return fmt.Errorf("%w: something follows its end", errRecords)
	case errors.Is(err, io.EOF):
		return io.EOF
	default:
		return err
	}
}

// ReadByte implements io.ByteReader for binary.ReadUvarint, and counts the byte into the checksum.
func (r *recordReader) ReadByte() (byte, error) {
	b, err := r.from.ReadByte()
	if err == nil {
		r.sum = crc32.Update(r.sum, castagnoli, []byte{b})
	}
	return b, err
}

func (r *recordReader) length(of string, limit uint64) (int64, error) {
	length, err := binary.ReadUvarint(r)
	if err != nil {
		return 0, brokenOff(err)
	}
	if length > limit {
		return 0, fmt.Errorf("%w: the %s of record %d has %d bytes; the limit is %d", errRecords, of, r.count, length, limit)
	}
	return int64(length), nil
}

// brokenOff says that a stream has ended where it has no end.
func brokenOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it breaks off", errRecords)
	}
	return err
}

// all yields records that are in memory.
func all(records []Record) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for _, record := range records {
			if !yield(record, nil) {
				return
			}
		}
	}
}
