package broker

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
	"github.com/freshet-mq/freshet/proto/freshet/wire"
)

// codec is how requests become messages. It is package wire's, but for one check: a few megabytes of empty messages within a message,
// two bytes each, would become hundreds once decoded. So what consumers say, the one request with messages in lists in lists, is counted first.
// And it knows two things that are no messages: what is counted until it is sent, and what is passed on as it came (outgoing.go).
type codec struct {
	encoding.CodecV2
}

func newCodec() codec { return codec{wire.NewCodec()} }

const (
	// requestPartsMax is how many messages a ConsumeRequest may consist of: a Release, its Leased and a run for each run that a Settle may
	// name, and some more.
	requestPartsMax = 4 * partition.SettleRunsMax
	// countBytes is how large a request has to be to be counted: smaller ones have not so many parts.
	countBytes = 2 * requestPartsMax
)

// Marshal encodes a message.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	switch v := v.(type) {
	case *outgoing:
		return v.marshal(c)
	case *frame:
		return v.again(), nil
	case *delivery:
		return v.marshal(c)
	}
	return c.CodecV2.Marshal(v)
}

// Unmarshal decodes a message.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if f, ok := v.(*frame); ok {
		f.keep(data)
		return nil
	}
	m, ok := v.(*freshetv1.ConsumeRequest)
	if !ok || data.Len() <= countBytes {
		return c.CodecV2.Unmarshal(data, v)
	}
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free()
	if n := countParts(m.ProtoReflect().Descriptor(), whole.ReadOnlyData(), requestPartsMax); n > requestPartsMax {
		return fmt.Errorf("it has more than %d parts; a settle names at most %d runs", requestPartsMax, partition.SettleRunsMax)
	}
	return c.CodecV2.Unmarshal(data, v)
}

// countParts counts the messages within an encoded message, and stops when there are more than most. What isn't well formed is left to
// the decoder.
func countParts(d protoreflect.MessageDescriptor, b []byte, most int) (parts int) {
	for len(b) > 0 && parts <= most {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return parts
		}
		b = b[n:]
		field := d.Fields().ByNumber(number)
		if field == nil || field.Message() == nil || kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
				return parts
			}
			b = b[n:]
			continue
		}
		inner, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return parts
		}
		parts += 1 + countParts(field.Message(), inner, most-parts)
		b = b[n:]
	}
	return parts
}
