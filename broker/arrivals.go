package broker

import (
	"encoding/binary"
	"sync"
	"time"
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
	// resets is how many calls the client has given up since somebody asked.
	resets int
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
	flagEndStream  = 0x1
	flagPadded     = 0x8
	frameHeadBytes = 9
	prefaceBytes   = 24
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
		switch {
		case f.left > 0: // its end is to come
		case f.kind == frameHeaders && f.flags&flagEndStream == 0:
			a.open(f.stream, now)
		case f.kind == frameReset:
			a.resets++
			a.end(f.stream)
		case f.flags&flagEndStream != 0 && (f.kind == frameData || f.kind == frameHeaders):
			a.end(f.stream)
		}
	}
	return a.bytes
}

// went notes what the client is sent: calls end by that, too.
func (a *arrivals) went(b []byte) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(b) > 0 {
		var f *frames
		if _, b, f = a.out.next(b); f == nil || f.left > 0 {
			continue
		}
		if f.kind == frameReset || f.flags&flagEndStream != 0 && (f.kind == frameData || f.kind == frameHeaders) {
			a.end(f.stream)
		}
	}
	return a.bytes
}

// givenUp returns how many calls the client has given up since it was last asked.
func (a *arrivals) givenUp() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, a.resets = a.resets, 0
	return n
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
			call.length = int64(binary.BigEndian.Uint32(call.prefix[1:]))
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
