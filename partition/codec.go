package partition

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrCorrupt marks an entry or a snapshot that can't be what this package wrote. A replica that meets it must stop: it can't know
// what the others did.
var ErrCorrupt = errors.New("partition: corrupt")

// decoder reads what the append functions of encoding/binary wrote. The first mistake sticks, so that callers check once; every
// length is checked against the bytes that are there before anything is allocated for it.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s, %d bytes left", ErrCorrupt, what, len(d.b))
	}
	d.b = nil
}

func (d *decoder) uvarint(what string) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail(what)
		return 0
	}
	d.b = d.b[n:]
	return v
}

// fixed reads a number of eight bytes, the highest first.
func (d *decoder) fixed(what string) uint64 {
	b := d.raw(what, 8)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

func (d *decoder) varint(what string) int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail(what)
		return 0
	}
	d.b = d.b[n:]
	return v
}

// bounded reads a number that mustn't be above limit.
func (d *decoder) bounded(what string, limit uint64) uint64 {
	v := d.uvarint(what)
	if v > limit {
		d.fail(fmt.Sprintf("%s is %d, limit %d", what, v, limit))
		return 0
	}
	return v
}

func (d *decoder) byte(what string) byte {
	if len(d.b) == 0 {
		d.fail(what)
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) bool(what string) bool {
	switch d.byte(what) {
	case 0:
		return false
	case 1:
		return true
	}
	d.fail(what)
	return false
}

// raw reads n bytes without copying them.
func (d *decoder) raw(what string, n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail(what)
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

// bytes reads a length and that many bytes, without copying them.
func (d *decoder) u64(what string) uint64 { return binary.LittleEndian.Uint64(pad8(d.raw(what, 8))) }

func (d *decoder) bytes(what string) []byte { return d.raw(what, d.uvarint(what)) }

func (d *decoder) string(what string) string { return string(d.bytes(what)) }

// count reads a number of things of which each takes at least one byte.
func (d *decoder) count(what string) int { return int(d.bounded(what, uint64(len(d.b)))) }

func (d *decoder) session() (s SessionID) {
	copy(s[:], d.raw("session", uint64(len(s))))
	return s
}

func (d *decoder) cursor() CursorID {
	return CursorID{
		Subscription: SubscriptionID(d.uvarint("subscription")),
		Member:       d.string("member"),
	}
}

func (d *decoder) run() Run {
	return Run{
		First: Offset(d.bounded("first offset", 1<<63)),
		Count: uint32(d.bounded("run length", 1<<32-1)),
	}
}

// done reports the first mistake, or bytes that nobody asked for.
func (d *decoder) done(what string) error {
	if d.err == nil && len(d.b) != 0 {
		d.fail(what + " ends early")
	}
	return d.err
}

func appendString[S ~string | ~[]byte](b []byte, s S) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendCursor(b []byte, c CursorID) []byte {
	b = binary.AppendUvarint(b, uint64(c.Subscription))
	return appendString(b, c.Member)
}

func appendRun(b []byte, r Run) []byte {
	b = binary.AppendUvarint(b, uint64(r.First))
	return binary.AppendUvarint(b, uint64(r.Count))
}
