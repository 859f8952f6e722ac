package broker

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// keptLog keeps what a node logs.
type keptLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *keptLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *keptLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestControllerCatchesUp: a node that ended between the catalog and the partition brings the partition to it when it starts.
func TestControllerCatchesUp(t *testing.T) {
	r := newRig(t)
	r.start()
	r.create("t", "q")
	r.node.rest() // as if it had ended here
	for _, c := range []catalog.Command{
		catalog.CreateTopic{Name: "late"},
		catalog.CreateSubscription{Topic: "late", Name: "q", Kind: freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE},
		catalog.CreateSubscription{Topic: "t", Name: "q2", Kind: freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_FANOUT, Members: []string{"m"}},
	} {
		if _, err := r.node.metadata.propose(r.context(), c); err != nil {
			t.Fatal(err)
		}
	}
	// The partition hasn't got the topic: what is published now has a way to be tried again.
	s := &story{rig: r, receipts: map[string]string{}}
	_, err := s.answer("freshet.v1.AdminService/ListSubscriptions", `{"topic":"late"}`)
	if err != nil {
		t.Fatal(err)
	}
	late, _ := r.node.metadata.view().Topic("late")
	if got := showError(callError(r.node.controller.created(ended(), late, 0), r.node.metadata)); !strings.HasPrefix(got, "FR5002") {
		t.Errorf("creating it again answers %s", got)
	}
	r.stop(r.node)
	r.start()
	for _, name := range []string{"late", "t"} {
		r.publishOne(name, `{}`)
	}
	for _, from := range []*freshetv1.ReceiveRequest{
		{Topic: "late", Subscription: "q"}, {Topic: "t", Subscription: "q"}, {Topic: "t", Subscription: "q2", Member: "m"},
	} {
		res, err := r.consume.Receive(r.context(), from)
		if err != nil || len(res.GetReceipts()) != 1 {
			t.Errorf("%v: %v, %v", from, res, err)
		}
	}
}

// ended is a context that is over.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// TestStartWritesNothingNew: what the partition holds as the catalog says is left as it is.
func TestStartWritesNothingNew(t *testing.T) {
	r := newRig(t)
	r.start()
	r.create("t", "q")
	before := r.node.partitions.all[0].Status().Applied
	r.stop(r.node)
	r.start()
	// A start applies no command of its own: indexes grow by Raft's own entries, which aren't applied.
	if after := r.node.partitions.all[0].Status().Applied; after != before {
		t.Errorf("applied index %d became %d", before, after)
	}
}

// TestNothingIsDeletedByOmission: what the catalog doesn't mention is named in the log, and kept (M2).
func TestNothingIsDeletedByOmission(t *testing.T) {
	r := newRig(t)
	logged := &keptLog{}
	r.adjust = func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(logged, nil)) }
	r.start()
	r.create("t", "q")
	p := r.node.partitions.all[0]
	if err := p.PutStream(r.context(), 999); err != nil {
		t.Fatal(err)
	}
	if err := p.PutSubscription(r.context(), partition.SubscriptionConfig{
		ID: 1_000, Stream: 999, Kind: partition.KindQueue, Visibility: 1_000, AttemptsMax: 1,
	}); err != nil {
		t.Fatal(err)
	}
	r.stop(r.node)
	r.start()
	if got := r.node.partitions.all[0].Subscriptions(999); len(got) != 1 {
		t.Errorf("the partition holds %v of it", got)
	}
	for _, want := range []string{"a topic that the catalog doesn't know", "a subscription that the catalog doesn't know", "topic_id=999", "subscription_id=1000"} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("%q isn't logged", want)
		}
	}
}
