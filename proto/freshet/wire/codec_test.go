package wire

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"google.golang.org/grpc/encoding"
	grpcproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// cut makes pieces of an encoded message, as gRPC hands it over.
func cut(b []byte, size int) mem.BufferSlice {
	var s mem.BufferSlice
	for len(b) > size {
		s = append(s, mem.SliceBuffer(b[:size]))
		b = b[size:]
	}
	return append(s, mem.SliceBuffer(b))
}

// messages are some of each kind. Their fields are filled by reflection, so that one that
// is new is in them.
func messages() map[string]proto.Message {
	large := func(n int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), n/16) }
	publish := &freshetv1.PublishRequest{}
	fill(publish.ProtoReflect(), 3)
	publish.Block = large(100_000)
	delivery := &freshetv1.Delivery{}
	fill(delivery.ProtoReflect(), 3)
	delivery.Blocks = [][]byte{large(50_000), {}, large(16), large(70_000)}
	settled := &freshetv1.Settled{}
	fill(settled.ProtoReflect(), 3)
	for range 2_000 {
		settled.Lost = append(settled.Lost, &freshetv1.Leased{Delivery: 7, Runs: []*freshetv1.OffsetRun{{First: 8, Count: 9}}})
	}
	strange := &freshetv1.PublishRequest{Topic: "orders", Block: large(5_000)}
	strange.ProtoReflect().SetUnknown([]byte{0xf8, 0x07, 0x2a}) // field 127, varint 42
	return map[string]proto.Message{
		"publish":          publish,
		"publish, small":   &freshetv1.PublishRequest{Topic: "orders", Block: []byte("small")},
		"publish, nothing": &freshetv1.PublishRequest{},
		"publish, unknown": strange,
		"delivery":         &freshetv1.ConsumeResponse{Response: &freshetv1.ConsumeResponse_Delivery{Delivery: delivery}},
		"delivery, small":  &freshetv1.ConsumeResponse{Response: &freshetv1.ConsumeResponse_Delivery{Delivery: &freshetv1.Delivery{Number: 1}}},
		"settled":          &freshetv1.ConsumeResponse{Response: &freshetv1.ConsumeResponse_Settled{Settled: settled}},
		"another":          &freshetv1.PublishResponse{RequestId: 5, Events: 6},
	}
}

// fill sets every field of a message.
func fill(m protoreflect.Message, depth int) {
	value := func(f protoreflect.FieldDescriptor, element func() protoreflect.Value) protoreflect.Value {
		switch f.Kind() {
		case protoreflect.BoolKind:
			return protoreflect.ValueOfBool(true)
		case protoreflect.StringKind:
			return protoreflect.ValueOfString(string(f.Name()))
		case protoreflect.BytesKind:
			return protoreflect.ValueOfBytes([]byte(f.Name()))
		case protoreflect.Uint32Kind:
			return protoreflect.ValueOfUint32(uint32(f.Number()) << 20)
		case protoreflect.Uint64Kind:
			return protoreflect.ValueOfUint64(uint64(f.Number()) << 40)
		case protoreflect.EnumKind:
			return protoreflect.ValueOfEnum(1)
		case protoreflect.MessageKind:
			v := element()
			fill(v.Message(), depth-1)
			return v
		default:
			panic(fmt.Sprintf("the test knows no value for %v", f.FullName()))
		}
	}
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		switch {
		case depth == 0:
		case f.IsMap():
			m.Mutable(f).Map().Set(protoreflect.ValueOfString("key").MapKey(), protoreflect.ValueOfString("value"))
		case f.IsList():
			list := m.Mutable(f).List()
			for range 3 {
				list.Append(value(f, list.NewElement))
			}
		default:
			m.Set(f, value(f, func() protoreflect.Value { return m.NewField(f) }))
		}
	}
}

// TestCodecTwin has this codec and protobuf's own read what either has written.
func TestCodecTwin(t *testing.T) {
	own, twin := NewCodec(), encoding.GetCodecV2(grpcproto.Name)
	for name, m := range messages() {
		for _, writer := range []encoding.CodecV2{own, twin} {
			encoded, err := writer.Marshal(m)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			whole := encoded.Materialize()
			for _, size := range []int{1, 2, 3, 7, 1000, 16 << 10, 1 << 20} {
				if size < 7 && len(whole) > 10_000 && testing.Short() {
					continue
				}
				for _, reader := range []encoding.CodecV2{own, twin} {
					got := m.ProtoReflect().New().Interface()
					if err := reader.Unmarshal(cut(whole, size), got); err != nil {
						t.Fatalf("%s, %T to %T, pieces of %d: %v", name, writer, reader, size, err)
					}
					if !proto.Equal(got, m) {
						t.Fatalf("%s, %T to %T, pieces of %d: it isn't the same", name, writer, reader, size)
					}
				}
			}
		}
	}
}

// TestUnmarshalOwns changes the buffers that a message was read from.
func TestUnmarshalOwns(t *testing.T) {
	c := NewCodec()
	for name, m := range messages() {
		encoded, err := c.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		whole := encoded.Materialize()
		got := m.ProtoReflect().New().Interface()
		if err := c.Unmarshal(cut(whole, 4096), got); err != nil {
			t.Fatal(err)
		}
		for i := range whole {
			whole[i] = 0xff
		}
		if !proto.Equal(got, m) {
			t.Errorf("%s: it has changed with the buffers", name)
		}
	}
}

// judge wants both codecs to say the same of some bytes.
func judge(t *testing.T, encoded []byte, size int) {
	t.Helper()
	own, twin := NewCodec(), encoding.GetCodecV2(grpcproto.Name)
	for _, m := range []proto.Message{&freshetv1.PublishRequest{}, &freshetv1.ConsumeResponse{}} {
		got, want := m.ProtoReflect().New().Interface(), m
		gotErr, wantErr := own.Unmarshal(cut(encoded, size), got), twin.Unmarshal(cut(encoded, size), want)
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("%T: %v, protobuf says %v", m, gotErr, wantErr)
		}
		if gotErr == nil && !proto.Equal(got, want) {
			t.Fatalf("%T: %v, protobuf says %v", m, got, want)
		}
	}
}

// TestUnmarshalBroken breaks messages at random.
func TestUnmarshalBroken(t *testing.T) {
	for seed := range uint64(3) {
		draw := rand.New(rand.NewPCG(seed, 5))
		for name, m := range messages() {
			encoded, err := proto.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			for range 60 {
				broken := bytes.Clone(encoded)
				for range draw.IntN(3) + 1 {
					if len(broken) > 0 {
						broken[draw.IntN(min(len(broken), 200))] = byte(draw.IntN(256))
					}
				}
				if draw.IntN(2) == 0 {
					broken = broken[:draw.IntN(len(broken)+1)]
				}
				t.Run("", func(t *testing.T) { judge(t, broken, 1+draw.IntN(5000)) })
				if t.Failed() {
					t.Fatalf("seed %d, %s", seed, name)
				}
			}
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, m := range messages() {
		encoded, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded, uint16(1000))
	}
	f.Fuzz(func(t *testing.T, encoded []byte, size uint16) {
		// Padded with an unknown field, as short messages are protobuf's own codec's.
		padded := append(bytes.Clone(encoded), 0xfa, 0x07, 0x80, 0x08)
		judge(t, append(padded, make([]byte, 1024)...), 1+int(size))
		judge(t, encoded, 1+int(size))
	})
}

func BenchmarkCodec(b *testing.B) {
	block := bytes.Repeat([]byte("0123456789abcdef"), 16<<10)
	for name, codec := range map[string]encoding.CodecV2{"wire": NewCodec(), "protobuf": encoding.GetCodecV2(grpcproto.Name)} {
		m := &freshetv1.PublishRequest{Topic: "orders", Block: block, RequestId: 77}
		b.Run("marshal/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(block)))
			b.ReportAllocs()
			for b.Loop() {
				encoded, err := codec.Marshal(m)
				if err != nil {
					b.Fatal(err)
				}
				encoded.Free()
			}
		})
		b.Run("unmarshal/"+name, func(b *testing.B) {
			encoded, err := proto.Marshal(m)
			if err != nil {
				b.Fatal(err)
			}
			parts := cut(encoded, 16<<10)
			b.SetBytes(int64(len(block)))
			b.ReportAllocs()
			var got freshetv1.PublishRequest
			for b.Loop() {
				if err := codec.Unmarshal(parts, &got); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
