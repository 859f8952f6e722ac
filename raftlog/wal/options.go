package wal

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	segmentBytesMin     = 64 << 10
	segmentBytesMax     = 2 << 30
	segmentBytesDefault = 128 << 20
	bytesMaxDefault     = 10 << 30
	cacheBytesDefault   = 64 << 20
	segmentsMin         = 4 // the least that BytesMax must have room for
	allocateRetry       = time.Second
)

// Options configures a Log. Dir and Node are required.
type Options struct {
	// FS is where the files are. Default: vfs.Default, the operating system's, to which segments are written directly (Direct).
	FS vfs.FS
	// Dir is the log's own directory; it is made when it is not there, the one above must be.
	Dir string
	// Node is whose log it is. A directory with another node's is refused.
	Node [16]byte

	// SegmentBytes is how large a segment is, a multiple of 4096 from 64 KiB to 2 GiB. Default 128 MiB. It may differ from
	// one start to the next. An entry, and the stable values of all groups together, must fit into a quarter of it.
	SegmentBytes int64
	// BytesMax is how much all segments together may have, at least four segments. Default 10 GiB. The owner is expected to
	// stop well before (Usage); an append beyond it is fatal.
	BytesMax int64
	// CacheBytes is how much of the newest batches is kept in memory for GetLog and Read, all groups together. Default 64
	// MiB. One batch is kept however large it is, and with it the arena of up to 8 MiB that it lies in.
	CacheBytes int64

	// CheckpointWanted is called when a group's entries fill a segment that should go, and no checkpoint covers them yet; it may
	// be called again until Covered is. It must not block. Default: nothing happens.
	CheckpointWanted func(GroupID)
	// ReleaseWanted is called when the log is half full and a segment that should go stays since a group's owner wants entries in it (Retain). The owner
	// should look whether it still does; it may be called again. It must not block. Default: nothing happens.
	ReleaseWanted func(GroupID)
	// Synced is called after each batch that was written and synced, with its bytes on disk and how long both took. It must not block. Default: nothing happens.
	Synced func(bytes int, took time.Duration)
	// Fatal is called, once, when a write or sync failed, damage was read, or the owner broke the library's contract: from
	// then on every change fails (R4), and only a new process that reads the log again can go on. It should end the
	// process. It must not call the log. Default: panic.
	Fatal func(error)
	// Logger gets what is worth reading. Default slog.Default().
	Logger *slog.Logger
	// Now tells the time, for SyncOverdue. Default time.Now.
	Now func() time.Time

	// manual leaves the goroutines out: calls that wait carry out the work themselves, in an order that a seed decides.
	manual bool
	// nonce draws a segment's nonce. Default: math/rand/v2.
	nonce func() uint64
	// lazy has no reserve made when the log is opened: for those that only look.
	lazy bool
	// arenaBytes is how large arenas are: 0 for as large as they should be.
	arenaBytes int
	// poison overwrites arenas when they become free, so that tests see who still looks at one.
	poison bool
}

// EnsureDefaults fills in what was left out.
func (o *Options) EnsureDefaults() {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	o.FS = Direct(o.FS)
	if o.SegmentBytes == 0 {
		o.SegmentBytes = segmentBytesDefault
	}
	if o.BytesMax == 0 {
		o.BytesMax = max(bytesMaxDefault, segmentsMin*o.SegmentBytes)
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = cacheBytesDefault
	}
	if o.CheckpointWanted == nil {
		o.CheckpointWanted = func(GroupID) {}
	}
	if o.ReleaseWanted == nil {
		o.ReleaseWanted = func(GroupID) {}
	}
	if o.Fatal == nil {
		o.Fatal = func(err error) { panic(err) }
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.nonce == nil {
		o.nonce = rand.Uint64
	}
}

// Validate says which field can't be worked with, and why. It is meant to be called after EnsureDefaults.
func (o *Options) Validate() error {
	switch {
	case o.Dir == "":
		return errors.New("wal: Dir is required")
	case o.Node == [16]byte{}:
		return errors.New("wal: Node is required")
	case o.SegmentBytes < segmentBytesMin || o.SegmentBytes > segmentBytesMax || o.SegmentBytes%blockBytes != 0:
		return fmt.Errorf("wal: SegmentBytes is %d; it must be a multiple of %d from %d to %d", o.SegmentBytes, blockBytes, segmentBytesMin, segmentBytesMax)
	case o.BytesMax < segmentsMin*o.SegmentBytes:
		return fmt.Errorf("wal: BytesMax is %d; it must have room for %d segments of %d", o.BytesMax, segmentsMin, o.SegmentBytes)
	case o.CacheBytes < 0:
		return fmt.Errorf("wal: CacheBytes is %d; it must be positive", o.CacheBytes)
	}
	return nil
}

// recordBytesMax is the largest record: a segment's header, its table and one record fit into it with room to spare.
func (o *Options) recordBytesMax() int { return int(o.SegmentBytes / 4) }

// tableBytesMax bounds the group table.
func (o *Options) tableBytesMax() int { return int(o.SegmentBytes / 4) }

// arenaBytesMax is how large an arena is: a few batches, so that little of it is left over.
func (o *Options) arenaBytesMax() int {
	if o.arenaBytes != 0 {
		return o.arenaBytes
	}
	return min(arenaBytesMax, int(alignBlock(int64(2*o.batchBytes()))))
}

// batchBytes bounds a batch of more than one record.
func (o *Options) batchBytes() int { return min(batchBytesMax, int(o.SegmentBytes/4)) }
