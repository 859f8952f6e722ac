package broker

import (
	"context"
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestLogFull: when the log is full publishing is refused and the holder named, consuming goes on, and that makes room.
func TestLogFull(t *testing.T) {
	r := newRig(t)
	r.adjust = func(o *Options) { o.LogBytesMax = logBytesMin }
	r.start()
	r.create("orders", "billing")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	full := &freshetv1.PublishRequest{Topic: "orders", Block: blockOf(t, block.Options{}, []string{"text x " + strings.Repeat("x", 80_000)})}
	stored := 0
	for {
		_, err := r.publish.Publish(ctx, full)
		if err == nil {
			stored++
			continue
		}
		got := showError(err)
		for _, want := range []string{"FR3003 ResourceExhausted", `at offset 0, waits for subscription "orders/billing"`, "retryable=true", "topic=orders"} {
			if !strings.Contains(got, want) {
				t.Errorf("%q isn't told in %s", want, got)
			}
		}
		break
	}
	if stored < 120 || stored > 165 {
		t.Errorf("%d blocks of 80 kB were stored in a log of 16 MiB", stored)
	}
	for taken := 0; taken < stored; {
		res, err := r.consume.Receive(ctx, &freshetv1.ReceiveRequest{Topic: "orders", Subscription: "billing", MaxEvents: 2, WaitMs: 20_000})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.consume.Ack(ctx, &freshetv1.AckRequest{Receipts: res.GetReceipts()}); err != nil {
			t.Fatal(err)
		}
		taken += len(res.GetReceipts())
	}
	// What is settled goes in the background.
	for {
		if _, err := r.publish.Publish(ctx, full); err == nil {
			break
		} else if ctx.Err() != nil {
			t.Fatalf("there is no room again: %v", err)
		}
	}
}
