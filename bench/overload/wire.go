package overload

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// wire is a connection on which frames of HTTP/2 are written that no client library would. What the node says is read, so that it isn't held up by that,
// and the last complaint is kept.
type wire struct {
	conn   net.Conn
	framer *http2.Framer
	next   uint32
	ended  chan struct{}

	mu struct {
		sync.Mutex
		said string
	}
}

// dialWire connects, and says what HTTP/2 has a client say first.
func dialWire(ctx context.Context, address string) (*wire, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	w := &wire{conn: conn, framer: http2.NewFramer(conn, conn), next: 1, ended: make(chan struct{})}
	if _, err = io.WriteString(conn, http2.ClientPreface); err == nil {
		// So large a window that the node's answers are never held up by it.
		err = w.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
	}
	go w.read()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, w.close())
	}
	return w, nil
}

func (w *wire) read() {
	defer close(w.ended)
	for {
		f, err := w.framer.ReadFrame()
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			w.say(fmt.Sprintf("GOAWAY %v", f.ErrCode))
		case *http2.RSTStreamFrame:
			w.say(fmt.Sprintf("RST_STREAM %v", f.ErrCode))
		}
		if err != nil {
			w.say("connection closed")
			return
		}
	}
}

// say keeps the first that is worth it: what comes behind a GOAWAY is the end of the connection.
func (w *wire) say(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.said == "" || w.mu.said == "RST_STREAM NO_ERROR" {
		w.mu.said = what
	}
}

func (w *wire) said() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.said
}

// close ends the connection, and waits for its reader.
func (w *wire) close() error {
	err := w.conn.Close()
	<-w.ended
	return err
}

// headers are those of a call.
func headers(method string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	e.SetMaxDynamicTableSize(0) // so that they may be written any number of times
	for _, field := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", "node"}, {"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		// A buffer takes anything.
		_ = e.WriteField(hpack.HeaderField{Name: field[0], Value: field[1], Sensitive: true})
	}
	return b.Bytes()
}

// open begins a call, and returns its stream.
func (w *wire) open(block []byte) (uint32, error) {
	stream := w.next
	w.next += 2
	return stream, w.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true})
}

// writeWithin bounds a write: a node that reads no more is an answer, too.
func (w *wire) writeWithin(d time.Duration) error { return w.conn.SetWriteDeadline(time.Now().Add(d)) }
