package wire

import (
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Field numbers of what is treated apart (publish.proto, consume.proto).
const (
	publishBlock    protowire.Number = 2
	consumeDelivery protowire.Number = 2
	deliveryBlocks  protowire.Number = 6
)

// marshalPublish encodes a request as its other fields, and behind them the block.
func marshalPublish(m *freshetv1.PublishRequest) (mem.BufferSlice, error) {
	head, err := appendWithout(nil, m.ProtoReflect(), publishBlock)
	if err != nil {
		return nil, err
	}
	head = appendLength(head, publishBlock, len(m.GetBlock()))
	return mem.BufferSlice{mem.SliceBuffer(head), mem.SliceBuffer(m.GetBlock())}, nil
}

// marshalDelivery encodes a response that is a delivery: its other fields, if it should
// ever have any, then the delivery's, then the blocks.
func marshalDelivery(m *freshetv1.ConsumeResponse, d *freshetv1.Delivery) (mem.BufferSlice, error) {
	head, err := appendWithout(nil, m.ProtoReflect(), consumeDelivery)
	if err != nil {
		return nil, err
	}
	fields, err := appendWithout(nil, d.ProtoReflect(), deliveryBlocks)
	if err != nil {
		return nil, err
	}
	total := len(fields)
	for _, block := range d.GetBlocks() {
		total += protowire.SizeTag(deliveryBlocks) + protowire.SizeBytes(len(block))
	}
	head = append(appendLength(head, consumeDelivery, total), fields...)
	message := make(mem.BufferSlice, 0, 2*len(d.GetBlocks()))
	for _, block := range d.GetBlocks() {
		head = appendLength(head, deliveryBlocks, len(block))
		message = append(message, mem.SliceBuffer(head), mem.SliceBuffer(block))
		head = nil
	}
	return message, nil
}

func blocksBytes(d *freshetv1.Delivery) (total int) {
	for _, block := range d.GetBlocks() {
		total += len(block)
	}
	return total
}

// appendLength appends what stands before a field of bytes.
func appendLength(to []byte, number protowire.Number, length int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(to, number, protowire.BytesType), uint64(length))
}

// appendWithout appends a message's encoding but for one field. It goes by what the
// message has, so that a field that it gets some day isn't forgotten here.
func appendWithout(to []byte, m protoreflect.Message, left protowire.Number) ([]byte, error) {
	rest := m.New()
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if field.Number() != left {
			rest.Set(field, value) // lists and messages are shared, and only read
		}
		return true
	})
	rest.SetUnknown(m.GetUnknown())
	return proto.MarshalOptions{}.MarshalAppend(to, rest.Interface())
}
