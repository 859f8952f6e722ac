package transport

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// readBufferBytes is read ahead of a frame. What is larger is read to where it belongs.
	readBufferBytes = 32 << 10
	// gatherBytes is what is put together for a stream that takes one piece at a time.
	gatherBytes = 64 << 10
	// writeBytesMax is how much one system call writes, unless a single frame has more: what comes meanwhile waits for it.
	writeBytesMax = 512 << 10
)

// connection is either end of a lane that stays open. Whoever has a frame to send writes it, if nobody writes just then;
// what comes meanwhile the connection's writer takes along, many frames at a time.
//
//	send ──▶ queue ──▶ first come: writes at once ─┐
//	              └──▶ writer, for all others ─────┴──▶ stream ──▶ read
//
// A connection fails once and as a whole: fail closes it, and its owner's onFail says so to whoever waits for anything.
type connection struct {
	t      *Transport
	stream net.Conn
	lane   laneKind
	reader *bufio.Reader
	onFail func(error)

	out struct {
		sync.Mutex
		queue   queue
		writing bool
		err     error
	}
	wake chan struct{} // holds one; the writer's
	// Those of whoever writes, which out.writing says.
	frames   []*frame
	pieces   net.Buffers
	rest     net.Buffers   // of pieces, while they are written
	gathered *bufio.Writer // for streams that can't write many pieces in one go

	failed  chan struct{}
	running sync.WaitGroup

	// What watch looks at.
	bytesRead, bytesWritten atomic.Uint64
	writeBegun              atomic.Bool
	seen                    struct {
		read, written uint64
		silent, stuck time.Duration
	}
}

func newConnection(t *Transport, stream net.Conn, lane laneKind) *connection {
	c := &connection{t: t, stream: stream, lane: lane, wake: make(chan struct{}, 1), failed: make(chan struct{})}
	c.reader = bufio.NewReaderSize(countingReader{stream, &c.bytesRead}, readBufferBytes)
	if _, ok := stream.(*net.TCPConn); !ok {
		c.gathered = bufio.NewWriterSize(stream, gatherBytes)
	}
	return c
}

// countingReader counts what is read, so that watch sees a sign of life.
type countingReader struct {
	stream net.Conn
	bytes  *atomic.Uint64
}

func (r countingReader) Read(p []byte) (int, error) {
	n, err := r.stream.Read(p)
	r.bytes.Add(uint64(n))
	return n, err
}

// fail ends the connection. The first reason counts.
func (c *connection) fail(err error) {
	c.out.Lock()
	if c.out.err != nil {
		c.out.Unlock()
		return
	}
	c.out.err = err
	c.out.queue = queue{}
	c.out.Unlock()
	close(c.failed)
	_ = c.stream.Close() // what it says of a connection that is given up helps nobody
	if c.onFail != nil {
		c.onFail(err)
	}
}

// err returns why the connection failed, nil while it has not.
func (c *connection) err() error {
	c.out.Lock()
	defer c.out.Unlock()
	return c.out.err
}

// send queues a frame. With direct it may write it, and what was queued with it, before it returns.
func (c *connection) send(f *frame, group GroupNumber, direct bool) error {
	c.out.Lock()
	if err := c.out.err; err != nil {
		c.out.Unlock()
		return err
	}
	c.out.queue.put(f, group)
	if c.out.writing {
		c.out.Unlock()
		return nil
	}
	c.out.writing = true
	c.out.Unlock()
	if direct && !c.writeSome() {
		return nil
	}
	c.wake <- struct{}{} // there is room: it is written to once until the writer has stopped
	return nil
}

// write is the connection's writer.
func (c *connection) write() {
	for {
		select {
		case <-c.wake:
			for c.writeSome() {
			}
		case <-c.failed:
			return
		}
	}
}

// writeSome writes what is queued, up to a bound. It is true when more is queued; else nobody is writing any more.
func (c *connection) writeSome() bool {
	c.out.Lock()
	var size int
	c.frames, size = c.out.queue.take(c.frames, writeBytesMax)
	if len(c.frames) == 0 {
		c.out.writing = false
		c.out.Unlock()
		return false
	}
	c.out.Unlock()

	err := c.writeFrames(size)
	if err != nil {
		c.fail(fmt.Errorf("%w: writing: %w", ErrBroken, err))
	}
	c.out.Lock()
	defer c.out.Unlock()
	if len(c.out.queue.frames) == 0 {
		c.out.writing = false
		return false
	}
	return true
}

// writeFrames writes c.frames and lets go of them.
func (c *connection) writeFrames(size int) error {
	for _, f := range c.frames {
		c.pieces = f.appendTo(c.pieces)
	}
	c.writeBegun.Store(true)
	err := c.writePieces()
	c.writeBegun.Store(false)
	c.bytesWritten.Add(uint64(size))
	c.t.counters.framesSent.Add(uint64(len(c.frames)))
	c.t.counters.bytesSent.Add(uint64(size))
	c.t.counters.writes.Add(1)
	for _, f := range c.frames {
		c.t.buffers.free(f)
	}
	clear(c.frames)
	clear(c.pieces)
	c.frames, c.pieces = c.frames[:0], c.pieces[:0]
	return err
}

func (c *connection) writePieces() error {
	if c.gathered == nil {
		c.rest = c.pieces
		_, err := c.rest.WriteTo(c.stream)
		return err
	}
	for _, piece := range c.pieces {
		if _, err := c.gathered.Write(piece); err != nil {
			return err
		}
	}
	return c.gathered.Flush()
}

// readHeader reads the next frame's header, and refuses a frame that must not be.
func (c *connection) readHeader() (frameHeader, error) {
	raw, err := c.reader.Peek(frameHeaderBytes)
	if err != nil {
		return frameHeader{}, fmt.Errorf("%w: reading: %w", ErrBroken, err)
	}
	h, err := parseFrameHeader(raw)
	if err != nil {
		return h, err
	}
	if limit := payloadMax(h.kind, c.t.messageBytes()); int64(h.length) > int64(limit) {
		return h, fmt.Errorf("%w: %v of %d bytes; the most is %d", ErrCorrupt, h.kind, h.length, limit)
	}
	_, _ = c.reader.Discard(frameHeaderBytes) // it is in the buffer
	c.t.counters.framesReceived.Add(1)
	c.t.counters.bytesReceived.Add(uint64(frameHeaderBytes + h.length))
	return h, nil
}

// readPayload fills a buffer with a frame's payload.
func (c *connection) readPayload(into []byte) error {
	if _, err := io.ReadFull(c.reader, into); err != nil {
		return fmt.Errorf("%w: reading: %w", ErrBroken, err)
	}
	return nil
}

// ping sends an empty frame, which the other side answers with another. It never blocks.
func (c *connection) ping(kind frameKind) {
	f := c.t.buffers.newFrame(0)
	f.seal(kind, 0, 0)
	_ = c.send(f, 0, false) // a connection that has failed needs no sign of life
}

// watch is called once a tick. It gives the connection up when a write does not come to its end, or when nothing was heard for
// longer than silence.
func (c *connection) watch(tick, silence time.Duration) (silent time.Duration) {
	w := &c.seen
	if read := c.bytesRead.Load(); read != w.read {
		w.read, w.silent = read, 0
	} else {
		w.silent += tick
	}
	if written := c.bytesWritten.Load(); written != w.written || !c.writeBegun.Load() {
		w.written, w.stuck = written, 0
	} else {
		w.stuck += tick
	}
	switch {
	case w.silent > silence:
		c.t.counters.silences.Add(1)
		c.fail(fmt.Errorf("%w: nothing heard for %v", ErrBroken, w.silent))
	case w.stuck > c.t.options.AnswerTimeout:
		c.fail(fmt.Errorf("%w: a write has not ended for %v", ErrBroken, w.stuck))
	}
	return w.silent
}

// remote is who is at a connection's other end.
type remote struct {
	id      raft.ServerID
	address raft.ServerAddress
}
