package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
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
	if got, _, _ := a.went(sent.Bytes()); got != callBytes {
		t.Errorf("after a refusal %d bytes are counted", got)
	}
	sent.Reset()
	if err := headers(9, true); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := a.went(sent.Bytes()); got != 0 {
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
			c := newConnection(near, nil, b, newNewcomers(t.Context(), time.Now()), func() {})
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
		// Its room was half of all: nobody else is cut off for half of unfinishedMax.
		fourth, latest := open()
		begun := make(chan struct{})
		go func() {
			defer close(begun)
			begin(fourth, half)
		}()
		<-time.After(unfinishedMax * 4 / 10)
		synctest.Wait()
		if waiting, n := b.requests.waiting.Load(), b.cut.unfinished.Load(); waiting != 1 || n != 1 || kept.life.Err() != nil {
			t.Errorf("%d wait, %d clients were cut off, the second %v", waiting, n, kept.life.Err())
		}
		<-time.After(unfinishedMax * 2 / 10)
		synctest.Wait()
		if n := b.cut.unfinished.Load(); n != 2 || kept.life.Err() == nil {
			t.Errorf("%d clients were cut off, the second %v", n, kept.life.Err())
		}
		<-begun
		synctest.Wait()
		for _, c := range []*connection{cut, kept, small, smaller, last, latest} {
			if err := c.Close(); err != nil {
				t.Log(err)
			}
		}
		if used := b.requests.used.Load() + b.smallRequests.used.Load(); used != 0 {
			t.Errorf("%d bytes are still counted", used)
		}
		for _, c := range []net.Conn{first, second, little, another, third, fourth} {
			_ = c.Close() // it was cut, or its other end closed
		}
	})
}

// TestManyCallsAtOnce: a read may begin calls that come to more than there is room for. What is taken of the room is what is given back, and a client that begins more than
// begunMax isn't heard any more.
func TestManyCallsAtOnce(t *testing.T) {
	for _, calls := range []int{begunMax, begunMax + 1} {
		synctest.Test(t, func(t *testing.T) {
			b := newBudget(t.Context(), memoryMin, slog.New(slog.DiscardHandler))
			far, near := net.Pipe()
			c := newConnection(near, nil, b, newNewcomers(t.Context(), time.Now()), func() {})
			c.portions = false
			var sent bytes.Buffer
			sent.WriteString(http2.ClientPreface)
			f := http2.NewFramer(&sent, nil)
			var errs []error
			for i := range calls {
				errs = append(errs, f.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: []byte{0x82}, EndHeaders: true}))
			}
			at := sent.Len()
			for i := range calls - 1 { // one after the other: what is counted falls below the room that there is
				errs = append(errs, f.WriteRSTStream(uint32(2*i+1), http2.ErrCodeCancel))
			}
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			all := sent.Bytes()
			go func() {
				for _, part := range [][]byte{all[:at], all[at:]} {
					_, _ = far.Write(part) // unless the other end is closed
				}
			}()
			buf, err := make([]byte, len(all)), error(nil)
			for read := 0; read < len(all) && err == nil; {
				var n int
				n, err = c.Read(buf)
				if read += n; read == n && n > 0 {
					if used := b.requests.used.Load() + b.smallRequests.used.Load(); used != b.requests.bytes {
						t.Errorf("%d calls take %d bytes of %d", calls, used, b.requests.bytes)
					}
				}
				buf = buf[:min(len(buf), 2_000)]
			}
			if broken := errors.Is(err, errBroken); broken != (calls > begunMax) {
				t.Errorf("%d calls at once end with %v", calls, err)
			}
			_ = errors.Join(c.Close(), far.Close()) // one of them is first
			if used := b.requests.used.Load() + b.smallRequests.used.Load(); used != 0 {
				t.Errorf("%d bytes are still counted", used)
			}
		})
	}
}

// TestRoomIsTakenEvenly: many who don't come to an end are cut off one after the other, as fast as one who waits for their room may have it.
func TestRoomIsTakenEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t.Context(), memoryMin, slog.New(slog.DiscardHandler))
		type end struct {
			far net.Conn
			c   *connection
		}
		var all []end
		open := func() end {
			far, near := net.Pipe()
			c := newConnection(near, nil, b, newNewcomers(t.Context(), time.Now()), func() {})
			all = append(all, end{far, c})
			go func() {
				for buf := make([]byte, 32<<10); ; {
					if _, err := c.Read(buf); err != nil {
						_ = c.Close() // it was cut, or its other end closed
						return
					}
				}
			}()
			return all[len(all)-1]
		}
		begin := func(e end, size int) {
			f := http2.NewFramer(e.far, nil)
			_, err := io.WriteString(e.far, http2.ClientPreface)
			err = errors.Join(err, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true}))
			for rest := message(size + 1)[:5+size]; len(rest) > 0 && err == nil; {
				n := min(len(rest), 16<<10)
				err = f.WriteData(1, false, rest[:n])
				rest = rest[n:]
			}
			if err != nil {
				t.Error(err)
			}
		}
		const each, large = 128 << 10, 1 << 20
		for b.requests.used.Load() < b.requests.bytes-each {
			begin(open(), each)
			synctest.Wait()
		}
		<-time.After(2 * unfinishedMax)
		sound, began := open(), time.Now()
		begin(sound, large)
		synctest.Wait()
		took, fair := time.Since(began), time.Duration(float64(unfinishedMax)*large/float64(b.requests.bytes))
		if sound.c.life.Err() != nil || took > fair*5/4 || took < fair/2 {
			t.Errorf("%d of %d bytes were there after %v, want about %v", large, b.requests.bytes, took, fair)
		}
		for _, e := range all {
			_ = errors.Join(e.far.Close(), e.c.Close()) // one of them is first
		}
		synctest.Wait()
		if used := b.requests.used.Load() + b.smallRequests.used.Load(); used != 0 {
			t.Errorf("%d bytes are still counted", used)
		}
	})
}

// TestStrikes: what counts as work for nothing, and what as a breach of the rules.
func TestStrikes(t *testing.T) {
	var sent bytes.Buffer
	a, f, now := newArrivals(), http2.NewFramer(&sent, nil), time.Unix(100, 0)
	sent.WriteString(http2.ClientPreface)
	step := func(name string, wantStrikes int, wantFlood bool, errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		a.came(sent.Bytes(), now)
		sent.Reset()
		if strikes, flood := a.struck(); strikes != wantStrikes || flood != wantFlood {
			t.Errorf("%s: %d strikes, flood %t; want %d, %t", name, strikes, flood, wantStrikes, wantFlood)
		}
	}
	headers := func(stream uint32, more int) (errs []error) {
		errs = append(errs, f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndHeaders: more == 0}))
		for i := range more {
			errs = append(errs, f.WriteContinuation(stream, i == more-1, []byte("header")))
		}
		return errs
	}
	step("settings", 2, false, f.WriteSettings(http2.Setting{ID: http2.SettingEnablePush}), f.WriteSettings())
	step("settings that are acknowledged", 0, false, f.WriteSettingsAck())
	step("a ping: gRPC counts them", 0, false, f.WritePing(false, [8]byte{}))
	step("the largest request", 0, false, append(headers(1, 0), f.WriteData(1, false, message(requestBytesMax)[:5]))...)
	step("a larger one", largeStrikes, false, append(headers(3, 0), f.WriteData(3, false, message(requestBytesMax + 1)[:5]))...)
	step("which goes on", 0, false, f.WriteData(3, false, make([]byte, 100)))
	step("a call given up", 1, false, f.WriteRSTStream(3, http2.ErrCodeCancel))
	step("a call", 0, false, headers(11, 0)...)
	sends := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		a.went(sent.Bytes())
		sent.Reset()
	}
	sends(f.WriteHeaders(http2.HeadersFrameParam{StreamID: 11, EndHeaders: true, EndStream: true}))
	step("its client says that it is over", 0, false, f.WriteRSTStream(11, http2.ErrCodeNo))
	step("and once more", 1, false, f.WriteRSTStream(11, http2.ErrCodeNo))
	sends(f.WriteRSTStream(13, http2.ErrCodeCancel), f.WriteRSTStream(13, http2.ErrCodeNo))
	step("the node ends calls", 0, false)
	sends(f.WriteRSTStream(15, http2.ErrCodeStreamClosed), f.WriteRSTStream(15, http2.ErrCodeProtocol))
	step("which the client has made it do", 2, false)
	step("long headers", 0, false, headers(17, continuedMax)...)
	step("and again", 0, false, headers(19, continuedMax)...)
	step("large headers", 0, false, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 21, BlockFragment: make([]byte, headerBytesMax)}),
		f.WriteContinuation(21, true, make([]byte, headerBytesMax)))
	step("headers that are too large", 0, true, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 23, BlockFragment: make([]byte, headerBytesMax)}),
		f.WriteContinuation(23, false, make([]byte, headerBytesMax)), f.WriteContinuation(23, false, []byte("x")))
	a.broken = false
	step("headers without end", 0, true, headers(25, continuedMax+1)...)
	a.broken = false
	step("a call that was there before", 0, true, headers(25, 0)...)
	a.broken = false
	step("a call of the node's", 0, true, headers(28, 0)...)

	goAway := func(code http2.ErrCode) []byte {
		t.Helper()
		if err := f.WriteGoAway(7, code, []byte("why")); err != nil {
			t.Fatal(err)
		}
		defer sent.Reset()
		return bytes.Clone(sent.Bytes())
	}
	if _, _, refused := a.went(goAway(http2.ErrCodeNo)); refused {
		t.Error("a connection that is asked to end has broken a rule")
	}
	refusals := 0
	for _, b := range goAway(http2.ErrCodeEnhanceYourCalm) {
		if _, _, refused := a.went([]byte{b}); refused {
			refusals++
		}
	}
	if refusals != 1 {
		t.Errorf("a GOAWAY byte by byte is told of %d times", refusals)
	}
}

// TestOffenderWaits: who breaks the rules of HTTP/2 has his connection for a while longer, whichever side finds out, and once.
func TestOffenderWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t.Context(), memoryMin, slog.New(slog.DiscardHandler))
		var sent bytes.Buffer
		f := http2.NewFramer(&sent, nil)
		took := func(name string, want time.Duration, what func() error) {
			t.Helper()
			began := time.Now()
			if err := what(); err != nil || time.Since(began) != want {
				t.Errorf("%s: after %v: %v; want %v", name, time.Since(began), err, want)
			}
		}
		open := func() (net.Conn, *connection) {
			far, near := net.Pipe()
			go io.Copy(io.Discard, far) //nolint:errcheck // until it is closed
			return far, newConnection(near, nil, b, newNewcomers(t.Context(), time.Now()), func() {})
		}
		say := func(err error) []byte {
			if err != nil {
				t.Fatal(err)
			}
			defer sent.Reset()
			return bytes.Clone(sent.Bytes())
		}

		far, c := open()
		goAway := say(f.WriteGoAway(1, http2.ErrCodeEnhanceYourCalm, nil))
		write := func() error { _, err := c.Write(goAway); return err }
		took("a farewell", floodHold, write)
		took("another", 0, write)
		if b.slowed.Load() != 1 {
			t.Errorf("%d were slowed", b.slowed.Load())
		}
		_ = errors.Join(c.Close(), far.Close()) // one of them is first

		far, c = open()
		go write() //nolint:errcheck // as above
		synctest.Wait()
		go far.Write([]byte(http2.ClientPreface)) //nolint:errcheck // as above
		took("what comes meanwhile", floodHold, func() error { _, err := c.Read(make([]byte, 100)); return err })
		_ = errors.Join(c.Close(), far.Close())

		far, near := net.Pipe()
		c = newConnection(near, nil, b, newNewcomers(t.Context(), time.Now()), func() {})
		endless := []byte(http2.ClientPreface)
		endless = append(endless, say(f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1}))...)
		for range continuedMax + 1 {
			endless = append(endless, say(f.WriteContinuation(1, false, nil))...)
		}
		go far.Write(endless) //nolint:errcheck // the reader tells
		took("headers without end", floodHold, func() error {
			if _, err := io.ReadFull(c, make([]byte, len(endless)+1)); !errors.Is(err, errBroken) {
				return fmt.Errorf("it goes on: %w", err)
			}
			return nil
		})
		_ = errors.Join(c.Close(), far.Close())

		far, c = open()
		go func() {
			<-time.After(floodHold / 2)
			_ = c.Close()
		}()
		began := time.Now()
		if err := write(); err == nil || time.Since(began) != floodHold/2 {
			t.Errorf("a connection that is closed meanwhile: after %v: %v", time.Since(began), err)
		}
		_ = far.Close()
	})
}

// TestResetsArePaced: a client that makes calls and gives them up is read as fast as it may do that, and what it says after that is heard.
func TestResetsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(t.Context(), memoryMin, slog.New(slog.DiscardHandler))
		far, near := net.Pipe()
		c := newConnection(near, nil, b, newNewcomers(t.Context(), time.Now()), func() {})
		read := make(chan struct{})
		go func() {
			defer close(read)
			for buf := make([]byte, 32<<10); ; {
				if _, err := c.Read(buf); err != nil {
					return
				}
			}
		}()
		f := http2.NewFramer(far, nil)
		if _, err := io.WriteString(far, http2.ClientPreface); err != nil {
			t.Fatal(err)
		}
		stream := uint32(1)
		reset := func(calls int) {
			for range calls {
				stream += 2
				err := errors.Join(f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndHeaders: true}), f.WriteRSTStream(stream, http2.ErrCodeCancel))
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		<-time.After(time.Minute)
		began := time.Now()
		reset(strikesBurst)
		if took := time.Since(began); took > 0 || b.slowed.Load() > 0 {
			t.Errorf("%d calls took %v, and %d were waited for", strikesBurst, took, b.slowed.Load())
		}
		const more = 2 * strikesPerSecond
		reset(more)
		if err := f.WritePing(false, [8]byte{}); err != nil { // it is read when what came before has been waited for
			t.Fatal(err)
		}
		if took := time.Since(began).Round(time.Second / 10); took != 2*time.Second || b.slowed.Load() != more {
			t.Errorf("%d more took %v, and %d were waited for", more, took, b.slowed.Load())
		}
		if used := b.requests.used.Load() + b.smallRequests.used.Load(); used != 0 {
			t.Errorf("%d bytes are counted", used)
		}
		cut := time.Now()
		go func() {
			for {
				stream += 2
				if errors.Join(f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndHeaders: true}), f.WriteRSTStream(stream, http2.ErrCodeCancel)) != nil {
					return
				}
			}
		}()
		<-read
		if after := time.Since(cut).Round(time.Second / 10); after != struckMax-2*time.Second || b.cut.worthless.Load() != 1 {
			t.Errorf("who goes on with it is cut off after %v more", after)
		}
		_ = far.Close() // its other end was closed
	})
}
