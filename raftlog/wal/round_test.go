package wal

import (
	"bytes"
	"testing"

	"github.com/hashicorp/raft"
)

// TestRound: the owner of one group keeps half of the log, in its beginning, and another writes and lets go of what it wrote many times
// what there is room for. The log goes round, nothing is lost, and it is the same when it is opened again.
func TestRound(t *testing.T) {
	fs := newCrashFS()
	o := testOptions(t, fs)
	o.manual, o.BytesMax = true, 16*segmentBytesMin
	l := mustOpen(t, o)
	kept, busy := mustGroup(t, l, 1), mustGroup(t, l, 2)
	last := uint64(0)
	for l.segments.count() < 8 {
		last++
		must(t, kept.StoreLog(entry(last, 1, 3000)))
	}
	kept.Covered(last - 1)
	must(t, kept.DeleteRange(1, last-1))
	const writes = 3000
	most := int64(0)
	for i := uint64(1); i <= writes; i++ {
		must(t, busy.StoreLog(entry(i, 1, 3000)))
		if i%8 == 0 {
			busy.Covered(i)
			busy.Retain(i)
			must(t, busy.DeleteRange(1, i-1))
		}
		for l.retireOne() {
		}
		most = max(most, l.Usage().Bytes)
	}
	stats := l.Stats()
	t.Logf("%d rounds, %d bytes moved of %d written, at most %d of %d in use", stats.Rounds, stats.BytesMoved, stats.BytesWritten, most, o.BytesMax)
	if stats.Rounds < 5 || most > o.BytesMax/8*7 {
		t.Errorf("%d rounds, and %d bytes in use", stats.Rounds, most)
	}
	if stats.BytesMoved > 4*stats.BytesWritten/5 {
		t.Errorf("%d bytes were moved", stats.BytesMoved)
	}
	for range 2 {
		for i := uint64(1); i <= last; i++ {
			var got raft.Log
			must(t, kept.Read(i, &got))
			if !bytes.Equal(got.Data, entry(i, 1, 3000).Data) {
				t.Fatalf("entry %d is another one", i)
			}
		}
		o.FS = fs.killed()
		l = mustOpen(t, o)
		kept = mustGroup(t, l, 1)
	}
}

// TestRoundsEnd: a log that is full of what is wanted is left alone, however its files are filled.
func TestRoundsEnd(t *testing.T) {
	fs := newCrashFS()
	o := testOptions(t, fs)
	o.manual, o.BytesMax = true, 16*segmentBytesMin
	l := mustOpen(t, o)
	g := mustGroup(t, l, 1)
	for i := uint64(1); l.Usage().Bytes < 14*segmentBytesMin; i++ {
		must(t, g.StoreLog(entry(i, 1, 100))) // 4 KiB each on disk
		if i%16 == 0 {
			g.Covered(i)
			must(t, g.DeleteRange(1, i-1))
		}
		for l.retireOne() {
		}
		if i > 100_000 {
			t.Fatal("the log doesn't fill")
		}
	}
	stats := l.Stats()
	t.Logf("%d rounds, %d bytes moved of %d written", stats.Rounds, stats.BytesMoved, stats.BytesWritten)
	for range 100 {
		for l.retireOne() {
		}
	}
	if again := l.Stats(); again.BytesMoved != stats.BytesMoved {
		t.Errorf("%d more bytes were moved, and nothing was written", again.BytesMoved-stats.BytesMoved)
	}
}
