package block

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// The twin is the format once more, written from the drawing for being obvious: parts in slices, one after the other, everything
// allocated. Writer and Selector are held against what it reads, Reader against what it writes. It shares no code with them.

// twinParts are the parts of a block as they stand in it, all of them free to be wrong: hostile blocks are made of them as well.
type twinParts struct {
	codec       byte
	columnBits  byte
	events      uint32
	producer    Producer
	frames      []twinFrame
	sources     []string
	detailTypes []string
	ends        []uint32
	columns     [6][]byte
	bodyExtra   []byte // behind the last frame
}

type twinFrame struct {
	stored  []byte
	records uint32 // bytes it inflates to
	events  uint32
	crc     uint32 // added to the right one
}

// bytes lays the parts out, with right lengths, checksums and padding.
func (p *twinParts) bytes() []byte {
	le := binary.LittleEndian
	var directory, dictionary, strings, columns, body []byte
	var records, events uint32
	for _, f := range p.frames {
		body = append(body, f.stored...)
		records += f.records
		events += f.events
		directory = le.AppendUint32(directory, uint32(len(body)))
		directory = le.AppendUint32(directory, records)
		directory = le.AppendUint32(directory, events)
		directory = le.AppendUint32(directory, crc32.Checksum(f.stored, crc32.MakeTable(crc32.Castagnoli))+f.crc)
	}
	body = append(body, p.bodyExtra...)
	for _, list := range [][]string{p.sources, p.detailTypes} {
		end := 0
		for _, s := range list {
			end += len(s)
			dictionary = le.AppendUint16(dictionary, uint16(end))
			strings = append(strings, s...)
		}
	}
	for _, end := range p.ends {
		columns = le.AppendUint32(columns, end)
	}
	for _, column := range p.columns {
		columns = append(columns, column...)
	}

	headerBytes := 64 + len(directory) + len(dictionary) + len(strings) + len(columns) + 4
	padding := 0
	for uint32(headerBytes+len(body)+padding)*100 < records {
		padding++
	}
	b := []byte{0xf5, 'f', 'b', 1, p.codec, byte(len(p.sources)), byte(len(p.detailTypes)), p.columnBits}
	for _, n := range []int{headerBytes, len(body), padding, int(records), int(p.events), len(p.frames), len(strings)} {
		b = le.AppendUint32(b, uint32(n))
	}
	b = le.AppendUint32(b, p.producer.Epoch)
	b = le.AppendUint64(b, p.producer.Sequence)
	b = append(b, p.producer.ID[:]...)
	for _, section := range [][]byte{directory, dictionary, strings, columns} {
		b = append(b, section...)
	}
	b = le.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	b = append(b, body...)
	return append(b, make([]byte, padding)...)
}

// twinRecord encodes an event's record.
func twinRecord(e Event) []byte {
	if e.ContentType == "application/json" {
		e.ContentType = ""
	}
	attributes := ""
	if len(e.Attributes) > 0 {
		attributes = string(rune(len(e.Attributes)))
		for _, a := range e.Attributes {
			// As bytes, since a name may be longer than 127.
			attributes += string([]byte{byte(len(a.Name))}) + twinUvarint(len(a.Value)) + a.Name + a.Value
		}
	}
	first, second, rest := 0, 0, ""
	for bit, value := range []string{e.ContentType, e.Key, e.DedupID, e.CorrelationID, e.TraceParent, e.TraceState, attributes} {
		if value != "" {
			first |= 1 << bit
			rest += twinUvarint(len(value)) + value
		}
	}
	for bit, value := range []string{e.CausationID, e.Schema} {
		if value != "" {
			second |= 1 << bit
			rest += twinUvarint(len(value)) + value
		}
	}
	if second == 0 {
		return append(append([]byte{byte(first)}, rest...), e.Data...)
	}
	return append(append([]byte{byte(first | 0x80), byte(second)}, rest...), e.Data...)
}

func twinUvarint(n int) string { return string(binary.AppendUvarint(nil, uint64(n))) }

// twinEncode encodes events without compression.
func twinEncode(events []Event, producer Producer) []byte {
	le := binary.LittleEndian
	p := twinParts{events: uint32(len(events)), producer: producer}
	sourceIndexes, detailTypeIndexes := map[string]int{"": 0}, map[string]int{"": 0}
	index := func(indexes map[string]int, list *[]string, s string) byte {
		if _, ok := indexes[s]; !ok && len(s) <= 256 && len(*list) < 255 {
			*list = append(*list, s)
			indexes[s] = len(*list)
		}
		return byte(indexes[s])
	}
	total := 0
	for _, e := range events {
		record := twinRecord(e)
		total += len(record)
		p.ends = append(p.ends, uint32(total))
		if last := len(p.frames) - 1; last >= 0 && len(p.frames[last].stored)+len(record) <= 16*1024 {
			p.frames[last].stored = append(p.frames[last].stored, record...)
			p.frames[last].events++
			p.frames[last].records += uint32(len(record))
		} else {
			p.frames = append(p.frames, twinFrame{stored: record, records: uint32(len(record)), events: 1})
		}
		var keyHash uint64
		if e.Key != "" {
			keyHash = xxhash.Sum64String(e.Key)
		}
		var dedup [32]byte
		if e.DedupID != "" {
			dedup = sha256.Sum256([]byte(e.DedupID))
		}
		flags := byte(0)
		if e.ContentType != "" && e.ContentType != "application/json" {
			flags |= 1
		}
		if len(e.Attributes) > 0 {
			flags |= 2
		}
		p.columns[0] = le.AppendUint64(p.columns[0], keyHash)
		p.columns[1] = le.AppendUint64(p.columns[1], uint64(e.DeliverAtMillis))
		p.columns[2] = append(p.columns[2], dedup[:16]...)
		p.columns[3] = append(p.columns[3], index(sourceIndexes, &p.sources, e.Source))
		p.columns[4] = append(p.columns[4], index(detailTypeIndexes, &p.detailTypes, e.DetailType))
		p.columns[5] = append(p.columns[5], flags)
	}
	for c := range p.columns {
		if len(bytes.Trim(p.columns[c], "\x00")) == 0 {
			p.columns[c] = nil
		} else {
			p.columnBits |= 1 << c
		}
	}
	return p.bytes()
}

// twinDecode reads the events of a block that is right. It fails the test at whatever doesn't add up.
func twinDecode(t testing.TB, b []byte) ([]Event, Producer) {
	t.Helper()
	le := binary.LittleEndian
	take := func(n int) []byte {
		if n > len(b) {
			t.Fatalf("twin: %d bytes wanted, %d left", n, len(b))
		}
		taken := b[:n]
		b = b[n:]
		return taken
	}
	number := func() int { return int(le.Uint32(take(4))) }
	whole := b

	if !bytes.Equal(take(4), []byte{0xf5, 'f', 'b', 1}) {
		t.Fatalf("twin: begins with %x", whole[:4])
	}
	codec, sourceCount, detailTypeCount, columnBits := take(1)[0], int(take(1)[0]), int(take(1)[0]), take(1)[0]
	headerBytes, bodyBytes, paddingBytes, recordBytes := number(), number(), number(), number()
	eventCount, frameCount, dictionaryBytes := number(), number(), number()
	producer := Producer{Epoch: uint32(number()), Sequence: le.Uint64(take(8)), ID: ProducerID(take(16))}
	if recordBytes > 100*len(whole) {
		t.Fatalf("twin: %d bytes inflate to %d", len(whole), recordBytes)
	}
	var frames []twinFrame
	var stored, records, events int
	for range frameCount {
		storedEnd, recordEnd, eventEnd, crc := number(), number(), number(), number()
		frames = append(frames, twinFrame{make([]byte, storedEnd-stored), uint32(recordEnd - records), uint32(eventEnd - events), uint32(crc)})
		stored, records, events = storedEnd, recordEnd, eventEnd
	}
	sources, detailTypes := twinDictionary(le, take, sourceCount, detailTypeCount, dictionaryBytes)
	var ends []int
	for range eventCount {
		ends = append(ends, number())
	}
	var columns [6][]byte
	for c, width := range []int{8, 8, 16, 1, 1, 1} {
		columns[c] = make([]byte, width*eventCount)
		if columnBits&(1<<c) != 0 {
			columns[c] = take(width * eventCount)
		}
	}
	if at := len(whole) - len(b); at != headerBytes-4 {
		t.Fatalf("twin: sections end at %d, header of %d", at, headerBytes)
	}
	if got, want := crc32.Checksum(whole[:headerBytes-4], crc32.MakeTable(crc32.Castagnoli)), number(); int(got) != want {
		t.Fatalf("twin: header CRC %08x, want %08x", want, got)
	}
	var plain []byte
	for i, f := range frames {
		copy(f.stored, take(len(f.stored)))
		if got := crc32.Checksum(f.stored, crc32.MakeTable(crc32.Castagnoli)); got != f.crc {
			t.Fatalf("twin: frame %d has CRC %08x, directory %08x", i, got, f.crc)
		}
		plain = append(plain, twinInflate(t, codec, f)...)
	}
	if stored != bodyBytes || records != recordBytes || len(plain) != records || events != eventCount || len(b) != paddingBytes {
		t.Fatalf("twin: sums: %d of %d stored, %d of %d records, %d inflated, %d of %d events, %d of %d padding",
			stored, bodyBytes, records, recordBytes, len(plain), events, eventCount, len(b), paddingBytes)
	}
	var decoded []Event
	start := 0
	for i := range eventCount {
		e := twinEvent(t, plain[start:ends[i]])
		start = ends[i]
		if hash := le.Uint64(columns[0][8*i:]); hash != 0 && hash != xxhash.Sum64String(e.Key) || hash == 0 && e.Key != "" {
			t.Fatalf("twin: event %d has key %q with hash %x", i, e.Key, hash)
		}
		sum := sha256.Sum256([]byte(e.DedupID))
		if e.DedupID == "" {
			sum = [32]byte{}
		}
		if !bytes.Equal(columns[2][16*i:16*i+16], sum[:16]) {
			t.Fatalf("twin: event %d has dedup id %q with hash %x", i, e.DedupID, columns[2][16*i:16*i+16])
		}
		e.DeliverAtMillis = int64(le.Uint64(columns[1][8*i:]))
		e.Source, e.DetailType = sources[columns[3][i]], detailTypes[columns[4][i]]
		decoded = append(decoded, e)
	}
	return decoded, producer
}

func twinDictionary(le binary.ByteOrder, take func(int) []byte, sources, detailTypes, dictionaryBytes int) (map[byte]string, map[byte]string) {
	tables := [2][]byte{take(2 * sources), take(2 * detailTypes)}
	strings := take(dictionaryBytes)
	var maps [2]map[byte]string
	for i, table := range tables {
		maps[i] = map[byte]string{0: ""}
		start := 0
		for j := 0; j < len(table); j += 2 {
			end := int(le.Uint16(table[j:]))
			maps[i][byte(j/2+1)] = string(strings[start:end])
			start = end
		}
		strings = strings[start:]
	}
	return maps[0], maps[1]
}

func twinInflate(t testing.TB, codec byte, f twinFrame) []byte {
	t.Helper()
	if len(f.stored) == int(f.records) {
		return f.stored
	}
	var plain []byte
	var err error
	switch codec {
	case 1:
		plain, err = s2.Decode(nil, f.stored)
	case 2:
		plain, err = zstd.DecodeTo(nil, f.stored)
	default:
		err = fmt.Errorf("codec %d", codec)
	}
	if err != nil || len(plain) != int(f.records) {
		t.Fatalf("twin: frame inflates to %d bytes, directory %d: %v", len(plain), f.records, err)
	}
	return plain
}

func twinEvent(t testing.TB, record []byte) Event {
	t.Helper()
	r := bytes.NewReader(record)
	text := func(n int) string {
		b := make([]byte, n)
		if got, err := r.Read(b); n > 0 && (err != nil || got != n) {
			t.Fatalf("twin: %d bytes wanted, got %d: %v", n, got, err)
		}
		return string(b)
	}
	length := func() int {
		n, err := binary.ReadUvarint(r)
		if err != nil {
			t.Fatalf("twin: length: %v", err)
		}
		return int(n)
	}
	var e Event
	set := int(text(1)[0])
	if set >= 0x80 {
		set = set&0x7f | int(text(1)[0])<<7
	}
	fields := []*string{&e.ContentType, &e.Key, &e.DedupID, &e.CorrelationID, &e.TraceParent, &e.TraceState, nil, &e.CausationID, &e.Schema}
	for bit, field := range fields {
		if set&(1<<bit) == 0 {
			continue
		}
		n := length()
		if field != nil {
			*field = text(n)
			continue
		}
		for range text(1)[0] {
			name := int(text(1)[0])
			value := length()
			e.Attributes = append(e.Attributes, Attribute{Name: text(name), Value: text(value)})
		}
	}
	e.Data = []byte(text(r.Len()))
	return e
}
