package broker

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestFollow: a reader gets what is published while it waits, only what matches, and ends when it is cancelled.
func TestFollow(t *testing.T) {
	r := newRig(t)
	r.start()
	r.create("t", "q")
	ctx, cancel := context.WithCancel(r.context())
	defer cancel()
	reader, err := r.consume.Read(ctx, &freshetv1.ReadRequest{
		Topic: "t", Follow: true, Pattern: `{"kind":["wanted"]}`, From: &freshetv1.ReadRequest_Earliest{Earliest: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r.publishOne("t", `{"kind":"other"}`, `{"kind":"wanted"}`)
		res, err := reader.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if events := eventsOf(t, res.GetBlock()); len(events) != 1 || events[0] != `{"kind":"wanted"}` {
			t.Errorf("the reader got %q", events)
		}
	}
	cancel()
	if _, err := reader.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("the reader ended with %v", err)
	}
}

// TestGap: a reader from an offset that is gone is told so first.
func TestGap(t *testing.T) {
	r := newRig(t)
	r.start()
	r.create("t", "q")
	s := &story{rig: r}
	// The partition keeps some settled events for readers at its head, and lets go of them in stretches.
	total := uint64(0)
	for held := partition.Offset(0); held <= 3; {
		if total += 5; total > 4_000 {
			t.Fatal("nothing goes")
		}
		for range 5 { // an odd number of entries a round, so that a look at what is kept finds everything settled some time
			r.publishOne("t", "{}")
		}
		res, err := r.consume.Receive(r.context(), &freshetv1.ReceiveRequest{Topic: "t", Subscription: "q", MaxEvents: 1_000})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.consume.Ack(r.context(), &freshetv1.AckRequest{Receipts: res.GetReceipts()}); err != nil {
			t.Fatal(err)
		}
		topic, _ := r.node.metadata.view().Topic("t")
		if held, err = r.node.partitions.all[0].Held(partition.StreamID(topic.ID)); err != nil {
			t.Fatal(err)
		}
	}
	for _, req := range []*freshetv1.ReadRequest{
		{Topic: "t", From: &freshetv1.ReadRequest_Offset{Offset: 3}},
		{Topic: "t", From: &freshetv1.ReadRequest_TimeMs{TimeMs: clockStart.Add(-time.Hour).UnixMilli()}},
	} {
		reader, err := r.consume.Read(r.context(), req)
		if err != nil {
			t.Fatal(err)
		}
		first, err := reader.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if first.GetTruncatedBefore() <= 3 || first.GetTruncatedBefore() > total || first.GetBlock() != nil {
			t.Errorf("first came %v", s.showRead(first))
		}
		next := first.GetTruncatedBefore()
		for {
			res, err := reader.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if res.GetEvents()[0].GetFirst() != next {
				t.Fatalf("offset %d came after the gap, want %d", res.GetEvents()[0].GetFirst(), next)
			}
			next++
		}
		if next != total {
			t.Errorf("it ended before offset %d of %d", next, total)
		}
	}
}
