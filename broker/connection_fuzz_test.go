package broker

import (
	"bytes"
	"log/slog"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// FuzzConnection: whatever a client sends, in whatever pieces, and whatever the node answers, what is counted of its requests is what its calls have, no more than there is room for
// is taken of that, and all of it is given back.
func FuzzConnection(f *testing.F) {
	for _, pieces := range []uint8{1, 7, 255} {
		for _, seed := range connectionSeeds(f) {
			f.Add(seed, []byte(nil), pieces)
			f.Add(seed, seed, pieces)
		}
	}
	f.Fuzz(func(t *testing.T, in, out []byte, pieces uint8) {
		b := newBudget(t.Context(), memoryMin, slog.New(slog.DiscardHandler))
		c := newConnection(closedConn{}, nil, b, newNewcomers(t.Context(), time.Now()), func() {})
		c.arriving.in.skip = 0
		step := max(int(pieces), 1)
		for len(in)+len(out) > 0 {
			piece, said := in[:min(step, len(in))], out[:min(step, len(out))]
			in, out = in[len(piece):], out[len(said):]
			if !c.count(c.arriving.came(piece, time.Unix(1, 0))) { // alone it waits for nobody
				t.Fatal("a connection is closed by what it counts")
			}
			sum := int64(0)
			for _, call := range c.arriving.calls {
				sum += call.counts()
			}
			used := b.requests.used.Load() + b.smallRequests.used.Load()
			if c.arriving.bytes != sum || used != min(sum, b.requests.bytes) || used != c.mu.partial {
				t.Fatalf("calls have %d, counted are %d, and of the room %d are taken (%d)", sum, c.arriving.bytes, used, c.mu.partial)
			}
			if len(c.arriving.calls) > begunMax {
				t.Fatalf("%d calls are begun", len(c.arriving.calls))
			}
			c.arriving.went(said)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if used := b.requests.used.Load() + b.smallRequests.used.Load(); used != 0 {
			t.Fatalf("%d bytes are still counted", used)
		}
	})
}

// closedConn is a connection that nothing is asked of but to be closed.
type closedConn struct{ net.Conn }

// Close implements net.Conn.
func (closedConn) Close() error { return nil }

// connectionSeeds are what clients send behind the preface: sound requests, and such as are none.
func connectionSeeds(f *testing.F) (seeds [][]byte) {
	f.Helper()
	for _, write := range []func(*http2.Framer) error{
		func(f *http2.Framer) error { return f.WriteSettings() },
		func(f *http2.Framer) error {
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true}); err != nil {
				return err
			}
			return f.WriteData(1, true, message(40))
		},
		func(f *http2.Framer) error {
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, EndHeaders: false}); err != nil {
				return err
			}
			if err := f.WriteContinuation(3, true, []byte{0x82}); err != nil {
				return err
			}
			if err := f.WriteDataPadded(3, false, message(200)[:100], make([]byte, 50)); err != nil {
				return err
			}
			return f.WriteRSTStream(3, http2.ErrCodeCancel)
		},
		func(f *http2.Framer) error {
			for stream := uint32(1); stream < 2*500; stream += 2 { // more than memoryMin has room for
				if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndHeaders: true}); err != nil {
					return err
				}
			}
			for stream := uint32(1); stream < 2*500; stream += 2 {
				if err := f.WriteRSTStream(stream, http2.ErrCodeCancel); err != nil {
					return err
				}
			}
			return f.WriteGoAway(1, http2.ErrCodeProtocol, nil)
		},
	} {
		var sent bytes.Buffer
		if err := write(http2.NewFramer(&sent, nil)); err != nil {
			f.Fatal(err)
		}
		seeds = append(seeds, sent.Bytes())
	}
	return seeds
}
