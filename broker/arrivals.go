package broker

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// arrivals are the requests of a client's connection that have come only in part. grpc holds what it has of them, and tells nobody: so they are
// counted where they come in, off the frames of HTTP/2 (RFC 9113, sections 4.1 and 6) and the messages within them (gRPC over HTTP/2: a byte of
// flags, four of length, the message).
//
//	HEADERS ──▶ open, callBytes ──DATA──▶ a part of a message, its bytes ──DATA──▶ whole: its call counts it, 0
//	                │                         │                                      │
//	                └─────────────────────────┴── END_STREAM, RST_STREAM, of either side ──▶ nothing is counted any more
type arrivals struct {
	mu sync.Mutex
	// in and out are where the frames of both directions are.
	in, out frames
	// calls are the streams that the client may still send on.
	calls map[uint32]*arrival
	// spare are entries that are used again.
	spare []*arrival
	// bytes is what all of them count for.
	bytes int64
	// strikes is how often the client has made the node work for nothing since somebody asked.
	strikes int
	// newest is the last stream that the client has opened.
	newest uint32
	// continued is how many frames beside the first the present call's headers have, and headerBytes what all have. broken: that has no end, its stream isn't a new one of a client's,
	// or more calls are begun than any client would.
	continued, headerBytes int
	broken                 bool
	// dismissed are the last calls that the node has ended and whose client may still say that it has given them up, which makes no work; nextDismissed is the oldest.
	dismissed     [streamsMax]uint32
	nextDismissed int
	// said is the beginning of the last frame that the client was sent, if it was a RST_STREAM or a GOAWAY, and saidBytes how much there is of it.
	said      [8]byte
	saidBytes int
}

// arrival is a call's request, or the next one of a stream.
type arrival struct {
	// since is when what has come of it began to.
	since time.Time
	// prefix holds the five bytes before a message, as many as have come.
	prefix [5]byte
	has    int
	// bytes of the message have come, of length.
	bytes, length int64
	// first: no request of the call has come whole, so that nobody else counts it.
	first bool
}

// Frames and flags, by RFC 9113, section 6.
const (
	frameData      = 0x0
	frameHeaders   = 0x1
	frameReset     = 0x3
	frameSettings  = 0x4
	frameGoAway    = 0x7
	frameContinued = 0x9
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagPadded     = 0x8
	frameHeadBytes = 9
	prefaceBytes   = 24
	// continuedMax is how many frames beside the first a call's headers may have. A frame may have as many bytes as headers may (server.go).
	continuedMax = 8
	// begunMax is how many calls may be begun at once. Clients know after the first answer that streamsMax are under way; what they begin before may be more.
	begunMax = 4 * streamsMax
)

func newArrivals() *arrivals {
	return &arrivals{in: frames{skip: prefaceBytes}, calls: map[uint32]*arrival{}}
}

// came notes what the client has sent, and returns what all that is unfinished counts for now.
func (a *arrivals) came(b []byte, now time.Time) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(b) > 0 {
		var data []byte
		var f *frames
		if data, b, f = a.in.next(b); f == nil {
			continue
		}
		if call := a.calls[f.stream]; call != nil && f.kind == frameData {
			a.data(call, data, now)
		}
		a.headers(f, len(data) == 0)
		switch {
		case f.left > 0: // its end is to come
		case f.kind == frameHeaders && f.flags&flagEndStream == 0:
			a.open(f.stream, now)
		case f.kind == frameReset:
			a.reset(f.stream)
		case f.kind == frameSettings && f.flags&flagAck == 0:
			a.strikes++
		case f.flags&flagEndStream != 0 && (f.kind == frameData || f.kind == frameHeaders):
			a.end(f.stream)
		}
	}
	return a.bytes
}

// headers notes how long a call's headers are.
func (a *arrivals) headers(f *frames, begins bool) {
	if !begins {
		return
	}
	switch f.kind {
	case frameHeaders:
		a.continued, a.headerBytes = 0, f.left
		a.broken = a.broken || f.stream%2 == 0 || f.stream <= a.newest
		a.newest = f.stream
	case frameContinued:
		a.continued++
		a.headerBytes += f.left
		a.broken = a.broken || a.continued > continuedMax || a.headerBytes > 2*headerBytesMax
	}
}

// reset notes that the client has given a call up.
func (a *arrivals) reset(stream uint32) {
	if i := slices.Index(a.dismissed[:], stream); i >= 0 {
		a.dismissed[i] = 0
	} else {
		a.strikes++
	}
	a.end(stream)
}

// went notes what the client is sent: calls end by that, too. It returns what all that is unfinished counts for then, whether that has some of an answer in it,
// and whether the client is told that it has broken the rules.
func (a *arrivals) went(b []byte) (bytes int64, answered, refused bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(b) > 0 {
		var data []byte
		var f *frames
		if data, b, f = a.out.next(b); f == nil {
			continue
		}
		answered = answered || f.kind == frameHeaders
		refused = a.says(f, data) || refused
		if f.left == 0 && (f.kind == frameReset || f.flags&flagEndStream != 0 && (f.kind == frameData || f.kind == frameHeaders)) {
			if a.calls[f.stream] != nil {
				a.dismissed[a.nextDismissed] = f.stream
				a.nextDismissed = (a.nextDismissed + 1) % streamsMax
			}
			a.end(f.stream)
		}
	}
	return a.bytes, answered, refused
}

// says notes some of a frame that the client is sent, and returns whether it is known now that this is a GOAWAY with an error: a stream, and the error's code (RFC 9113,
// section 6.8). A RST_STREAM has a code alone (6.4). A frame begins without data.
func (a *arrivals) says(f *frames, data []byte) (refused bool) {
	if f.kind != frameGoAway && f.kind != frameReset {
		return false
	}
	if len(data) == 0 {
		a.saidBytes = 0
		return false
	}
	before := a.saidBytes
	a.saidBytes += copy(a.said[before:], data)
	whole := func(bytes int) bool { return before < bytes && a.saidBytes >= bytes }
	if f.kind == frameGoAway {
		return whole(8) && binary.BigEndian.Uint32(a.said[4:]) != 0
	}
	if whole(4) {
		switch http2.ErrCode(binary.BigEndian.Uint32(a.said[:])) { //nolint:exhaustive // the others aren't of the client's doing
		case http2.ErrCodeProtocol, http2.ErrCodeFlowControl, http2.ErrCodeStreamClosed, http2.ErrCodeFrameSize, http2.ErrCodeRefusedStream:
			a.strikes++
		}
	}
	return false
}

// unused tells whether the client has said that it speaks HTTP/2, and made no call.
func (a *arrivals) unused() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.in.skip == 0 && a.newest == 0
}

// struck returns how often the client has made the node work for nothing since somebody last asked, and whether it has begun a call that can't be.
func (a *arrivals) struck() (strikes int, broken bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	strikes, a.strikes = a.strikes, 0
	return strikes, a.broken
}

// oldest is since when the oldest of what is unfinished comes; false where nothing is.
func (a *arrivals) oldest() (since time.Time, some bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, call := range a.calls {
		if call.counts() > 0 && (!some || call.since.Before(since)) {
			since, some = call.since, true
		}
	}
	return since, some
}

func (a *arrivals) open(stream uint32, now time.Time) {
	if a.calls[stream] != nil {
		return
	}
	if len(a.calls) == begunMax {
		a.broken = true
		return
	}
	call := &arrival{}
	if n := len(a.spare); n > 0 {
		call, a.spare = a.spare[n-1], a.spare[:n-1]
	}
	*call = arrival{since: now, first: true}
	a.calls[stream] = call
	a.bytes += call.counts()
}

func (a *arrivals) end(stream uint32) {
	call := a.calls[stream]
	if call == nil {
		return
	}
	a.bytes -= call.counts()
	delete(a.calls, stream)
	if len(a.spare) < streamsMax {
		a.spare = append(a.spare, call)
	}
}

// data notes bytes of a call's requests.
func (a *arrivals) data(call *arrival, b []byte, now time.Time) {
	a.bytes -= call.counts()
	for len(b) > 0 {
		if call.has == 0 && !call.first {
			call.since = now
		}
		if n := copy(call.prefix[call.has:], b); n > 0 {
			call.has += n
			b = b[n:]
			if call.has < len(call.prefix) {
				break
			}
			if call.length = int64(binary.BigEndian.Uint32(call.prefix[1:])); call.length > requestBytesMax {
				a.strikes += largeStrikes
			}
		}
		n := min(call.length-call.bytes, int64(len(b)))
		call.bytes += n
		b = b[n:]
		if call.bytes == call.length {
			call.has, call.bytes, call.length, call.first = 0, 0, 0, false
		}
	}
	a.bytes += call.counts()
}

// counts is what the node holds for what has come.
func (c *arrival) counts() int64 {
	if c.first {
		return callBytes + c.bytes
	}
	return c.bytes
}

// frames is where one is in a sequence of frames.
type frames struct {
	// skip bytes come before the first.
	skip int
	head [frameHeadBytes]byte
	has  int

	kind, flags byte
	stream      uint32
	// left bytes of the frame are to come. Of these pad are padding, at the end; padded says that a byte with their number comes first.
	left, pad int
	padded    bool
}

// next takes the beginning of what comes: what it has of a frame's data, and the rest. A frame without data is told of once.
func (f *frames) next(b []byte) (data, rest []byte, of *frames) {
	if f.skip > 0 {
		n := min(f.skip, len(b))
		f.skip -= n
		return nil, b[n:], nil
	}
	if f.left == 0 {
		n := copy(f.head[f.has:], b)
		f.has += n
		b = b[n:]
		if f.has < frameHeadBytes {
			return nil, b, nil
		}
		f.has = 0
		f.left = int(f.head[0])<<16 | int(f.head[1])<<8 | int(f.head[2])
		f.kind, f.flags = f.head[3], f.head[4]
		f.stream = binary.BigEndian.Uint32(f.head[5:]) &^ (1 << 31)
		f.padded, f.pad = f.kind == frameData && f.flags&flagPadded != 0, 0
		return nil, b, f
	}
	n := min(f.left, len(b))
	data, rest = b[:n], b[n:]
	if f.padded {
		f.padded, f.pad = false, int(data[0])
		data = data[1:]
		n = 1 + len(data)
	}
	// What is behind the data is padding.
	if over := f.pad - (f.left - n); over > 0 {
		data = data[:max(len(data)-over, 0)]
	}
	f.left -= n
	return data, rest, f
}
