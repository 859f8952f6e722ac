package client

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// asked is which node lists topics.
func asked(t *testing.T, c *Client) string {
	t.Helper()
	for topic, err := range c.Admin().Topics(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		return topic.Name
	}
	return ""
}

// TestConnectToAny: of several addresses one that answers will do, and a node that is given up is replaced by another.
func TestConnectToAny(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := startFronts(t, 3, 1, time.Minute)
		f.fronts[0].setDown(true)
		began := time.Now()
		c, err := Connect(t.Context(), "nowhere:7600, n1:7600,n2:7600", WithDialer(f.dial))
		if err != nil || time.Since(began) > time.Second {
			t.Fatalf("after %v: %v", time.Since(began), err)
		}
		if by := asked(t, c); by != "n2" {
			t.Errorf("asked %s", by)
		}
		f.fronts[0].setDown(false)
		if by := asked(t, c); by != "n2" {
			t.Errorf("went on with %s", by)
		}
		f.fronts[1].setDown(true)
		if by := asked(t, c); by != "n1" && by != "n3" {
			t.Errorf("after its node went: asked %s", by)
		}
		f.fronts[0].setDown(true) // n3 was named by the cluster alone
		if by := asked(t, c); by != "n3" {
			t.Errorf("asked %s", by)
		}
		f.fronts[1].setDown(false)
		f.fronts[2].conns.Lock()
		f.fronts[2].conns.stopping = true
		f.fronts[2].conns.Unlock()
		if by := asked(t, c); by != "n2" {
			t.Errorf("asked %s", by)
		}
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestNobodyAnswers: a call gives up after a while, or with its context, and says why; and it waits for a node that comes back.
func TestNobodyAnswers(t *testing.T) {
	withFronts(t, 2, 1, func(t *testing.T, f *fakeFronts, c *Client) {
		for _, n := range f.fronts {
			n.setDown(true)
		}
		list := func(ctx context.Context) error {
			for _, err := range c.Admin().Topics(ctx) {
				return err
			}
			return nil
		}
		began := time.Now()
		if err := list(t.Context()); !errors.Is(err, ErrUnavailable) || time.Since(began) < failoverTimeout || time.Since(began) > 2*failoverTimeout {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := list(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "connection refused by the fake") {
			t.Errorf("error %v", err)
		}
		go func() {
			<-time.After(5 * time.Second)
			f.fronts[1].setDown(false)
		}()
		if by := asked(t, c); by != "n2" {
			t.Errorf("asked %s", by)
		}
	})
}

// TestDeletedAlready: the answer to a delete is lost, and it hears all the same that it is done: it asks again under the same number. What others deleted isn't there.
func TestDeletedAlready(t *testing.T) {
	withFronts(t, 2, 1, func(t *testing.T, f *fakeFronts, c *Client) {
		f.mu.Lock()
		f.mu.loseDelete = true
		f.mu.Unlock()
		if err := c.Admin().DeleteTopic(t.Context(), "orders"); err != nil {
			t.Error(err)
		}
		if err := c.Admin().DeleteTopic(t.Context(), "orders"); !errors.Is(err, ErrNotFound) {
			t.Errorf("error %v", err)
		}
	})
}

// TestMadeAlready: the answer to who made a topic is lost, and it hears all the same that it was made just now. Who asks for it once more hears that it is there.
func TestMadeAlready(t *testing.T) {
	withFronts(t, 2, 1, func(t *testing.T, f *fakeFronts, c *Client) {
		f.mu.Lock()
		f.mu.lose = 1
		f.mu.Unlock()
		for _, want := range []bool{true, false} {
			if _, created, err := c.Admin().CreateTopic(t.Context(), TopicConfig{Name: "payments"}); err != nil || created != want {
				t.Errorf("created %v, want %v, error %v", created, want, err)
			}
		}
	})
}

// TestRedrivenAlready: answers to redriving are lost. No more is redriven than was meant, and all of it is counted.
func TestRedrivenAlready(t *testing.T) {
	withFronts(t, 2, 1, func(t *testing.T, f *fakeFronts, c *Client) {
		f.fill(9)
		f.partitions[0].look(func() {
			f.queue(0).ready = nil
			for offset := range uint64(9) {
				f.queue(0).dead[offset] = freshetv1.DeadReason_DEAD_REASON_REJECTED
			}
		})
		f.mu.Lock()
		f.mu.lose = 3 // of a plan, and of what carries it out
		f.mu.Unlock()
		if n, err := c.Admin().Redrive(t.Context(), "orders/billing", "", WithDeadMost(5)); err != nil || n != 5 {
			t.Errorf("redriven %d, error %v", n, err)
		}
		f.partitions[0].look(func() {
			if dead, ready := len(f.queue(0).dead), len(f.queue(0).ready); dead != 4 || ready != 5 {
				t.Errorf("%d dead letters and %d ready", dead, ready)
			}
		})
	})
}

func TestTargetsAreChecked(t *testing.T) {
	for _, target := range []string{"", "n1:7600,", strings.Repeat("n,", 3) + strings.Repeat("n", 4) + ",,"} {
		if _, err := Connect(t.Context(), target); !definite(err) {
			t.Errorf("target %q: %v", target, err)
		}
	}
	var many []string
	for i := range nodesMax + 1 {
		many = append(many, net.JoinHostPort("n"+strings.Repeat("x", i), "7600"))
	}
	if _, err := Connect(t.Context(), strings.Join(many, ",")); !definite(err) {
		t.Errorf("%d addresses: %v", len(many), err)
	}
}

// TestNodesAreBounded: addresses that aren't used any more are forgotten, those of Connect aren't.
func TestNodesAreBounded(t *testing.T) {
	withFronts(t, 2, 1, func(t *testing.T, f *fakeFronts, c *Client) {
		for i := range 3 * nodesMax {
			c.nodes.learn("gone-" + strings.Repeat("x", i) + ":7600")
			if _, err := c.nodes.link("gone-"+strings.Repeat("x", i)+":7600", forPublishing); err != nil {
				t.Fatal(err)
			}
		}
		if n := c.nodes.count(); n > nodesMax {
			t.Errorf("%d nodes", n)
		}
		if c.nodes.order()[0] != "n1:7600" || asked(t, c) != "n1" {
			t.Error("the first has been forgotten")
		}
	})
}

// TestDeadLettersOverPartitions: they are listed and redriven partition by partition, from wherever one wants.
func TestDeadLettersOverPartitions(t *testing.T) {
	withFronts(t, 3, 4, func(t *testing.T, f *fakeFronts, c *Client) {
		f.fill(5)
		for i, p := range f.partitions {
			p.look(func() {
				for offset := range uint64(5) {
					f.queue(i).ready = nil
					f.queue(i).dead[offset] = freshetv1.DeadReason_DEAD_REASON_REJECTED
				}
			})
		}
		list := func(options ...DeadLetterOption) (all []Receipt) {
			for letter, err := range c.Admin().DeadLetters(t.Context(), "orders/billing", "", options...) {
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, Receipt{Partition: letter.Partition, Offset: letter.Offset})
			}
			return all
		}
		all := list()
		if len(all) != 20 || all[19].Partition != 3 || all[19].Offset != 4 {
			t.Errorf("%+v", all)
		}
		if some := list(WithDeadFrom(2, 3), WithDeadMost(3)); len(some) != 3 || some[0].Partition != 2 || some[0].Offset != 3 || some[2].Partition != 3 {
			t.Errorf("%+v", some)
		}
		for _, step := range []struct {
			options []DeadLetterOption
			want    int
		}{
			{[]DeadLetterOption{WithDeadDryRun()}, 20},
			{[]DeadLetterOption{WithDeadOffsets(3, 0, 4), WithDeadOffsets(1, 2), WithDeadMost(2)}, 2},
			{[]DeadLetterOption{WithDeadFrom(3, 0)}, 4},
			{[]DeadLetterOption{WithDeadMost(11)}, 11},
			{nil, 3},
		} {
			if got, err := c.Admin().Redrive(t.Context(), "orders/billing", "", step.options...); err != nil || got != step.want {
				t.Errorf("redriven %d, want %d, error %v", got, step.want, err)
			}
		}
	})
}
