package broker

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

func decodeRequest(raw []byte) error {
	return newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(raw)}, new(freshetv1.ConsumeRequest))
}

// TestCodecCounts: the largest settle that is allowed is decoded, and a bomb of empty messages isn't.
func TestCodecCounts(t *testing.T) {
	settle := &freshetv1.Settle{}
	for range partition.SettleRunsMax {
		settle.Releases = append(settle.Releases, &freshetv1.Release{Leased: leasedOf(1, 1<<60, 1), Reason: "a reason for it"})
	}
	raw, err := proto.Marshal(&freshetv1.ConsumeRequest{Request: &freshetv1.ConsumeRequest_Settle{Settle: settle}})
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) <= countBytes {
		t.Fatalf("%d bytes aren't counted", len(raw))
	}
	if err := decodeRequest(raw); err != nil {
		t.Errorf("the largest settle: %v", err)
	}
	for _, m := range []*freshetv1.ConsumeRequest{
		{Request: &freshetv1.ConsumeRequest_Settle{Settle: &freshetv1.Settle{Acks: emptyLeased(requestPartsMax + 1)}}},
		{Request: &freshetv1.ConsumeRequest_Settle{Settle: &freshetv1.Settle{Extends: []*freshetv1.Extend{{Leased: emptyLeased(requestPartsMax)}}}}},
		{Request: &freshetv1.ConsumeRequest_Close{Close: &freshetv1.Close{Unstarted: []*freshetv1.Leased{{Runs: emptyRuns(requestPartsMax)}}}}},
	} {
		raw, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := decodeRequest(raw); err == nil {
			t.Errorf("%d bytes of empty messages were decoded", len(raw))
		}
	}
}

func emptyLeased(n int) (list []*freshetv1.Leased) {
	for range n {
		list = append(list, &freshetv1.Leased{})
	}
	return list
}

func emptyRuns(n int) (list []*freshetv1.OffsetRun) {
	for range n {
		list = append(list, &freshetv1.OffsetRun{})
	}
	return list
}

// FuzzCodec looks for bytes on which counting panics, or that count for more than the bytes could hold.
func FuzzCodec(f *testing.F) {
	raw, err := proto.Marshal(&freshetv1.ConsumeRequest{Request: &freshetv1.ConsumeRequest_Settle{Settle: &freshetv1.Settle{
		Acks: manyLeased(3), Extends: []*freshetv1.Extend{{}},
	}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(bytes.Repeat([]byte{0x1a, 0}, 10))
	f.Fuzz(func(t *testing.T, raw []byte) {
		n := countParts(new(freshetv1.ConsumeRequest).ProtoReflect().Descriptor(), raw, requestPartsMax)
		if n < 0 || n > len(raw)/2 {
			t.Errorf("%d parts in %d bytes", n, len(raw))
		}
	})
}
