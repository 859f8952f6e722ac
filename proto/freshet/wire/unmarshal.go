package wire

import (
	"bytes"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// unmarshalPublish decodes into an empty request, and reports whether it could.
func unmarshalPublish(data mem.BufferSlice, m *freshetv1.PublishRequest) bool {
	in := pieces{data: data, left: data.Len()}
	rest, ok := in.split(publishBlock, func(length int) bool {
		m.Block = in.take(length)
		return true
	})
	return ok && mergeInto(m, rest)
}

// unmarshalDelivery decodes into an empty response, and reports whether it could.
func unmarshalDelivery(data mem.BufferSlice, m *freshetv1.ConsumeResponse) bool {
	in := pieces{data: data, left: data.Len()}
	var d *freshetv1.Delivery
	rest, ok := in.split(consumeDelivery, func(length int) bool {
		if d != nil {
			return false // twice: protobuf has rules for what that means
		}
		d = &freshetv1.Delivery{}
		behind := in.left - length
		in.left = length
		fields, ok := in.split(deliveryBlocks, func(length int) bool {
			block := room(length)
			in.each(length, func(piece []byte) { block = append(block, piece...) })
			d.Blocks = append(d.Blocks, block)
			return true
		})
		in.left = behind
		return ok && mergeInto(d, fields)
	})
	if !ok || d == nil || len(rest) > 0 && !mergeInto(m, rest) || m.GetResponse() != nil {
		return false // also when it is something else besides a delivery
	}
	m.Response = &freshetv1.ConsumeResponse_Delivery{Delivery: d}
	return true
}

func mergeInto(m proto.Message, encoded []byte) bool {
	return proto.UnmarshalOptions{Merge: true}.Unmarshal(encoded, m) == nil
}

// pieces reads a message that lies in several buffers.
type pieces struct {
	data mem.BufferSlice // the first is the one that is being read
	at   int             // in the first
	left int             // bytes of the message, or of the message in it
}

// split reads a message up to its end. It hands the occurrences of one field of bytes to
// its reader, by their length, and returns all others as they are encoded. What it
// can't read, or the field's reader doesn't want, makes it return false.
func (p *pieces) split(number protowire.Number, read func(length int) bool) (rest []byte, ok bool) {
	for p.left > 0 {
		begins := len(rest)
		var tag uint64
		if rest, tag, ok = p.appendVarint(rest); !ok {
			return nil, false
		}
		field, kind := protowire.DecodeTag(tag)
		if field == number && kind == protowire.BytesType {
			rest = rest[:begins]
			length, ok := p.varint()
			if !ok || length > uint64(p.left) || !read(int(length)) {
				return nil, false
			}
			continue
		}
		if rest, ok = p.appendValue(rest, kind); !ok {
			return nil, false
		}
	}
	return rest, true
}

// appendValue appends a field's value as it is encoded.
func (p *pieces) appendValue(to []byte, kind protowire.Type) (all []byte, ok bool) {
	var length uint64
	switch kind {
	case protowire.VarintType:
		to, _, ok = p.appendVarint(to)
		return to, ok
	case protowire.Fixed32Type:
		length = 4
	case protowire.Fixed64Type:
		length = 8
	case protowire.BytesType:
		if to, length, ok = p.appendVarint(to); !ok {
			return nil, false
		}
	case protowire.StartGroupType, protowire.EndGroupType:
		return nil, false
	default:
		return nil, false
	}
	if length > uint64(p.left) {
		return nil, false
	}
	p.each(int(length), func(piece []byte) { to = append(to, piece...) })
	return to, true
}

// varintBytesMax is the longest that a varint can be.
const varintBytesMax = 10

func (p *pieces) varint() (value uint64, ok bool) {
	_, value, ok = p.appendVarint(make([]byte, 0, varintBytesMax))
	return value, ok
}

// appendVarint reads a varint, and appends it as it is encoded, which need not be the shortest way: a field that isn't known is
// kept as it came.
func (p *pieces) appendVarint(to []byte) (all []byte, value uint64, ok bool) {
	for i := range min(varintBytesMax, p.left) {
		b := p.byte()
		if i == varintBytesMax-1 && b > 1 {
			return to, 0, false
		}
		to = append(to, b)
		value |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return to, value, true
		}
	}
	return to, 0, false
}

// byte reads one of those that are left.
func (p *pieces) byte() (b byte) {
	p.each(1, func(piece []byte) { b = piece[0] })
	return b
}

// take copies so many bytes of those that are left.
func (p *pieces) take(length int) []byte {
	parts := make([][]byte, 0, 1+length/(16<<10)) // gRPC reads 16 KiB at a time
	p.each(length, func(piece []byte) { parts = append(parts, piece) })
	if length == 0 {
		return []byte{}
	}
	return bytes.Join(parts, nil) // which doesn't clear what it is about to fill
}

// each goes through so many bytes of those that are left, piece by piece.
func (p *pieces) each(length int, do func(piece []byte)) {
	p.left -= length
	for length > 0 {
		piece := p.data[0].ReadOnlyData()[p.at:]
		if len(piece) == 0 {
			p.data, p.at = p.data[1:], 0
			continue
		}
		piece = piece[:min(length, len(piece))]
		do(piece)
		p.at += len(piece)
		length -= len(piece)
	}
}
