package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/hashicorp/raft"
)

// FuzzRecover opens a log whose two segments hold anything: a good log's bytes with others in their place. It must be opened,
// or refused as damaged or foreign, and never panic. What it then has must be readable, or be refused, and can be appended to.
func FuzzRecover(f *testing.F) {
	good := newCrashFS()
	o := testOptions(f, good)
	o.manual, o.nonce = true, func() uint64 { return 5 }
	l := mustOpen(f, o)
	g := mustGroup(f, l, 1)
	for i := uint64(1); i < 14; i++ {
		must(f, g.StoreLogs([]*raft.Log{entry(i*2-1, 1, 4000), entry(i*2, 1, 10)}))
		must(f, g.SetUint64([]byte(keyCurrentTerm), i))
	}
	must(f, g.DeleteRange(26, 26))
	must(f, mustGroup(f, l, 2).Remove())
	must(f, l.Close())
	first, second := l.fs.PathJoin("/wal", segmentName(1)), l.fs.PathJoin("/wal", segmentName(2))
	newest := good.names[second].content
	f.Add(uint32(0), []byte{}, uint32(0), []byte{})
	f.Add(uint32(blockBytes), newest[blockBytes:2*blockBytes], uint32(5), []byte{1})
	f.Add(uint32(0), newest[:blockBytes], uint32(0), good.names[first].content[:blockBytes])
	f.Add(uint32(blockBytes+batchHeaderBytes+16), []byte{255, 255, 255, 255}, uint32(2*blockBytes+24), []byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, at1 uint32, with1 []byte, at2 uint32, with2 []byte) {
		fs := good.crash(nil, crashKeeps)
		for _, c := range []struct {
			name string
			at   uint32
			with []byte
		}{{first, at1, with1}, {second, at2, with2}} {
			if c.at < segmentBytesMin {
				c.with = c.with[:min(len(c.with), segmentBytesMin-int(c.at))]
				fs.names[c.name].content = overlay(slices.Clone(fs.names[c.name].content), c.with, int64(c.at))
			}
		}
		failed := error(nil)
		o := o
		o.FS, o.Fatal = fs, func(err error) { failed = err }
		l, err := Open(o)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrForeign) {
				t.Fatal(err)
			}
			return
		}
		for _, id := range l.Groups() {
			g := mustGroup(t, l, id)
			u := g.Usage()
			for i := u.First; i != 0 && i <= u.Last; i++ {
				var e raft.Log
				if err := g.GetLog(i, &e); err != nil && !errors.Is(err, ErrCorrupt) || err == nil && e.Index != i {
					t.Fatalf("entry %d: %d, %v", i, e.Index, err)
				}
			}
			if failed == nil {
				must(t, g.StoreLog(entry(max(u.Last, g.mu.first)+1, 99, 10)))
			}
		}
	})
}

// FuzzSealed gives the decoders a batch whose checksums are right and whose fields are anything: as damage never is, so that
// nothing but their own checks is between them and a panic.
func FuzzSealed(f *testing.F) {
	f.Add(uint8(kindEntry), uint8(0), uint32(1), uint32(1), uint32(3), uint32(0), uint64(1), uint64(1), uint32(128), uint32(1), []byte("abc"))
	f.Add(uint8(kindStable), uint8(0), uint32(1), uint32(1), uint32(4), uint32(0), uint64(0), uint64(0), uint32(104), uint32(1), stableValues{}.appendTo(nil))
	f.Add(uint8(kindTruncate), uint8(flagEmpties), uint32(1), uint32(1), uint32(0), uint32(0), uint64(1), uint64(0), uint32(96), uint32(1), []byte{})
	f.Fuzz(func(t *testing.T, k, flags uint8, group, incarnation, dataLength, extLength uint32, index, term uint64, length, records uint32, payload []byte) {
		fs := newCrashFS()
		o := testOptions(t, fs)
		o.manual, o.Fatal = true, func(error) {}
		l := mustOpen(t, o)
		g := mustGroup(t, l, 1)
		must(t, g.StoreLogs([]*raft.Log{entry(1, 1, 10), entry(2, 1, 10)}))
		s := l.writer.active
		if len(payload) > 2*blockBytes {
			return
		}
		block := make([]byte, alignBlock(int64(batchHeaderBytes+recordHeaderBytes+len(payload))))
		h := recordHeader{kind: kind(k), flags: flags, group: GroupID(group), incarnation: incarnation, dataLength: dataLength, extLength: extLength, index: index, term: term}
		if n := int(min(int64(dataLength), int64(len(payload)))); n >= 0 {
			h.dataSum, h.extSum = checksum(payload[:n]), checksum(payload[n:])
		}
		h.encode(block[batchHeaderBytes:])
		sealRecord(block[batchHeaderBytes:], l.writer.nextBatch, s.crcSeed)
		copy(block[batchHeaderBytes+recordHeaderBytes:], payload)
		b := batchHeader{serial: s.serial, number: l.writer.nextBatch, length: length, records: records}
		b.encode(block, s.crcSeed)
		if _, err := s.file.WriteAt(block, s.end); err != nil {
			t.Fatal(err)
		}
		o.FS = fs.crash(nil, crashKeeps)
		again, err := Open(o)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		for _, id := range again.Groups() {
			u := mustGroup(t, again, id).Usage()
			for i := u.Oldest; i != 0 && i <= min(u.Last, 10); i++ {
				var e raft.Log
				if err := mustGroup(t, again, id).GetLog(i, &e); err == nil && e.Index != i {
					t.Fatalf("entry %d is %d", i, e.Index)
				}
			}
		}
	})
}

// FuzzFirstBlocks gives anything to the decoders of what a segment begins with: its header, in a block whose checksum is right, and
// the table of groups.
func FuzzFirstBlocks(f *testing.F) {
	block := make([]byte, blockBytes)
	h := segmentHeader{node: [16]byte{1}, segmentBytes: segmentBytesMin, serial: 2, nonce: 3, firstBatch: 4, previous: 1, previousEnd: 8192}
	h.encode(block)
	f.Add(false, block[:segmentHeaderField])
	t := table{oldest: 3, lastIncarnation: 9, rows: []tableRow{{group: 1, incarnation: 2, first: 3, last: 4, term: 5, stable: stableValues{"a": []byte("b")}}, {group: 7, stable: stableValues{}}}}
	f.Add(true, t.encode())
	f.Add(true, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, isTable bool, data []byte) {
		if isTable {
			fuzzTable(t, data)
		} else {
			fuzzSegmentHeader(t, data)
		}
	})
}

// fuzzTable decodes data; what is taken for a table is what encodes to it.
func fuzzTable(t *testing.T, data []byte) {
	decoded, err := decodeTable(data)
	if err != nil {
		return
	}
	again, err := decodeTable(decoded.encode())
	if err != nil || len(again.rows) != len(decoded.rows) {
		t.Fatalf("%v, %+v", err, decoded)
	}
	for i := range again.rows {
		if !again.rows[i].stable.equal(decoded.rows[i].stable) || again.rows[i].last != decoded.rows[i].last {
			t.Fatalf("%+v, %+v", again.rows[i], decoded.rows[i])
		}
	}
}

// fuzzSegmentHeader decodes a block of these fields; what is taken for a header encodes to the same.
func fuzzSegmentHeader(t *testing.T, fields []byte) {
	block := make([]byte, blockBytes)
	copy(block, fields[:min(len(fields), segmentHeaderField)])
	clear(block[12:16])
	binary.LittleEndian.PutUint32(block[12:], checksum(block))
	h, err := decodeSegmentHeader(block)
	if err != nil {
		return
	}
	again := make([]byte, blockBytes)
	h.encode(again)
	if !bytes.Equal(again, block) {
		t.Fatalf("%x, %x", again[:segmentHeaderField], block[:segmentHeaderField])
	}
}
