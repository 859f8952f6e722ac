package wire

import (
	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Codec is gRPC's codec for freshet's messages. It is called "proto", as it is that on
// the wire.
type Codec struct {
	protobuf encoding.CodecV2
}

var _ encoding.CodecV2 = Codec{}

// NewCodec returns a codec. It has no state, and is safe for concurrent use.
func NewCodec() Codec { return Codec{protobuf: encoding.GetCodecV2(grpcproto.Name)} }

// Name is "proto".
func (c Codec) Name() string { return c.protobuf.Name() }

// referBytes is how long a block has to be that isn't copied: for shorter ones a piece
// of its own costs more than the copy.
const referBytes = 1 << 10

// Marshal encodes a message. Blocks of a PublishRequest and of a Delivery are referred
// to.
func (c Codec) Marshal(v any) (mem.BufferSlice, error) {
	switch m := v.(type) {
	case *freshetv1.PublishRequest:
		if len(m.GetBlock()) >= referBytes {
			return marshalPublish(m)
		}
	case *freshetv1.ConsumeResponse:
		if d := m.GetDelivery(); d != nil && blocksBytes(d) >= referBytes {
			return marshalDelivery(m, d)
		}
	}
	return c.protobuf.Marshal(v)
}

// Unmarshal decodes a message. The message has no part in data.
func (c Codec) Unmarshal(data mem.BufferSlice, v any) error {
	if data.Len() < referBytes {
		return c.protobuf.Unmarshal(data, v)
	}
	decoded := false
	switch m := v.(type) {
	case *freshetv1.PublishRequest:
		proto.Reset(m)
		decoded = unmarshalPublish(data, m)
	case *freshetv1.ConsumeResponse:
		proto.Reset(m)
		decoded = unmarshalDelivery(data, m)
	}
	if decoded {
		return nil
	}
	return c.protobuf.Unmarshal(data, v)
}
