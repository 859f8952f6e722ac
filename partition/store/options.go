package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/time/rate"
)

// Options of a store.
type Options struct {
	// Dir holds the store's files and nothing else. Required; made if it isn't there, with mode 0700.
	Dir string
	// FS is where Dir is. Default: the machine's own files.
	FS vfs.FS
	// MemTableBytes is how much is gathered in memory before it is written as a table. Default 64 MiB: with Pebble's own 4 MiB, checkpoints of
	// several groups wait for tables to be written, and everything is compacted once more. At least 64 KiB.
	MemTableBytes int64
	// CacheBytes bounds the memory for blocks that were read. Default 16 MiB: checkpoints are read from end to end, once.
	CacheBytes int64
	// Logger defaults to none.
	Logger *slog.Logger
	// Fatal is called when a write or a sync has failed, or what is on disk is damaged: nobody knows then what is durable, and the process
	// must end (R4). It mustn't return. Default: panic.
	Fatal func(error)
}

// EnsureDefaults fills in what was left out.
func (o *Options) EnsureDefaults() {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = 64 << 20
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 16 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Fatal == nil {
		o.Fatal = func(err error) { panic(err) }
	}
}

// Validate names the first option that makes no sense.
func (o *Options) Validate() error {
	switch {
	case o.Dir == "":
		return errors.New("store: Dir is empty")
	case o.MemTableBytes < 64<<10 || o.MemTableBytes > 2<<30:
		return fmt.Errorf("store: MemTableBytes is %d, from %d to %d", o.MemTableBytes, 64<<10, 2<<30)
	case o.CacheBytes < 0:
		return fmt.Errorf("store: CacheBytes is %d, at least 0", o.CacheBytes)
	}
	return nil
}

// formatVersion of Pebble's files. From FormatWALSyncChunks on, a bad checksum in the newest log file ends recovery with an error when a later block
// says that it was synced; Pebble's default takes it for the end of the file and drops what follows, synced or not (witness.go has the rest). From FormatTableFormatV6 on,
// a table's footer has a checksum too. A newer one is taken when somebody needs it, not because it is there: Pebble migrates forwards only.
const formatVersion = pebble.FormatTableFormatV6

// deleteRangeFlush is how long a replaced generation's room may stay taken in a node that writes little else.
const deleteRangeFlush = 10 * time.Second

// pebbleOptions is what a store asks of Pebble. The log of its own stays on: a commit is one sync of it.
func (o *Options) pebbleOptions() *pebble.Options {
	logger := &pebbleLogger{to: o.Logger, fatal: o.Fatal, seldom: rate.Sometimes{First: 1, Interval: failuresEvery}}
	options := &pebble.Options{
		FS:                    unreserved{o.FS, o.Fatal},
		FormatMajorVersion:    formatVersion,
		MemTableSize:          uint64(o.MemTableBytes),
		CacheSize:             o.CacheBytes,
		BytesPerSync:          512 << 10,
		WALBytesPerSync:       512 << 10,
		FlushDelayDeleteRange: deleteRangeFlush,
		Logger:                logger,
		EventListener: &pebble.EventListener{
			BackgroundError: logger.background,
			DataCorruption:  logger.damaged,
			WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
				o.Logger.Warn("the state store waits for its tables", "reason", i.Reason)
			},
		},
		CompactionConcurrencyRange: func() (lower, upper int) { return 1, 1 },
	}
	// The scheduler that Pebble makes itself looks ten times a second whether more compactions are allowed at a time than before. Here it is always
	// one, so the end of one is all that can allow another, and idle nodes sleep.
	options.Experimental.CompactionScheduler = pebble.NewConcurrencyLimitSchedulerWithNoPeriodicGrantingForTest()
	return options
}

// pebbleLogger takes what Pebble has to say. Pebble calls Fatalf where it can't go on, and relies on it not to return.
type pebbleLogger struct {
	to    *slog.Logger
	fatal func(error)
	// failures are tables that couldn't be written, of which seldom one is told.
	failures atomic.Int64
	seldom   rate.Sometimes
}

// failuresEvery is how often it is told that tables can't be written: Pebble tries again at once, some hundred times a second on a full disk.
const failuresEvery = 10 * time.Second

// Infof implements pebble.Logger. Pebble tells about each table that it writes: nobody asked.
func (l *pebbleLogger) Infof(format string, args ...any) {
	if l.to.Enabled(context.TODO(), slog.LevelDebug) { //nolint:forbidigo // Pebble hands none on, and the level depends on none
		l.to.Debug("the state store says", "what", fmt.Sprintf(format, args...))
	}
}

// Errorf implements pebble.Logger.
func (l *pebbleLogger) Errorf(format string, args ...any) {
	l.to.Error("the state store reports an error", "error", fmt.Sprintf(format, args...))
}

// Fatalf implements pebble.Logger (R4).
func (l *pebbleLogger) Fatalf(format string, args ...any) {
	err := fmt.Errorf("store: "+format, args...)
	l.fatal(err)
	panic(err) // what goes on behind a failed write may report as durable what isn't
}

// damaged is told of a file that has something else than was written. Pebble's own words for it go on with stack traces.
func (l *pebbleLogger) damaged(info pebble.DataCorruptionInfo) {
	l.Fatalf("damaged: %s: %s", info.Path, info.Details.Error())
}

// background is told of a table that couldn't be written: Pebble tries again, and commits wait when too much does. Damage doesn't go away.
func (l *pebbleLogger) background(err error) {
	if pebble.IsCorruptionError(err) {
		l.fatal(fmt.Errorf("store: damaged: %w", err))
		return
	}
	failures := l.failures.Add(1)
	l.seldom.Do(func() {
		// Not with %+v, as slog would for an error of Pebble's: it has stack traces.
		l.to.Error("the state store can't write a table, and tries again", "error", err.Error(), "failures", failures)
	})
}
