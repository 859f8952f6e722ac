package main

import (
	"fmt"
	"math/rand/v2"
)

// Events are what freshet's bench sends: 256 bytes of JSON, of which half is random. Each tells whose it is, its number, and when it was sent, or should
// have been, in nanoseconds since the run began:
//
//	{"bench":{"id":"pppp-nnnnnnnnnnnn-tttttttttttttttt"},"version":"0","source":"peer","detail-type":"load","detail":{"random":"...."}}
const (
	eventBytes  = 256
	eventHead   = `{"bench":{"id":"`
	eventMiddle = `"},"version":"0","source":"peer","detail-type":"load","detail":{"random":"`
	eventEnd    = `"}}`

	idBytes     = 4 + 1 + 12 + 1 + 16
	randomBytes = eventBytes - len(eventHead) - idBytes - len(eventMiddle) - len(eventEnd)
	alphabet    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	poolBytes   = 1 << 15
	hexDigits   = "0123456789abcdef"
)

// shape makes events.
type shape struct {
	pool []byte // random text that events have windows of
}

func newShape(seed uint64) *shape {
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // events that differ, which keep no secret
	s := &shape{pool: make([]byte, poolBytes+randomBytes)}
	for i := range s.pool {
		s.pool[i] = alphabet[random.IntN(len(alphabet))]
	}
	return s
}

// appendTo appends an event.
func (s *shape) appendTo(to []byte, publisher int, number uint64, at int64) []byte {
	to = append(to, eventHead...)
	to = appendHex(to, uint64(publisher), 4)
	to = append(to, '-')
	to = appendHex(to, number, 12)
	to = append(to, '-')
	to = appendHex(to, uint64(at), 16)
	to = append(to, eventMiddle...)
	from := (number*0x9e3779b97f4a7c15 + uint64(publisher)) >> (64 - 15)
	to = append(to, s.pool[from:][:randomBytes]...)
	return append(to, eventEnd...)
}

// identity tells whose event it is.
func identity(event []byte) (publisher int, number uint64, at int64, err error) {
	if len(event) != eventBytes || string(event[:len(eventHead)]) != eventHead {
		return 0, 0, 0, fmt.Errorf("%d bytes arrived that are no event of this run: %.64q", len(event), event)
	}
	id := event[len(eventHead):]
	who, ok1 := readHex(id[:4])
	number, ok2 := readHex(id[5:17])
	when, ok3 := readHex(id[18:34])
	if !ok1 || !ok2 || !ok3 {
		return 0, 0, 0, fmt.Errorf("an event arrived whose id is none: %q", id[:idBytes])
	}
	return int(who), number, int64(when), nil
}

func appendHex(to []byte, value uint64, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		to = append(to, hexDigits[value>>shift&15])
	}
	return to
}

func readHex(digits []byte) (value uint64, ok bool) {
	for _, d := range digits {
		switch {
		case d >= '0' && d <= '9':
			value = value<<4 | uint64(d-'0')
		case d >= 'a' && d <= 'f':
			value = value<<4 | uint64(d-'a'+10)
		default:
			return 0, false
		}
	}
	return value, true
}
