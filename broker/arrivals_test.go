package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

// message is a gRPC message of a size, as it is within DATA frames.
func message(size int) []byte {
	b := make([]byte, 5+size)
	binary.BigEndian.PutUint32(b[1:], uint32(size))
	return b
}

// TestArrivals: what is counted after each frame of a client's and of the node's.
func TestArrivals(t *testing.T) {
	var sent bytes.Buffer
	a, f, now := newArrivals(), http2.NewFramer(&sent, nil), time.Unix(100, 0)
	sent.WriteString(http2.ClientPreface)
	step := func(name string, want int64, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Second)
		if got := a.came(sent.Bytes(), now); got != want {
			t.Errorf("%s: %d bytes are counted, want %d", name, got, want)
		}
		sent.Reset()
	}
	headers := func(stream uint32, end bool) error {
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte("headers"), EndHeaders: true, EndStream: end})
	}
	step("settings", 0, f.WriteSettings(http2.Setting{ID: http2.SettingEnablePush}))
	step("a call begins", callBytes, headers(1, false))
	step("half a prefix", callBytes, f.WriteData(1, false, message(100)[:3]))
	step("a ping meanwhile", callBytes, f.WritePing(false, [8]byte{}))
	step("the rest of it, and some of the message", callBytes+40, f.WriteData(1, false, message(100)[3:45]))
	if since, some := a.oldest(); !some || !since.Equal(time.Unix(102, 0)) {
		t.Errorf("it began at %v, %t", since, some)
	}
	step("another call", 2*callBytes+40, headers(3, false))
	step("data with padding", 2*callBytes+40+60, f.WriteDataPadded(3, false, message(100)[:65], make([]byte, 200)))
	step("the first is whole", callBytes+60, f.WriteData(1, false, message(100)[45:]))
	step("and its next begins", callBytes+60+7, f.WriteData(1, false, message(9)[:12]))
	step("which is whole, as are three more", callBytes+60, f.WriteData(1, false, append([]byte{0, 0}, bytes.Repeat(message(0), 3)...)))
	step("the other is given up", 0, f.WriteRSTStream(3, http2.ErrCodeCancel))
	step("data of what nobody knows", 0, f.WriteData(3, false, message(100)[:50]))
	step("the first has no more", 0, f.WriteData(1, true, nil))
	if _, some := a.oldest(); some {
		t.Error("something is unfinished")
	}
	step("a call without a request", 0, headers(5, true))
	step("a call that will be refused", callBytes, headers(7, false))
	step("some of it", callBytes+50, f.WriteData(7, false, message(100)[:55]))
	step("a call that will be answered", 2*callBytes+50, headers(9, false))

	for _, err := range []error{
		f.WriteSettings(), f.WriteRSTStream(7, http2.ErrCodeRefusedStream), headers(9, false), f.WriteData(9, false, []byte("answer")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := a.went(sent.Bytes()); got != callBytes {
		t.Errorf("after a refusal %d bytes are counted", got)
	}
	sent.Reset()
	if err := headers(9, true); err != nil {
		t.Fatal(err)
	}
	if got := a.went(sent.Bytes()); got != 0 {
		t.Errorf("after the answer %d bytes are counted", got)
	}
}

// TestArrivalsInPieces: it is the same in whatever pieces bytes come, and garbage does no harm.
func TestArrivalsInPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 8))
	for round := range 300 {
		var sent bytes.Buffer
		f := http2.NewFramer(&sent, nil)
		sent.WriteString(http2.ClientPreface)
		for range 20 {
			stream := uint32(2*random.IntN(4) + 1)
			var err error
			switch random.IntN(6) {
			case 0:
				err = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndHeaders: true, EndStream: random.IntN(4) == 0})
			case 1:
				err = f.WriteRSTStream(stream, http2.ErrCodeCancel)
			case 2:
				err = f.WriteDataPadded(stream, false, message(random.IntN(30))[:random.IntN(6)], make([]byte, random.IntN(200)))
			default:
				err = f.WriteData(stream, random.IntN(9) == 0, message(random.IntN(30))[:random.IntN(6)])
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		all := sent.Bytes()
		if round%10 == 0 { // what no client sends
			for i := range all {
				all[i] = byte(random.Uint32())
			}
		}
		whole := newArrivals().came(all, time.Unix(1, 0))
		pieces, got := newArrivals(), int64(0)
		for rest := all; len(rest) > 0; {
			n := 1 + random.IntN(min(len(rest), 40))
			got = pieces.came(rest[:n], time.Unix(1, 0))
			rest = rest[n:]
		}
		sum := int64(0)
		for _, call := range pieces.calls {
			sum += call.counts()
		}
		if got != whole || sum != got || got < 0 {
			t.Fatalf("round %d: %d in pieces, of which calls have %d, and %d at once", round, got, sum, whole)
		}
	}
}

// TestUnfinishedRequests: what comes of requests that have no end is counted, and when there is no room for more the client that began first is cut off; whoever
// waits for the room goes on then. What is small has room of its own.
func TestUnfinishedRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t.Context(), memoryMin, slog.New(slog.DiscardHandler))
		open := func() (net.Conn, *connection) {
			far, near := net.Pipe()
			c := newConnection(near, b, func() {})
			go func() {
				for buf := make([]byte, 32<<10); ; {
					if _, err := c.Read(buf); err != nil {
						return
					}
				}
			}()
			return far, c
		}
		begin := func(far io.Writer, size int) {
			f := http2.NewFramer(far, nil)
			if _, err := io.WriteString(far, http2.ClientPreface); err != nil {
				t.Error(err)
			}
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true}); err != nil {
				t.Error(err)
			}
			for rest := message(size + 1)[:5+size]; len(rest) > 0; {
				n := min(len(rest), 16<<10)
				if err := f.WriteData(1, false, rest[:n]); err != nil {
					t.Error(err)
				}
				rest = rest[n:]
			}
		}
		half := int(b.requests.bytes)/2 + smallMax - callBytes
		little, small := open()
		begin(little, 5_000) // it is the oldest, and cutting it off would make no room
		<-time.After(time.Millisecond)
		first, cut := open()
		begin(first, half)
		<-time.After(time.Millisecond)
		second, kept := open()
		begin(second, half-1)
		synctest.Wait()
		if used := b.requests.used.Load(); used != b.requests.bytes-1 {
			t.Errorf("%d bytes are counted", used)
		}
		<-time.After(time.Minute) // as long as nobody wants the room
		if n := b.cut.unfinished.Load(); n > 0 {
			t.Errorf("%d clients were cut off", n)
		}
		another, smaller := open()
		begin(another, 5_000)
		synctest.Wait()
		if used, waiting, n := b.smallRequests.used.Load(), b.requests.waiting.Load(), b.cut.unfinished.Load(); used != 2*smallMax+2*(callBytes+5_000) || waiting > 0 || n > 0 {
			t.Errorf("small requests have %d bytes, %d wait, and %d clients were cut off", used, waiting, n)
		}
		third, last := open()
		begin(third, 100_000)
		synctest.Wait()
		if n := b.cut.unfinished.Load(); n != 1 || cut.life.Err() == nil || kept.life.Err() != nil || small.life.Err() != nil {
			t.Errorf("%d clients were cut off, the first %v, the second %v, the small one %v", n, cut.life.Err(), kept.life.Err(), small.life.Err())
		}
		for _, c := range []*connection{cut, kept, small, smaller, last} {
			if err := c.Close(); err != nil {
				t.Log(err)
			}
		}
		if used := b.requests.used.Load() + b.smallRequests.used.Load(); used != 0 {
			t.Errorf("%d bytes are still counted", used)
		}
		for _, c := range []net.Conn{first, second, little, another, third} {
			_ = c.Close() // it was cut, or its other end closed
		}
	})
}

// TestResetsArePaced: a client that makes calls and gives them up is read as fast as it may do that, and what it says after that is heard.
func TestResetsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t.Context(), memoryMin, slog.New(slog.DiscardHandler))
		far, near := net.Pipe()
		c := newConnection(near, b, func() {})
		read := make(chan struct{})
		go func() {
			defer close(read)
			for buf := make([]byte, 32<<10); ; {
				if _, err := c.Read(buf); err != nil {
					return
				}
			}
		}()
		began, f := time.Now(), http2.NewFramer(far, nil)
		if _, err := io.WriteString(far, http2.ClientPreface); err != nil {
			t.Fatal(err)
		}
		reset := func(calls int) {
			for i := range calls {
				stream := uint32(2*i + 1)
				err := errors.Join(f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndHeaders: true}), f.WriteRSTStream(stream, http2.ErrCodeCancel))
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		reset(resetsBurst)
		if took := time.Since(began); took > 0 || b.slowed.Load() > 0 {
			t.Errorf("%d calls took %v, and %d were waited for", resetsBurst, took, b.slowed.Load())
		}
		const more = 10 * resetsPerSecond
		reset(more)
		if err := f.WritePing(false, [8]byte{}); err != nil { // it is read when what came before has been waited for
			t.Fatal(err)
		}
		if took := time.Since(began).Round(time.Second); took != 10*time.Second || b.slowed.Load() != more {
			t.Errorf("%d more took %v, and %d were waited for", more, took, b.slowed.Load())
		}
		if used := b.requests.used.Load() + b.smallRequests.used.Load(); used != 0 {
			t.Errorf("%d bytes are counted", used)
		}
		reset(1)
		synctest.Wait()
		if err := c.Close(); err != nil { // while it waits
			t.Log(err)
		}
		<-read
		_ = far.Close() // its other end was closed
	})
}
