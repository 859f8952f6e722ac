package transport

import (
	"encoding/binary"
	"errors"
)

// Payloads are fixed-width numbers, and byte strings behind their length.

// appendBytes16 appends a string of at most 64 KiB behind its length.
func appendBytes16(to, b []byte) []byte {
	return append(binary.LittleEndian.AppendUint16(to, uint16(len(b))), b...)
}

// appendBytes32 appends a longer one.
func appendBytes32(to, b []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(to, uint32(len(b))), b...)
}

// appendBool appends a byte, 0 or 1.
func appendBool(to []byte, b bool) []byte {
	if b {
		return append(to, 1)
	}
	return append(to, 0)
}

var (
	errShort    = errors.New("it ends within a field")
	errTrailing = errors.New("bytes behind the last field")
	errFlag     = errors.New("a flag that is neither 0 nor 1")
)

// decoder reads a payload. After the first error it reads zeros.
type decoder struct {
	rest []byte
	err  error
}

// next returns so many bytes of the payload itself.
func (d *decoder) next(n int) []byte {
	if d.err != nil || n < 0 || n > len(d.rest) {
		if d.err == nil {
			d.err = errShort
		}
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) uint8() uint8 {
	if b := d.next(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) uint16() uint16 {
	if b := d.next(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	if b := d.next(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if b := d.next(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) bool() bool {
	b := d.uint8()
	if b > 1 && d.err == nil {
		d.err = errFlag
	}
	return b == 1
}

// bytes16 returns a string that appendBytes16 has written, nil for an empty one. It is a part of the payload.
func (d *decoder) bytes16() []byte { return d.string(int(d.uint16())) }

// bytes32 returns one that appendBytes32 has written.
func (d *decoder) bytes32() []byte { return d.string(int(d.uint32())) }

func (d *decoder) string(n int) []byte {
	if n == 0 {
		return nil
	}
	return d.next(n)
}

// end returns the first error, and it is one that something is left.
func (d *decoder) end() error {
	if d.err == nil && len(d.rest) > 0 {
		d.err = errTrailing
	}
	return d.err
}
