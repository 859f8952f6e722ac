package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// shape makes the events of a run, and recognises them. An event is a JSON envelope
// of a fixed length, and differs from all others by its producer and number:
//
//	{"version":"0","id":"pppp-nnnnnnnnnnnn","source":"freshet.bench","detail-type":"load",
//	 "detail":{"at":"tttttttttttttttt","random":"....","filler":"...."}}
//
//	p  the producer, n the number of the event there, from 0: hexadecimal
//	t  nanoseconds since the run began, when it was sent or should have been: hexadecimal
//
// The first half of the bytes are all that, then the filler; the other half is
// random, drawn from 64 characters, so that nothing on the way can make much less
// of it.
type shape struct {
	bytes  int
	random int // how many characters
	// pool is random text. Events have windows of it: drawing each character anew would
	// cost more than publishing the event.
	pool []byte
	// filler is the rest of an event behind its random part.
	filler []byte
}

const (
	shapeID     = `{"version":"0","id":"`
	shapeNumber = `-`
	shapeSource = "freshet.bench"
	shapeType   = "load"
	shapeAt     = `","source":"` + shapeSource + `","detail-type":"` + shapeType + `","detail":{"at":"`
	shapeRandom = `","random":"`
	shapeFiller = `","filler":"`
	shapeEnd    = `"}}`

	producerDigits = 4
	numberDigits   = 12
	atDigits       = 16

	producerAt = len(shapeID)
	numberAt   = producerAt + producerDigits + len(shapeNumber)
	timeAt     = numberAt + numberDigits + len(shapeAt)
	randomAt   = timeAt + atDigits + len(shapeRandom)

	// eventBytesMin leaves a few random characters.
	eventBytesMin = randomAt + len(shapeFiller) + len(shapeEnd) + 32

	poolBits  = 15
	poolBytes = 1 << poolBits
)

// newShape returns the shape of a run's events.
func newShape(eventBytes int, seed uint64) *shape {
	room := eventBytes - randomAt - len(shapeFiller) - len(shapeEnd)
	s := &shape{bytes: eventBytes, random: min(eventBytes/2, room)}
	s.filler = append(s.filler, shapeFiller...)
	s.filler = append(s.filler, bytes.Repeat([]byte("freshet "), room/8+1)[:room-s.random]...)
	s.filler = append(s.filler, shapeEnd...)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	s.pool = make([]byte, poolBytes+s.random)
	if _, err := rand.NewChaCha8(key).Read(s.pool); err != nil {
		panic(fmt.Sprintf("load: ChaCha8 returned an error: %v", err)) // it is documented never to
	}
	for i, b := range s.pool {
		s.pool[i] = alphabet[b%64]
	}
	return s
}

// appendTo appends an event.
func (s *shape) appendTo(to []byte, producer int, number uint64, at int64) []byte {
	to = append(to, shapeID...)
	to = appendHex(to, uint64(producer), producerDigits)
	to = append(to, shapeNumber...)
	to = appendHex(to, number, numberDigits)
	to = append(to, shapeAt...)
	to = appendHex(to, uint64(at), atDigits)
	to = append(to, shapeRandom...)
	// Neighbours have windows far apart: a multiplicative hash of who it is (Knuth, TAOCP
	// 6.4) says where.
	from := (number*uint64(workersMax) + uint64(producer)) * 0x9E3779B97F4A7C15 >> (64 - poolBits)
	to = append(to, s.pool[from:from+uint64(s.random)]...)
	return append(to, s.filler...)
}

// read tells whose event it is. What isn't an event of this shape is an error.
func (s *shape) read(event []byte) (producer int, number uint64, at int64, err error) {
	if len(event) != s.bytes {
		return 0, 0, 0, fmt.Errorf("an event of %d bytes arrived: all have %d", len(event), s.bytes)
	}
	who, ok1 := readHex(event[producerAt:][:producerDigits])
	number, ok2 := readHex(event[numberAt:][:numberDigits])
	when, ok3 := readHex(event[timeAt:][:atDigits])
	if !ok1 || !ok2 || !ok3 || string(event[:producerAt]) != shapeID {
		return 0, 0, 0, fmt.Errorf("an event arrived that isn't one of this run: %.64q", event)
	}
	return int(who), number, int64(when), nil
}

const hexDigits = "0123456789abcdef"

func appendHex(to []byte, value uint64, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		to = append(to, hexDigits[value>>shift&15])
	}
	return to
}

// hexValues is what a digit is worth, and 0xff for what is none.
var hexValues = func() (values [256]byte) {
	for i := range values {
		values[i] = 0xff
	}
	for i, digit := range []byte(hexDigits) {
		values[digit] = byte(i)
	}
	return values
}()

func readHex(digits []byte) (value uint64, ok bool) {
	wrong := byte(0)
	for _, digit := range digits {
		v := hexValues[digit]
		wrong |= v
		value = value<<4 | uint64(v&15)
	}
	return value, wrong < 16
}
