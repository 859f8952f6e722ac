package broker

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-mq/freshet/raftlog/transport"
)

// pipeStreams is transport.Streams whose connections a test makes by hand.
type pipeStreams struct {
	transport.Streams
	incoming chan net.Conn
	closed   chan struct{}
}

func (s *pipeStreams) Accept() (net.Conn, error) {
	select {
	case conn := <-s.incoming:
		return conn, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s *pipeStreams) Addr() net.Addr { return &net.TCPAddr{} }

func (s *pipeStreams) Close() error {
	close(s.closed)
	return nil
}

// TestPeerPort: connections get to whom they are for, with all of their bytes, however these come; who says nothing is closed, and holds up nobody.
func TestPeerPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		streams := &pipeStreams{incoming: make(chan net.Conn), closed: make(chan struct{})}
		p := openPeerPort(streams, slog.New(slog.DiscardHandler))
		connect := func(pieces ...string) net.Conn {
			here, there := net.Pipe()
			streams.incoming <- there
			go func() {
				for _, piece := range pieces {
					if _, err := here.Write([]byte(piece)); err != nil {
						return // the test has closed it
					}
				}
			}()
			return here
		}
		silent := connect()
		for _, c := range []struct {
			side   *portSide
			pieces []string
		}{
			{p.calls, []string{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}},
			{p.calls, []string{"P", "RI * HT", "TP/2.0", "\r\n"}},
			{p.log, []string{"\x10\x00\x00\x00hello, and more than the other's preface has"}},
			{p.log, []string{"PRI * HTTP/1.1\r\n"}},
			{p.log, []string{"P", "Q"}},
		} {
			here := connect(c.pieces...)
			conn, err := c.side.Accept()
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			for _, piece := range c.pieces {
				want += piece
			}
			got := make([]byte, len(want))
			if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
				t.Errorf("of %q arrived %q, %v", want, got, err)
			}
			if err := errors.Join(here.Close(), conn.Close()); err != nil {
				t.Error(err)
			}
		}
		began := time.Now()
		if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(began) > 2*handshakeMax {
			t.Errorf("who says nothing is told %v after %v", err, time.Since(began))
		}
		waiting := connect("PRI * HTTP/2.0") // nobody accepts it
		for range undecidedMax {
			connect()
		}
		synctest.Wait()
		if _, err := connect().Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("one more than may be undecided is told %v", err)
		}
		if err := errors.Join(p.log.Close(), p.calls.Close(), p.Close()); err != nil {
			t.Error(err)
		}
		if _, err := waiting.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("who waits when the port closes is told %v", err)
		}
		if _, err := p.calls.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a closed port: %v", err)
		}
	})
}
