package broker

import (
	"testing"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestPublishAnywhereTakesTurns: events that may go anywhere go to the partition that has its turn, as long as that lasts; a producer's stay on one.
func TestPublishAnywhereTakesTurns(t *testing.T) {
	const partitions = 4
	r := newRig(t)
	r.adjust = func(o *Options) { o.Partitions = partitions }
	r.start()
	if _, err := r.admin.CreateTopic(r.context(), &freshetv1.CreateTopicRequest{Name: "orders", Partitions: partitions}); err != nil {
		t.Fatal(err)
	}
	publish := func(producer block.Producer) uint32 {
		t.Helper()
		encoded := blockOf(t, block.Options{Producer: producer}, []string{"text one"})
		res, err := r.publish.Publish(r.context(), &freshetv1.PublishRequest{Topic: "orders", Block: encoded})
		if err != nil {
			t.Fatal(err)
		}
		return res.GetPartition()
	}
	id := block.ProducerID{1}
	home := publish(block.Producer{ID: id, Epoch: 1, Sequence: 1})
	for i := range 4 * partitions {
		for range 3 {
			if got, want := publish(block.Producer{}), uint32(block.Turn(r.clock.Now(), partitions)); got != want {
				t.Errorf("turn %d: an event is on partition %d, it is the turn of %d", i, got, want)
			}
		}
		if got := publish(block.Producer{ID: id, Epoch: 1, Sequence: uint64(i + 2)}); got != home {
			t.Errorf("turn %d: a producer's event is on partition %d, those before are on %d", i, got, home)
		}
		r.clock.turn(block.TurnLasts)
	}
}
