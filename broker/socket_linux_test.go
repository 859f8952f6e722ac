package broker

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/mem"
)

// sockets are a listener as clients have it, and a way to connect to it.
func sockets(t *testing.T) (l *clientListener, dial func() *net.TCPConn) {
	t.Helper()
	var config net.ListenConfig
	tcp, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	l = newClientListener(tcp, 100, newBudget(t.Context(), memoryMin, logger), logger)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l, func() *net.TCPConn {
		var dialer net.Dialer
		conn, err := dialer.DialContext(t.Context(), "tcp", tcp.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return conn.(*net.TCPConn)
	}
}

// TestGoneBeforeAccepted: connections that their clients have closed already, either way, aren't begun with, and cost less.
func TestGoneBeforeAccepted(t *testing.T) {
	l, dial := sockets(t)
	before := l.newcomers.tokens
	for linger := range 2 {
		for range 10 {
			gone := dial()
			_, err := io.WriteString(gone, "something")
			if err = errors.Join(err, gone.SetLinger(-linger), gone.Close()); err != nil { // 0: reset; -1: closed in order
				t.Fatal(err)
			}
		}
	}
	sound := dial()
	defer sound.Close() //nolint:errcheck // the test is over
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // likewise
	if conn.RemoteAddr().String() != sound.LocalAddr().String() || l.open.Load() != 1 {
		t.Errorf("%v was accepted, want %v; %d are open", conn.RemoteAddr(), sound.LocalAddr(), l.open.Load())
	}
	if took := before - l.newcomers.tokens; took > 1+20*turnedAwayCost {
		t.Errorf("they took %v tokens", took)
	}
}

// lentPool counts the buffers that somebody has.
type lentPool struct{ lent, gets atomic.Int64 }

func (p *lentPool) Get(size int) *[]byte {
	p.lent.Add(1)
	p.gets.Add(1)
	b := make([]byte, size)
	return &b
}

func (p *lentPool) Put(*[]byte) { p.lent.Add(-1) }

var _ mem.BufferPool = (*lentPool)(nil)

// TestIdleConnectionHasNoBuffer: a buffer is taken when there is something to be read; the end takes none.
func TestIdleConnectionHasNoBuffer(t *testing.T) {
	l, dial := sockets(t)
	far := dial()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := conn.(*connection)
	type got struct {
		buffer *[]byte
		n      int
		err    error
	}
	var pool lentPool
	read := func() chan got {
		ch := make(chan got, 1)
		go func() {
			buffer, n, err := c.ReadOnReady(32<<10, &pool)
			ch <- got{buffer, n, err}
		}()
		return ch
	}
	waits := read()
	for deadline := time.Now().Add(patience); pool.gets.Load() == 0 || pool.lent.Load() > 0; { // it looks, and gives back
		if time.Now().After(deadline) {
			t.Fatal("a connection on which nothing comes keeps a buffer")
		}
	}
	sent := make([]byte, portionBytes+1)
	if _, err := far.Write(sent); err != nil {
		t.Fatal(err)
	}
	g := <-waits
	if g.err != nil || g.n > portionBytes || pool.lent.Load() != 1 || len(*g.buffer) != 32<<10 {
		t.Errorf("a new connection is read %d bytes of %d, %v; %d buffers are lent", g.n, len(sent), g.err, pool.lent.Load())
	}
	pool.Put(g.buffer)
	for left := len(sent) - g.n; left > 0; {
		buffer, n, err := c.ReadOnReady(32<<10, &pool)
		if err != nil {
			t.Fatal(err)
		}
		pool.Put(buffer)
		left -= n
	}
	waits = read()
	if err := far.Close(); err != nil {
		t.Fatal(err)
	}
	if g := <-waits; !errors.Is(g.err, io.EOF) || g.buffer != nil || g.n != 0 || pool.lent.Load() != 0 {
		t.Errorf("the end: %d bytes, %v; %d buffers are lent", g.n, g.err, pool.lent.Load())
	}
	waits = read()
	if g := <-waits; !errors.Is(g.err, io.EOF) {
		t.Errorf("behind the end: %v", g.err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if g := <-read(); !errors.Is(g.err, net.ErrClosed) || g.buffer != nil {
		t.Errorf("a closed connection: %v", g.err)
	}
}
