package wire

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestRelease receives deliveries of all sizes into memory that earlier ones gave back: none is another's.
func TestRelease(t *testing.T) {
	c := NewCodec()
	var before *freshetv1.Delivery
	for i := range 300 {
		length := i * 7919 % (40 << 10)
		if i%50 == 0 {
			length = 1<<roomBitsMax + i
		}
		want := &freshetv1.Delivery{Number: uint64(i), Blocks: [][]byte{bytes.Repeat([]byte{byte(i)}, length), {}, bytes.Repeat([]byte{1, byte(i)}, length/3)}}
		encoded, err := proto.Marshal(&freshetv1.ConsumeResponse{Response: &freshetv1.ConsumeResponse_Delivery{Delivery: want}})
		if err != nil {
			t.Fatal(err)
		}
		var got freshetv1.ConsumeResponse
		if err := c.Unmarshal(cut(encoded, 16<<10), &got); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(got.GetDelivery(), want) {
			t.Fatalf("delivery %d is another", i)
		}
		if before != nil {
			if first := before.GetBlocks()[0]; len(first) > 0 && first[0] != byte(i-1) {
				t.Fatalf("delivery %d has changed with the next", i-1)
			}
			Release(before)
			if before.GetBlocks() != nil {
				t.Fatal("blocks that were released are still there")
			}
		}
		before = got.GetDelivery()
	}
}
