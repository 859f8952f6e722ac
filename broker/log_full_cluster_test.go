package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestLogsFullAndKilled: three nodes fill their logs while the consumer is away, and lose power three times. Then the consumer gets every event that was
// stored, once, and publishing goes on.
func TestLogsFullAndKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.adjust = func(o *Options) { o.LogBytesMax = logBytesMin }
		c.startAll()
		c.create("orders", "billing")
		stored := c.fillLog("orders", "before")
		if stored < 120 {
			t.Fatalf("%d events of 80 kB were stored in a log of 16 MiB", stored)
		}
		for cut := range 3 {
			for _, m := range c.members {
				c.network.Kill(m.address())
			}
			c.loseAll(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(uint64(cut), 1))})
			c.startAll()
		}
		if more := c.fillLog("orders", "between"); more > 10 {
			t.Errorf("%d events more were stored in a full log", more)
		} else {
			stored += more
		}
		seen := map[uint64]bool{}
		for len(seen) < stored {
			leader := c.leader(c.home("orders"))
			res, err := leader.consume.Receive(c.context(), &freshetv1.ReceiveRequest{Topic: "orders", Subscription: "billing", MaxEvents: 20, WaitMs: 5_000})
			if err != nil {
				t.Fatal(err)
			}
			if len(res.GetReceipts()) == 0 {
				t.Fatalf("%d of %d events came", len(seen), stored)
			}
			for _, run := range res.GetDelivery().GetEvents() {
				for i := range uint64(run.GetCount()) {
					if at := run.GetFirst() + i; seen[at] {
						t.Errorf("the event at offset %d came twice", at)
					} else {
						seen[at] = true
					}
				}
			}
			if _, err := leader.consume.Ack(c.context(), &freshetv1.AckRequest{Receipts: res.GetReceipts()}); err != nil {
				t.Fatal(err)
			}
		}
		c.eventually("room for an event", func(*clusterMember) bool { return c.fillOnce("orders", "after") == nil })
		c.agree()
	})
}

// fillLog publishes events of 80 kB until the log is full, and returns how many were stored.
func (c *clusterRig) fillLog(topic, name string) (stored int) {
	c.t.Helper()
	for {
		err := c.fillOnce(topic, fmt.Sprint(name, stored))
		if err == nil {
			stored++
			continue
		}
		if got := showError(err); !strings.Contains(got, "FR3003") {
			c.t.Fatal(got)
		}
		return stored
	}
}

func (c *clusterRig) fillOnce(topic, id string) error {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), clusterPatience)
	defer cancel()
	req := &freshetv1.PublishRequest{Topic: topic, Block: blockOf(c.t, block.Options{}, []string{"text " + id + " " + strings.Repeat("x", 80_000)})}
	_, err := c.leader(c.home(topic)).publish.Publish(ctx, req)
	return err
}
