package wal

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hashicorp/raft"
)

// TestRot (R2, R3) flips a bit of what was synced, and expects that the log is refused, or that reading what was hit is.
// The last batch of the newest segment is spared: that one can't be told from one that was being written.
func TestRot(t *testing.T) {
	refused, stopped := 0, 0
	for _, seed := range seeds(t, 150) {
		u := newRun(seed)
		err := u.open()
		for i := 0; i < 40 && err == nil; i++ {
			err = u.step()
		}
		if err != nil {
			report(t, seed, u, err)
		}
		r := rand.New(rand.NewPCG(seed, 9))
		parts := writtenParts(t, u)
		for range 20 {
			left := u.fs.crash(r, crashDrops)
			part := parts[r.IntN(len(parts))]
			at := part.from + r.Int64N(part.to-part.from)
			node := left.names[part.path]
			node.content = slices.Clone(node.content)
			node.content[at] ^= 1 << r.IntN(8)
			u.failed = nil
			l, err := Open(u.options(left, r))
			if err != nil {
				if refused++; !errors.Is(err, ErrCorrupt) {
					t.Fatalf("seed %d: a flipped bit at %d of %s: %v", seed, at, part.path, err)
				}
				continue
			}
			if _, err := u.check(l); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("seed %d: a flipped bit at %d of %s goes unnoticed: %v", seed, at, part.path, err)
			}
			stopped++
		}
	}
	if refused == 0 || stopped == 0 {
		t.Fatalf("%d refused when opened, %d when read", refused, stopped)
	}
}

type part struct {
	path     string
	from, to int64
}

// writtenParts returns where something was written that matters: headers, and records that are wanted with their payload.
func writtenParts(t *testing.T, u *run) (parts []part) {
	list := u.log.segments.mu.list
	for i, s := range list {
		parts = append(parts, part{s.path, 0, blockBytes})
		w := walker{segment: s, whole: true, window: window{file: s.file, size: s.segmentBytes}}
		number := s.firstBatch
		for at := int64(blockBytes); at < s.end; number++ {
			records, end, _, err := w.batch(at, number, s.end)
			if err != nil {
				t.Fatal(err)
			}
			if end == s.end && i == len(list)-1 {
				break
			}
			parts = append(parts, part{s.path, at, at + batchHeaderBytes})
			for j := range records {
				r := &records[j]
				parts = append(parts, part{s.path, r.offset, r.offset + recordHeaderBytes})
				payload := int64(r.dataLength) + int64(r.extLength)
				g := u.log.groups.byID[r.group]
				if payload == 0 || r.kind == kindEntry && (g == nil || !wanted(g, s, r)) {
					continue
				}
				parts = append(parts, part{s.path, r.offset + recordHeaderBytes, r.offset + recordHeaderBytes + payload})
			}
			at = end
		}
	}
	return parts
}

// wanted says whether reading all entries reads this record.
func wanted(g *Group, s *segment, r *record) bool {
	at, there := g.mu.index.find(r.index)
	return there && at.segment == s.number() && int64(at.offset) == r.offset && g.incarnation == r.incarnation
}

// TestForgedBatch (R2): what a client sends stands at the beginning of a block, and looks like a later batch of this segment,
// as far as anybody can know without having seen the disk. When the batch around it is torn, it must not pass for the next
// one.
func TestForgedBatch(t *testing.T) {
	fs := newCrashFS()
	o := testOptions(t, fs)
	o.manual = true
	l := mustOpen(t, o)
	g := mustGroup(t, l, 1)
	must(t, g.StoreLog(entry(1, 1, 100)))
	s := l.writer.active
	var known [16]byte // the nonce is not
	binary.LittleEndian.PutUint64(known[:], s.serial)
	for _, seed := range []uint32{0, checksum(known[:8]), checksum(known[:])} {
		forged := make([]byte, 3*blockBytes)
		from := blockBytes - batchHeaderBytes - recordHeaderBytes // a block's beginning
		h := batchHeader{serial: s.serial, number: l.writer.nextBatch + 1, length: batchHeaderBytes}
		h.encode(forged[from:], seed)
		fs.after = func(what string) {
			if what != "write" {
				return
			}
			left := fs.crash(nil, crashKeeps)
			node := left.names[s.path]
			node.content = slices.Clone(node.content)
			node.content[s.end+batchHeaderBytes] ^= 1 // torn
			if h, err := decodeBatchHeader(node.content[s.end+blockBytes:], seed); err != nil || h.serial != s.serial {
				t.Fatalf("the forged header is not where it should be: %v", err)
			}
			o.FS = left
			again := mustOpen(t, o)
			wantMissing(t, mustGroup(t, again, 1), l.groups.byID[1].mu.last+1)
		}
		must(t, g.StoreLog(&raft.Log{Index: g.mu.last + 1, Term: 1, Data: forged}))
		fs.after = func(string) {}
	}
}

// TestBoundRecords (R3): a header is valid in no other segment, and for no other nonce.
func TestBoundRecords(t *testing.T) {
	here := segmentHeader{serial: 7, nonce: 1}
	block := make([]byte, blockBytes)
	batch := batchHeader{serial: 7, number: 3, length: 100, records: 1}
	record := recordHeader{kind: kindEntry, group: 1, index: 5, term: 2}
	batch.encode(block, here.seed())
	record.encode(block[batchHeaderBytes:])
	sealRecord(block[batchHeaderBytes:], 3, here.seed())
	for name, c := range map[string]struct {
		in    segmentHeader
		valid bool
	}{"here": {here, true}, "next serial": {segmentHeader{serial: 8, nonce: 1}, false}, "other nonce": {segmentHeader{serial: 7, nonce: 2}, false}} {
		_, batchErr := decodeBatchHeader(block, c.in.seed())
		_, recordErr := decodeRecordHeader(block[batchHeaderBytes:], c.in.seed())
		if (batchErr == nil) != c.valid || (recordErr == nil) != c.valid {
			t.Errorf("%s: batch %v, record %v", name, batchErr, recordErr)
		}
	}
}

// TestTornTwice (R1): a batch is torn so that its second block alone is there, and so is, after the next start, another batch
// with the same number and layout, whose first block alone is there. The two halves fit each other, and must not be taken
// for one batch.
func TestTornTwice(t *testing.T) {
	for _, closed := range []bool{false, true} {
		fs := newCrashFS()
		o := testOptions(t, fs)
		o.manual = true
		l := mustOpen(t, o)
		must(t, mustGroup(t, l, 1).StoreLog(entry(1, 1, 100)))
		if closed {
			must(t, l.Close())
			l = mustOpen(t, o)
		}
		for half := range 2 {
			g := mustGroup(t, l, 1)
			var left *crashFS
			fs.after = func(what string) {
				if what != "write" {
					return
				}
				left = fs.crash(nil, crashDrops)
				for name, node := range fs.names {
					if w := node.writes; node.dirty && len(w[0].data) == 2*blockBytes && left.names[name] != nil {
						offset := w[0].offset + int64(1-half)*blockBytes
						left.names[name].content = overlay(slices.Clone(node.base), w[0].data[(1-half)*blockBytes:][:blockBytes], offset)
					}
				}
			}
			// The second record begins with the second block.
			first := blockBytes - batchHeaderBytes - recordHeaderBytes
			must(t, g.StoreLogs([]*raft.Log{
				{Index: 2, Term: 1, Data: make([]byte, first)}, {Index: 3, Term: 1, Data: []byte{byte(half)}},
			}))
			fs.after = func(string) {}
			fs = left
			o.FS = fs
			l = mustOpen(t, o)
			wantMissing(t, mustGroup(t, l, 1), 2)
			wantEntry(t, mustGroup(t, l, 1), entry(1, 1, 100))
		}
	}
}

// TestRefused: files that are missing, too short, another node's or a later build's are refused, with their names.
func TestRefused(t *testing.T) {
	u := newRun(1)
	err := u.open()
	for i := 0; i < 80 && err == nil; i++ {
		err = u.step()
	}
	if err != nil {
		t.Fatal(err)
	}
	list := u.log.segments.mu.list
	if len(list) < 3 {
		t.Fatalf("%d segments", len(list))
	}
	second := list[1].path
	rewrite := func(fs *crashFS, change func(h *segmentHeader, block []byte)) {
		node := fs.names[second]
		node.content = slices.Clone(node.content)
		h, err := decodeSegmentHeader(node.content)
		must(t, err)
		change(&h, node.content)
	}
	for name, c := range map[string]struct {
		damage func(fs *crashFS)
		want   error
	}{
		"missing":        {func(fs *crashFS) { delete(fs.names, second) }, ErrCorrupt},
		"oldest missing": {func(fs *crashFS) { delete(fs.names, list[0].path) }, ErrCorrupt},
		"under another name": {func(fs *crashFS) {
			fs.names[second] = fs.names[list[0].path]
		}, ErrCorrupt},
		"short": {func(fs *crashFS) { fs.names[second].content = fs.names[second].content[:segmentBytesMin-1] }, ErrCorrupt},
		"empty": {func(fs *crashFS) { fs.names[second].content = nil }, ErrCorrupt},
		"another node's": {func(fs *crashFS) {
			rewrite(fs, func(h *segmentHeader, block []byte) { h.node[3]++; h.encode(block) })
		}, ErrForeign},
		"later version": {func(fs *crashFS) {
			rewrite(fs, func(_ *segmentHeader, block []byte) {
				block[8]++
				clear(block[12:16])
				binary.LittleEndian.PutUint32(block[12:], checksum(block[:blockBytes]))
			})
		}, ErrForeign},
		"end moved": {func(fs *crashFS) {
			rewrite(fs, func(h *segmentHeader, block []byte) { h.previousEnd -= blockBytes; h.encode(block) })
		}, ErrCorrupt},
		"end beyond the file": {func(fs *crashFS) {
			rewrite(fs, func(h *segmentHeader, block []byte) { h.previousEnd = 1 << 40; h.encode(block) })
		}, ErrCorrupt},
	} {
		left := u.fs.crash(nil, crashDrops)
		c.damage(left)
		if _, err := Open(u.options(left, u.r)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
