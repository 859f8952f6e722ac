package broker

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/freshet-mq/freshet/partition"
	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// waiting waits until n timers of the turned clock run that weren't there before, so that a test knows that polls have begun to wait.
func (c *turnedClock) waiting(n int) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		c.mu.Lock()
		got := len(c.mu.timers)
		c.mu.Unlock()
		if got >= n {
			return
		}
		runtime.Gosched()
	}
}

// TestIdlePollsCostNothing: however many polls wait, and for how long, the log gets no entry; each ends empty when its time is over.
func TestIdlePollsCostNothing(t *testing.T) {
	r := newRig(t)
	r.start()
	r.create("t", "q")
	applied := r.node.partitions.all[0].Status().Applied
	const polls = 20
	answers := make(chan error, polls)
	for range polls {
		go func() {
			res, err := r.consume.Receive(r.context(), &freshetv1.ReceiveRequest{Topic: "t", Subscription: "q", WaitMs: 20_000})
			if err == nil && res.GetDelivery() != nil {
				err = errors.New("something was received")
			}
			answers <- err
		}()
	}
	r.clock.waiting(polls)
	r.clock.turn(20 * time.Second)
	for range polls {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	if now := r.node.partitions.all[0].Status().Applied; now != applied {
		t.Errorf("idle polls cost %d entries", now-applied)
	}
}

// TestOneEventWakesOnePoll: of many polls one gets the event, and the others go on waiting.
func TestOneEventWakesOnePoll(t *testing.T) {
	r := newRig(t)
	r.start()
	r.create("t", "q")
	const polls = 10
	got := make(chan int, polls)
	for range polls {
		go func() {
			res, err := r.consume.Receive(r.context(), &freshetv1.ReceiveRequest{Topic: "t", Subscription: "q", WaitMs: 20_000})
			if err != nil {
				t.Error(err)
			}
			got <- len(res.GetReceipts())
		}()
	}
	r.clock.waiting(polls)
	for range 3 {
		r.publishOne("t", `{"n":1}`)
		if n := <-got; n != 1 {
			t.Errorf("a poll got %d events", n)
		}
	}
	r.clock.turn(20 * time.Second)
	for range polls - 3 {
		if n := <-got; n != 0 {
			t.Errorf("a poll got %d events", n)
		}
	}
}

func (r *rig) publishOne(topic string, lines ...string) {
	r.t.Helper()
	if _, err := r.publish.Publish(r.context(), &freshetv1.PublishRequest{Topic: topic, Block: blockOf(r.t, block.Options{}, lines)}); err != nil {
		r.t.Fatal(err)
	}
}

// TestLongCallsEndWithTheNode: polls, readers and consumers are told that it stops, and it doesn't wait for them.
func TestLongCallsEndWithTheNode(t *testing.T) {
	r := newRig(t)
	r.start()
	r.create("t", "q")
	ended := make(chan error, 3)
	go func() {
		_, err := r.consume.Receive(context.Background(), &freshetv1.ReceiveRequest{Topic: "t", Subscription: "q", WaitMs: 20_000})
		ended <- err
	}()
	r.clock.waiting(1)
	reader, err := r.consume.Read(context.Background(), &freshetv1.ReadRequest{Topic: "t", Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Recv(); err != nil { // where it begins
		t.Fatal(err)
	}
	consumer, err := r.consume.Consume(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := consumer.Send(&freshetv1.ConsumeRequest{Request: &freshetv1.ConsumeRequest_Attach{Attach: &freshetv1.Attach{
		Topic: "t", Subscription: "q", Session: make([]byte, 16), Credit: &freshetv1.Credit{},
	}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := consumer.Recv(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := reader.Recv()
		ended <- err
	}()
	go func() {
		_, err := consumer.Recv()
		ended <- err
	}()
	r.stop(r.node)
	for range 3 {
		if err := <-ended; status.Code(err) != codes.Unavailable {
			t.Errorf("a call ended with %v", err)
		}
	}
}

// TestReceiptsOfElsewhere: a receipt that the cluster did make, of a partition that the node doesn't have, or of a subscription that nobody knows.
func TestReceiptsOfElsewhere(t *testing.T) {
	r := newRig(t)
	r.start()
	r.create("t", "q")
	ack := func(of receipt) (*freshetv1.SettleResponse, error) {
		return r.consume.Ack(r.context(), &freshetv1.AckRequest{Receipts: []string{r.services().sealer.seal(of)}})
	}
	_, err := ack(receipt{partition: 9})
	if got := showError(err); !strings.HasPrefix(got, "FR1005 NotFound: this node has no partition 9") {
		t.Errorf("got %s", got)
	}
	unknown := partition.Receipt{Cursor: partition.CursorID{Subscription: 999}, Offset: 1<<64 - 1, Epoch: 1<<64 - 1}
	if res, err := ack(receipt{Receipt: unknown}); err != nil || !slices.Equal(res.GetLost(), []uint32{0}) {
		t.Errorf("got %v, %v", res, err)
	}
}

// TestLargeDeadLetters: an answer has about 4 MiB of them, whatever was asked for, and says where to go on.
func TestLargeDeadLetters(t *testing.T) {
	r := newRig(t)
	r.start()
	r.create("t", "q")
	const letters = 12
	for range letters {
		r.publishOne("t", "zeros 1000000")
	}
	for range letters {
		res, err := r.consume.Receive(r.context(), &freshetv1.ReceiveRequest{Topic: "t", Subscription: "q"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.consume.Reject(r.context(), &freshetv1.RejectRequest{Receipts: res.GetReceipts()}); err != nil {
			t.Fatal(err)
		}
	}
	req := &freshetv1.ListDeadLettersRequest{Topic: "t", Subscription: "q", Max: 1_000}
	for seen := 0; ; {
		res, err := r.admin.ListDeadLetters(r.context(), req)
		if err != nil {
			t.Fatal(err)
		}
		n := len(res.GetLetters())
		if n == 0 || n > 5+deadListStep {
			t.Fatalf("an answer has %d letters of 1 MB", n)
		}
		for _, l := range res.GetLetters() {
			if l.GetOffset() != uint64(seen) {
				t.Fatalf("offset %d in place of %d", l.GetOffset(), seen)
			}
			seen++
		}
		req.FromOffset = uint64(seen)
		if !res.GetMore() {
			if seen != letters {
				t.Errorf("%d of %d listed", seen, letters)
			}
			return
		}
	}
}
