package broker

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/datadriven"
	"google.golang.org/grpc/status"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestClusterScripts runs the stories of testdata/cluster: what clients do at one node and another of a cluster of three, with four partitions. A step is done at
// the node that it names (at=n2), else at n1; leader and other are the one that leads the topic's first partition, and one that doesn't.
//
//	start [n2]                                   the nodes that are down, or one of them
//	kill | stop NODE of=TOPIC
//	topic NAME partitions=N                      sub TOPIC/SUB [fanout members=(a,b)]
//	publish TOPIC [producer=]                    an event a line, as blockOf reads them; shows the partitions
//	take TOPIC/SUB n=N                           until there are so many: their data, sorted
//	ack | reject                                 all that was taken, all partitions' in one call
//	dead | redrive TOPIC/SUB max=N               page by page
//	delete TOPIC/SUB[/MEMBER]                    counts TOPIC/SUB
//	consume STREAM TOPIC/SUB [partition=N]       session and stream; delivered STREAM n=N; ended STREAM
func TestClusterScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/cluster", func(t *testing.T, path string) {
		synctest.Test(t, func(t *testing.T) {
			s := &clusterStory{clusterRig: newClusterRig(t), streams: map[string]freshetv1.ConsumeService_ConsumeClient{}}
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				out, err := s.run(arguments{t, d})
				if err != nil {
					return showError(err)
				}
				return strings.TrimRight(out, "\n") + "\n"
			})
		})
	})
}

// clusterStory is a cluster that a script uses.
type clusterStory struct {
	*clusterRig
	receipts []string
	streams  map[string]freshetv1.ConsumeService_ConsumeClient
	sessions byte
}

// at is the node that a step is done at.
func (s *clusterStory) at(a arguments, name string) *clusterMember {
	switch name {
	case "":
		return s.running()[0]
	case "leader":
		return s.leader(s.home(a.text("of")))
	case "other":
		leader := s.leader(s.home(a.text("of")))
		return s.running()[(slices.Index(s.running(), leader)+1)%len(s.running())]
	}
	i := slices.IndexFunc(s.members, func(m *clusterMember) bool { return m.name == name })
	if i < 0 {
		a.t.Fatalf("%s: no node %q", a.Pos, name)
	}
	return s.members[i]
}

func (s *clusterStory) run(a arguments) (string, error) {
	switch a.Cmd {
	case "start":
		s.startAll()
		return fmt.Sprintf("%d nodes serve", len(s.running())), nil
	case "kill":
		s.at(a, a.word(0)).kill()
		return "killed", nil
	case "stop":
		s.at(a, a.word(0)).stop()
		return "stopped", nil
	case "delivered", "ended":
		stream := s.streams[a.word(0)]
		n := int(a.number("n"))
		if a.Cmd == "ended" {
			n = 1 << 30
		}
		got, err := delivered(stream, n)
		if a.Cmd == "ended" { // its words depend on how it ended, and when
			return status.Code(err).String(), nil
		}
		return fmt.Sprintf("%d events", got), err
	case "take", "ack", "reject", "publish", "consume":
		return s.use(a, s.at(a, a.text("at")))
	}
	return s.administer(a, s.at(a, a.text("at")))
}

// use are the steps with events.
func (s *clusterStory) use(a arguments, at *clusterMember) (string, error) {
	switch a.Cmd {
	case "publish":
		return s.publishLines(a, at)
	case "take":
		return s.take(a, at)
	case "consume":
		topic, sub, member := a.place(1)
		stream, err := at.consume.Consume(s.t.Context())
		if err != nil {
			return "", err
		}
		s.streams[a.word(0)] = stream
		s.sessions++
		attach := &freshetv1.Attach{
			Topic: topic, Subscription: sub, Member: member, Session: slices.Repeat([]byte{s.sessions}, 16), Credit: &freshetv1.Credit{Events: 100},
		}
		if a.text("partition") != "" {
			attach.Partition = new(uint32(a.number("partition")))
		}
		if err := stream.Send(&freshetv1.ConsumeRequest{Request: &freshetv1.ConsumeRequest_Attach{Attach: attach}}); err != nil {
			return "", err
		}
		_, err = stream.Recv()
		return "attached", err
	}
	receipts := s.receipts
	s.receipts = nil
	var res *freshetv1.SettleResponse
	var err error
	if a.Cmd == "ack" {
		res, err = at.consume.Ack(s.context(), &freshetv1.AckRequest{Receipts: receipts})
	} else {
		res, err = at.consume.Reject(s.context(), &freshetv1.RejectRequest{Receipts: receipts})
	}
	return fmt.Sprintf("%d settled, %d lost", len(receipts)-len(res.GetLost()), len(res.GetLost())), err
}

func (s *clusterStory) publishLines(a arguments, at *clusterMember) (string, error) {
	counts := map[uint32]int{}
	o := block.Options{}
	if p := a.text("producer"); p != "" {
		copy(o.Producer.ID[:], p)
		o.Producer.Epoch, o.Producer.Sequence = 1, a.number("seq")
	}
	blocks := [][]string{strings.Split(a.Input, "\n")}
	if a.has("apart") {
		blocks = slices.Collect(slices.Chunk(blocks[0], 1))
	}
	again := ""
	for _, lines := range blocks {
		req := &freshetv1.PublishRequest{Topic: a.word(0), Block: blockOf(s.t, o, lines), Epoch: a.number("epoch")}
		if a.text("partition") != "" {
			req.Partition = new(uint32(a.number("partition")))
		}
		res, err := at.publish.Publish(s.context(), req)
		if err != nil {
			return "", err
		}
		counts[res.GetPartition()] += int(res.GetEvents())
		if res.GetDuplicate() {
			again = "stored before: "
		}
	}
	var out []string
	for _, number := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, fmt.Sprintf("%d on partition %d", counts[number], number))
	}
	return again + strings.Join(out, ", "), nil
}

// take receives until there are as many events as are wanted, or for n=0 what there is at once. They are kept for longer than others' leases may have to be waited
// for.
func (s *clusterStory) take(a arguments, at *clusterMember) (string, error) {
	topic, sub, member := a.place(0)
	req := &freshetv1.ReceiveRequest{Topic: topic, Subscription: sub, Member: member, MaxEvents: uint32(max(a.number("n"), 1)), WaitMs: 20_000, VisibilityMs: 300_000}
	if a.number("n") == 0 {
		req.WaitMs = 0
	}
	var data []string
	for more := true; more; {
		res, err := at.consume.Receive(s.context(), req)
		if err != nil {
			return "", err
		}
		for _, b := range res.GetDelivery().GetBlocks() {
			data = append(data, eventsOf(s.t, b)...)
		}
		s.receipts = append(s.receipts, res.GetReceipts()...)
		more = len(data) < int(a.number("n")) // also when nothing came: leases may have to run out first
	}
	slices.Sort(data)
	return listed(data, false), nil
}

// administer are the steps of the admin service.
func (s *clusterStory) administer(a arguments, at *clusterMember) (string, error) {
	ctx := s.context()
	topic, sub, member := a.place(0)
	switch a.Cmd {
	case "topic":
		res, err := at.admin.CreateTopic(ctx, &freshetv1.CreateTopicRequest{Name: topic, Partitions: uint32(a.number("partitions"))})
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s%s, %d partitions", made(res.GetCreated()), res.GetTopic().GetName(), res.GetTopic().GetPartitions()), nil
	case "sub":
		kind := freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE
		if a.has("fanout") {
			kind = freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_FANOUT
		}
		res, err := at.admin.CreateSubscription(ctx, &freshetv1.CreateSubscriptionRequest{Subscription: &freshetv1.Subscription{
			Topic: topic, Name: sub, Kind: kind, Pattern: strings.TrimSpace(a.Input), Members: a.list("members"),
		}})
		if err != nil {
			return "", err
		}
		return made(res.GetCreated()) + showSubscription(res.GetSubscription()), nil
	case "delete":
		_, err := at.admin.DeleteSubscription(ctx, &freshetv1.DeleteSubscriptionRequest{Topic: topic, Subscription: sub, Member: member})
		return "deleted", err
	case "counts":
		res, err := at.admin.ListSubscriptions(ctx, &freshetv1.ListSubscriptionsRequest{Topic: topic})
		if err != nil || len(res.GetSubscriptions()) == 0 {
			return "nothing", err
		}
		n := res.GetSubscriptions()[0].GetCounts()
		return fmt.Sprintf("ready %d, leased %d, dead %d", n.GetReady(), n.GetLeased(), n.GetDead()), nil
	case "dead":
		return s.pages(func(partition uint32, offset uint64) (int, bool, uint32, uint64, error) {
			res, err := at.admin.ListDeadLetters(ctx, &freshetv1.ListDeadLettersRequest{
				Topic: topic, Subscription: sub, Member: member, Max: uint32(a.number("max")), FromPartition: &partition, FromOffset: offset,
			})
			return len(res.GetLetters()), res.GetMore(), res.GetNextPartition(), res.GetNextOffset(), err
		})
	case "redrive":
		return s.pages(func(partition uint32, offset uint64) (int, bool, uint32, uint64, error) {
			res, err := at.admin.RedriveDeadLetters(ctx, &freshetv1.RedriveDeadLettersRequest{
				Topic: topic, Subscription: sub, Member: member, Max: uint32(a.number("max")), FromPartition: &partition, FromOffset: offset, DryRun: a.has("dry"),
			})
			return int(res.GetRedriven()), res.GetMore(), res.GetNextPartition(), res.GetNextOffset(), err
		})
	}
	s.t.Fatalf("%s: unknown step %q", a.Pos, a.Cmd)
	return "", nil
}

// pages asks until there is no more.
func (s *clusterStory) pages(next func(partition uint32, offset uint64) (n int, more bool, nextPartition uint32, nextOffset uint64, err error)) (string, error) {
	all, pages := 0, 0
	for partition, offset, more := uint32(0), uint64(0), true; more; pages++ {
		var n int
		var err error
		if n, more, partition, offset, err = next(partition, offset); err != nil {
			return "", err
		}
		all += n
	}
	return fmt.Sprintf("%d", all), nil
}
