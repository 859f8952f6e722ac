package broker

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/test/bufconn"
)

// TestNewcomers: connections that nobody uses are accepted as fast as the node has set aside for them; those that are used don't count; and one that waits for its turn
// doesn't hold up the end.
func TestNewcomers(t *testing.T) {
	for name, uses := range map[string]bool{"idle": false, "used": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				logger := slog.New(slog.DiscardHandler)
				pipe := bufconn.Listen(1 << 10)
				const more = 3 * newcomersPerSecond
				l := newClientListener(pipe, newcomersBurst+more, newBudget(t.Context(), memoryMin, logger), logger)
				connected := make(chan error, 1)
				go func() {
					for range newcomersBurst + more {
						conn, err := pipe.DialContext(t.Context())
						if err == nil && uses {
							go io.Copy(io.Discard, conn) //nolint:errcheck // until it is closed
						}
						if err != nil {
							connected <- err
							return
						}
					}
					connected <- nil
				}()
				began, want := time.Now(), 3*time.Second
				for range newcomersBurst + more {
					conn, err := l.Accept()
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close() //nolint:errcheck // a pipe in memory
					if uses {
						want = 0
						// An answer. (What a client says to get one is of no account here.)
						if err := http2.NewFramer(conn, nil).WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true}); err != nil {
							t.Fatal(err)
						}
					}
				}
				if took := time.Since(began); took.Round(time.Second/10) != want {
					t.Errorf("%d connections beyond the first %d took %v, want %v", more, newcomersBurst, took, want)
				}
				if paced := l.paced.Load(); uses != (paced == 0) || paced > more {
					t.Errorf("%d connections waited, of %d beyond the first", paced, more)
				}
				if err := <-connected; err != nil {
					t.Fatal(err)
				}
				accepted := make(chan error, 1)
				go func() {
					conn, err := l.Accept()
					if err == nil {
						err = conn.Close()
					}
					accepted <- err
				}()
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				if err := <-accepted; err == nil {
					t.Error("a closed listener accepts")
				}
			})
		})
	}
}

// TestLeavers: connections on which no call was made end one after the other, and others at once; none waits longer than the listener is there.
func TestLeavers(t *testing.T) {
	const more = 2 * leaversPerSecond
	type leaver struct {
		says  string
		known bool
		ends  time.Duration // of the listener
		want  time.Duration
	}
	for name, l := range map[string]leaver{
		"idle":                      {says: http2.ClientPreface, want: 2 * time.Second},
		"silent":                    {says: http2.ClientPreface[:10]},
		"with an answer":            {says: http2.ClientPreface, known: true},
		"with a call":               {says: http2.ClientPreface + "\x00\x00\x00\x01\x05\x00\x00\x00\x01"},
		"when the node is to close": {says: http2.ClientPreface, ends: time.Second, want: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				life, end := context.WithCancel(t.Context())
				defer end()
				b, n := newBudget(t.Context(), memoryMin, slog.New(slog.DiscardHandler)), newNewcomers(life, time.Now())
				var ended sync.WaitGroup
				began := time.Now()
				for range leaversBurst + more {
					far, near := net.Pipe()
					c := newConnection(near, nil, b, n, func() {})
					c.known.Store(l.known)
					ended.Go(func() {
						_, err := io.WriteString(far, l.says)
						if err = errors.Join(err, far.Close()); err != nil {
							t.Error(err)
						}
					})
					ended.Go(func() {
						if _, err := io.Copy(io.Discard, onlyReader{c}); err != nil {
							t.Errorf("it ends with %v", err)
						}
						_ = c.Close() // the other end is closed
					})
				}
				if l.ends > 0 {
					<-time.After(l.ends)
					end()
				}
				ended.Wait()
				if took := time.Since(began); took.Round(time.Second/10) != l.want {
					t.Errorf("%d connections took %v to leave, want %v", leaversBurst+more, took, l.want)
				}
			})
		})
	}
}

// onlyReader has nothing of a reader but Read.
type onlyReader struct{ io.Reader }

// TestRefusedConnection: one beyond the limit is closed at once.
func TestRefusedConnection(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	pipe := bufconn.Listen(1 << 10)
	l := newClientListener(pipe, 1, newBudget(t.Context(), memoryMin, logger), logger)
	var far [2]net.Conn
	accepted := make(chan error, 1)
	go func() {
		for range 2 {
			if _, err := l.Accept(); err != nil {
				accepted <- err
				return
			}
		}
		accepted <- nil
	}()
	for i := range far {
		var err error
		if far[i], err = pipe.DialContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	defer func() { _ = errors.Join(far[0].Close(), far[1].Close()) }() // the test is over
	if _, err := far[1].Read(make([]byte, 1)); err == nil {
		t.Error("it is told something")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-accepted; err == nil || l.refused.Load() != 1 || l.open.Load() != 1 {
		t.Errorf("%d are open, %d were refused, %v", l.open.Load(), l.refused.Load(), err)
	}
}
