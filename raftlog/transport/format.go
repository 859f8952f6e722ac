package transport

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Everything that passes over a connection is a frame, little endian:
//
//	0        4      5        8        12                  20       24
//	┌────────┬──────┬────────┬────────┬───────────────────┬────────┬─────────────────┐
//	│ length │ kind │ 0 0 0  │ group  │ request           │ CRC32C │ payload, length │
//	└────────┴──────┴────────┴────────┴───────────────────┴────────┴─────────────────┘
//
// The CRC covers the twenty bytes before it and the payload. A request's number is its sender's, and never used again by the
// process; an answer has the request's number and group, and its kind with the highest bit set. What payloads look like
// is drawn in hello.go and message.go.

const (
	frameHeaderBytes = 24
	crcOffset        = 20
)

// protocolVersion is the only one so far. A node that speaks another is refused.
const protocolVersion = 1

// frameKind says what a frame's payload is.
type frameKind uint8

const (
	kindHello frameKind = iota + 1
	kindWelcome
	kindPing
	kindAppend
	kindVote
	kindPreVote
	kindTimeoutNow
	kindInstall
	kindChunk
	kindWorking
	kindFetch
)

// answerBit makes the kind of a request that of its answer.
const answerBit frameKind = 0x80

var frameKindNames = [...]string{
	kindHello: "hello", kindWelcome: "welcome", kindPing: "ping", kindAppend: "append", kindVote: "vote", kindPreVote: "pre-vote",
	kindTimeoutNow: "timeout-now", kindInstall: "install", kindChunk: "chunk", kindWorking: "working", kindFetch: "fetch",
}

func (k frameKind) String() string {
	name := fmt.Sprintf("kind %d", uint8(k&^answerBit))
	if base := int(k &^ answerBit); base < len(frameKindNames) && frameKindNames[base] != "" {
		name = frameKindNames[base]
	}
	if k&answerBit != 0 {
		return name + " answer"
	}
	return name
}

// laneKind says what a connection is for.
type laneKind uint8

const (
	// laneControl carries heartbeats, votes and orders to take over.
	laneControl laneKind = iota
	// laneData carries entries.
	laneData
	// laneFetch carries entries that are asked for.
	laneFetch
	// laneSnapshot carries one snapshot.
	laneSnapshot
)

// lanes is how many stay open.
const lanes = int(laneFetch) + 1

var laneKindNames = [...]string{laneControl: "control", laneData: "data", laneFetch: "fetch", laneSnapshot: "snapshot"}

func (k laneKind) String() string {
	if int(k) < len(laneKindNames) {
		return laneKindNames[k]
	}
	return fmt.Sprintf("lane %d", uint8(k))
}

const (
	helloBytesMax   = 1 << 10
	controlBytesMax = 4 << 10
	installBytesMax = 4 << 20 // it carries the group's membership
	chunkBytesMax   = 256 << 10
	errorBytesMax   = 1 << 10
	// messageOverheadMax is what a message of entries has besides them.
	messageOverheadMax = 64 << 10
)

// payloadMax bounds a frame before anything is allocated for it. entries is what a message of entries may have.
func payloadMax(kind frameKind, entries int) int {
	switch kind {
	case kindHello, kindWelcome:
		return helloBytesMax
	case kindAppend, kindFetch | answerBit:
		return entries
	case kindInstall:
		return installBytesMax
	case kindChunk:
		return chunkBytesMax
	default:
		return controlBytesMax
	}
}

// frameHeader is what stands before a payload.
type frameHeader struct {
	length  uint32
	kind    frameKind
	group   GroupNumber
	request uint64
	crc     uint32
	begun   uint32 // the CRC that was computed over what stands before it, when the header was read
}

// put writes all but the CRC, which is not known before the payload is.
func (h *frameHeader) put(to []byte) {
	_ = to[frameHeaderBytes-1]
	binary.LittleEndian.PutUint32(to[0:], h.length)
	to[4], to[5], to[6], to[7] = byte(h.kind), 0, 0, 0
	binary.LittleEndian.PutUint32(to[8:], uint32(h.group))
	binary.LittleEndian.PutUint64(to[12:], h.request)
}

// parseFrameHeader reads what put and seal have written.
func parseFrameHeader(from []byte) (h frameHeader, err error) {
	_ = from[frameHeaderBytes-1]
	h = frameHeader{
		length:  binary.LittleEndian.Uint32(from[0:]),
		kind:    frameKind(from[4]),
		group:   GroupNumber(binary.LittleEndian.Uint32(from[8:])),
		request: binary.LittleEndian.Uint64(from[12:]),
		crc:     binary.LittleEndian.Uint32(from[crcOffset:]),
		begun:   crc32.Update(0, castagnoli, from[:crcOffset]),
	}
	if from[5]|from[6]|from[7] != 0 {
		return h, fmt.Errorf("%w: reserved bytes %x; expected zeros", ErrCorrupt, from[5:8])
	}
	return h, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// check compares the CRC of a header that was read with what it should be over it and the payload.
func (h *frameHeader) check(payload []byte) error {
	return h.compare(crc32.Update(h.begun, castagnoli, payload), len(payload))
}

func (h *frameHeader) compare(crc uint32, payloadBytes int) error {
	if crc != h.crc {
		return fmt.Errorf("%w: %v of %d bytes has CRC %08x; expected %08x", ErrCorrupt, h.kind, payloadBytes, crc, h.crc)
	}
	return nil
}
