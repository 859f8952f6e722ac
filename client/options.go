package client

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
)

// Option configures a Client.
type Option func(*clientOptions)

type clientOptions struct {
	tls    *tls.Config
	dialer func(ctx context.Context, target string) (net.Conn, error)
	logger *slog.Logger
}

// WithTLS connects over TLS with this configuration. Default: no TLS.
func WithTLS(config *tls.Config) Option {
	return func(o *clientOptions) { o.tls = config }
}

// WithDialer opens connections in place of TCP, for tests and tunnels. It is given an address as it was given to Connect, or as a node of the cluster
// advertises it; one that it can't reach does no harm as long as it reaches another.
func WithDialer(dial func(ctx context.Context, target string) (net.Conn, error)) Option {
	return func(o *clientOptions) { o.dialer = dial }
}

// WithLogger has the client tell of what it hides: broken connections, tries, lost leases. Default: nothing is logged.
func WithLogger(logger *slog.Logger) Option {
	return func(o *clientOptions) { o.logger = logger }
}

// Compression is how a producer compresses blocks.
type Compression uint8

// The compressions.
const (
	// CompressionNone sends events as they are.
	CompressionNone = Compression(block.CodecNone)
	// CompressionS2 is fast, and leaves about a third of the bytes of JSON.
	CompressionS2 = Compression(block.CodecS2)
	// CompressionZstd leaves fewer, at several times the work.
	CompressionZstd = Compression(block.CodecZstd)
)

// String is the compression's name: "none", "s2" or "zstd".
func (c Compression) String() string { return block.Codec(c).String() }

// ProducerOption configures a Producer.
type ProducerOption func(*producerOptions)

type producerOptions struct {
	compression  Compression
	linger       time.Duration
	bufferEvents int
	bufferBytes  int
	requireJSON  bool
	matches      bool
}

// Limits and defaults of a producer.
const (
	lingerDefault       = 5 * time.Millisecond
	lingerMax           = time.Second
	bufferEventsDefault = 65_536
	bufferBytesDefault  = 16 << 20
	bufferBytesMin      = 2 << 20 // the largest event fits, with its properties
)

// WithCompression chooses how blocks are compressed. Default CompressionS2.
func WithCompression(c Compression) ProducerOption {
	return func(o *producerOptions) { o.compression = c }
}

// WithLinger is how long an event waits at most for others to share its block, 0 to 1 s. Default 5 ms. With nothing in flight no event waits, nor where fewer than 8
// come to the producer in that time.
func WithLinger(d time.Duration) ProducerOption {
	return func(o *producerOptions) { o.linger = d }
}

// WithBuffer bounds the events, and their bytes, that a producer holds until they are answered: publishing waits for room beyond. At least
// 1 event and 2 MiB. Default 65,536 events and 16 MiB.
func WithBuffer(events, bytes int) ProducerOption {
	return func(o *producerOptions) { o.bufferEvents, o.bufferBytes = events, bytes }
}

// WithRequireJSON has a node refuse events that say they are JSON and aren't (FR2004): one object, valid UTF-8, nested at most 1,000 deep.
// A block is refused as a whole. Default: they are stored, and subscriptions without a pattern get them.
func WithRequireJSON() ProducerOption {
	return func(o *producerOptions) { o.requireJSON = true }
}

// WithMatches has receipts tell which subscriptions an event matched. It costs the node time, and blocks have at most 1,024 events then.
func WithMatches() ProducerOption {
	return func(o *producerOptions) { o.matches = true }
}

func (o *producerOptions) validate() error {
	switch {
	case o.compression > CompressionZstd:
		return argumentError("compression", "%v is unknown", o.compression)
	case o.linger < 0 || o.linger > lingerMax:
		return argumentError("linger", "linger is %v: 0 to %v are possible", o.linger, lingerMax)
	case o.bufferEvents < 1:
		return argumentError("buffer_events", "a buffer of %d events: at least 1 is possible", o.bufferEvents)
	case o.bufferBytes < bufferBytesMin:
		return argumentError("buffer_bytes", "a buffer of %d bytes: at least %d are possible", o.bufferBytes, bufferBytesMin)
	}
	return nil
}

// ConsumeOption configures Consume.
type ConsumeOption func(*consumeOptions)

type consumeOptions struct {
	windowEvents   int
	windowBytes    int
	concurrency    int
	visibility     time.Duration // 0: the subscription's
	handlerTimeout time.Duration
	drainTimeout   time.Duration
	acked          func(events int)
	truncated      func(partition uint32, before uint64)
}

// Limits and defaults of consumers.
const (
	windowEventsDefault   = 1_000
	windowBytesDefault    = 8 << 20
	windowEventsMax       = 65_536
	windowBytesMax        = 64 << 20
	concurrencyDefault    = 16
	concurrencyMax        = windowEventsMax
	handlerTimeoutDefault = 10 * time.Minute
	drainTimeoutDefault   = 10 * time.Second
	visibilityMin         = time.Second
	visibilityMax         = 12 * time.Hour
	reasonBytesMax        = 256
)

// WithWindow bounds what a consumer holds: events leased to it that it has not settled, running or waiting for a handler, 1 to 65,536, and
// their bytes, 1 to 64 MiB (of each partition one event is given whatever its size). The topic's partitions share it: credit is moved to where events
// are, also when there are more of them than events fit in. Default 1,000 events and 8 MiB. What a slow consumer holds nobody
// else gets: make the window small where handlers are slow.
func WithWindow(events, bytes int) ConsumeOption {
	return func(o *consumeOptions) { o.windowEvents, o.windowBytes = events, bytes }
}

// WithConcurrency is how many handlers run at a time, 1 to 65,536. Default 16.
func WithConcurrency(handlers int) ConsumeOption {
	return func(o *consumeOptions) { o.concurrency = handlers }
}

// WithVisibility is how long a lease lasts unless extended, 1 s to 12 h. Default: the subscription's. The client extends leases by
// itself while it lives: this is how soon others get the events once it doesn't.
func WithVisibility(d time.Duration) ConsumeOption {
	return func(o *consumeOptions) { o.visibility = d }
}

// WithHandlerTimeout is how long one handler may take, more than 0. Beyond it the handler's context ends with ErrHandlerTimeout and its
// event is released, as an attempt. When all handlers are stuck beyond it, what waits for a handler is given back too. Default 10 minutes.
func WithHandlerTimeout(d time.Duration) ConsumeOption {
	return func(o *consumeOptions) { o.handlerTimeout = d }
}

// WithAcked has count told how many events a node has just confirmed as acked, for figures of one's own. It must return at once, and not use the client.
func WithAcked(count func(events int)) ConsumeOption {
	return func(o *consumeOptions) { o.acked = count }
}

// WithTruncated has tell told when the topic's retention has dropped what waited in a partition before an offset (Retention.Drop): those events won't come. It is
// called once for each gap, and for the last one there was before the consumer came. It must return at once, and not use the client. Default: the client's logger is told.
func WithTruncated(tell func(partition uint32, before uint64)) ConsumeOption {
	return func(o *consumeOptions) { o.truncated = tell }
}

// WithDrainTimeout is how long handlers may go on when Consume is to end, before their contexts end with ErrDraining, and then again how
// long outstanding acks are waited for. 0 or more. Default 10 s.
func WithDrainTimeout(d time.Duration) ConsumeOption {
	return func(o *consumeOptions) { o.drainTimeout = d }
}

func (o *consumeOptions) validate() error {
	switch {
	case o.windowEvents < 1 || o.windowEvents > windowEventsMax:
		return argumentError("window_events", "a window of %d events: 1 to %d are possible", o.windowEvents, windowEventsMax)
	case o.windowBytes < 1 || o.windowBytes > windowBytesMax:
		return argumentError("window_bytes", "a window of %d bytes: 1 to %d are possible", o.windowBytes, windowBytesMax)
	case o.concurrency < 1 || o.concurrency > concurrencyMax:
		return argumentError("concurrency", "%d handlers at a time: 1 to %d are possible", o.concurrency, concurrencyMax)
	case o.handlerTimeout <= 0:
		return argumentError("handler_timeout", "a handler timeout of %v: it must be more than 0", o.handlerTimeout)
	case o.drainTimeout < 0:
		return argumentError("drain_timeout", "a drain timeout of %v: it can't be negative", o.drainTimeout)
	}
	return checkVisibility(o.visibility)
}

// checkVisibility takes 0 for the subscription's own.
func checkVisibility(d time.Duration) error {
	if d != 0 && (d < visibilityMin || d > visibilityMax) {
		return argumentError("visibility_ms", "a visibility timeout of %v: %v to %v are possible", d, visibilityMin, visibilityMax)
	}
	return nil
}

// ReceiveOption configures Receive.
type ReceiveOption func(*receiveOptions)

type receiveOptions struct {
	wait       time.Duration
	bytes      int
	visibility time.Duration
}

// Limits of Receive.
const (
	receiveEventsMax = 1_000
	receiveBytesMax  = 16 << 20
	longPollMax      = 20 * time.Second // of one request; longer waits are several
)

// WithWait is how long Receive waits for a first event when there is none, 0 or more. Default 0: it doesn't.
func WithWait(d time.Duration) ReceiveOption {
	return func(o *receiveOptions) { o.wait = d }
}

// WithLease is how long the lease lasts, 1 s to 12 h: nothing extends it by itself. Default: the subscription's visibility timeout.
func WithLease(d time.Duration) ReceiveOption {
	return func(o *receiveOptions) { o.visibility = d }
}

// WithMaxBytes bounds the bytes of a batch, 1 to 16 MiB; one event is given whatever its size. Default 1 MiB.
func WithMaxBytes(bytes int) ReceiveOption {
	return func(o *receiveOptions) { o.bytes = bytes }
}

func (o *receiveOptions) validate(events int) error {
	switch {
	case events < 1 || events > receiveEventsMax:
		return argumentError("max_events", "%d events at once: 1 to %d are possible", events, receiveEventsMax)
	case o.bytes < 0 || o.bytes > receiveBytesMax:
		return argumentError("max_bytes", "%d bytes at once: 1 to %d are possible", o.bytes, receiveBytesMax)
	case o.wait < 0:
		return argumentError("wait_ms", "a wait of %v: it can't be negative", o.wait)
	}
	return checkVisibility(o.visibility)
}

// ReadOption configures Read.
type ReadOption func(*readOptions)

type readOptions struct {
	partition *uint32
	earliest  bool
	offset    *uint64
	time      time.Time
	pattern   string
	follow    bool
}

// WithPartition reads one of the topic's partitions alone. Default: all of them.
func WithPartition(number uint32) ReadOption {
	return func(o *readOptions) { o.partition = &number }
}

// FromEarliest begins with the oldest event that is still held; that there were others before it is told by a *TruncatedError. Default: with the next event that
// is published.
func FromEarliest() ReadOption {
	return func(o *readOptions) { o.earliest, o.offset, o.time = true, nil, time.Time{} }
}

// FromOffset begins with the event at this offset. Offsets are a partition's own: where the topic is on several, WithPartition has to say which.
func FromOffset(offset uint64) ReadOption {
	return func(o *readOptions) { o.earliest, o.offset, o.time = false, &offset, time.Time{} }
}

// FromTime begins with the first event stored at this time or later, to the millisecond.
func FromTime(t time.Time) ReadOption {
	return func(o *readOptions) { o.earliest, o.offset, o.time = false, nil, t }
}

// WithPattern reads only events that match an event pattern, JSON text of at most 64 KiB. Default: all.
func WithPattern(pattern string) ReadOption {
	return func(o *readOptions) { o.pattern = pattern }
}

// WithFollow goes on with what is published from now on, until the context ends. Default: reading ends at the log's head.
func WithFollow() ReadOption {
	return func(o *readOptions) { o.follow = true }
}
