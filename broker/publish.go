package broker

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/matcher"
	"github.com/freshet-mq/freshet/partition"
	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// reportEventsMax is how many events a block may hold whose publisher asks what matched: the answer has a number an event and subscription.
const reportEventsMax = 1_024

// Publish stores one block.
func (s *publishService) Publish(ctx context.Context, req *freshetv1.PublishRequest) (*freshetv1.PublishResponse, error) {
	p, pub, err := s.admit(ctx, req)
	if err != nil {
		return nil, err
	}
	return atLeader(ctx, s.services, p, func() (*freshetv1.PublishResponse, error) {
		published, err := p.Publish(ctx, pub)
		s.countPublished(req.GetTopic(), req.GetBlock(), published, err)
		if err != nil {
			return nil, err
		}
		return s.published(req, p, published), nil
	}, func(to grpc.ClientConnInterface) (*freshetv1.PublishResponse, error) {
		return freshetv1.NewPublishServiceClient(to).Publish(ctx, req)
	})
}

// admit checks all that a stranger says of a block, and returns where it is to be stored. Nothing is kept of a request before this.
func (s *publishService) admit(ctx context.Context, req *freshetv1.PublishRequest) (hosted, partition.Publication, error) {
	topic, err := s.topic(ctx, actionPublish, req.GetTopic())
	if err != nil {
		return hosted{}, partition.Publication{}, err
	}
	began := s.life.clock.Now()
	b := takeBlock()
	defer b.giveBack()
	p := hosted{}
	if err = b.check(req, &topic); err == nil {
		p, err = s.placed(req, &topic, &b.Block)
	}
	if err != nil {
		s.countPublished(topic.Name, req.GetBlock(), partition.Published{}, err)
		return hosted{}, partition.Publication{}, err
	}
	s.metrics.Admitted(s.life.clock.Now().Sub(began), b.Len(), len(req.GetBlock()))
	return p, partition.Publication{
		Stream: partition.StreamID(topic.ID), Block: req.GetBlock(), ReportMatches: req.GetReportMatches(),
	}, nil
}

// placed returns the partition that a block belongs to: by the slots of its events, all of which have to be on it.
func (s *publishService) placed(req *freshetv1.PublishRequest, topic *catalog.Topic, b *block.Block) (p hosted, err error) {
	if len(topic.Partitions) == 0 {
		return s.partitionOf(*topic, nil)
	}
	named := req.Partition != nil
	if named {
		if req.GetEpoch() != topic.Epoch {
			return hosted{}, faultf(freshetv1.ErrorCode_ERROR_CODE_ROUTE_CHANGED, "the route of topic %q has epoch %d, the request %d: ask for the route again", topic.Name, topic.Epoch, req.GetEpoch()).
				with("field", "epoch").with("topic", topic.Name)
		}
		if p, err = s.partOf(topic, req.GetPartition()); err != nil {
			return hosted{}, err
		}
	}
	if len(topic.Partitions) == 1 {
		return s.partitions.home(*topic), nil
	}
	first := -1 // the first event that has a slot
	for i := range b.Len() {
		slot, some := b.Slot(i)
		if !some {
			continue
		}
		at := s.partitions.at(*topic, slot)
		switch {
		case !named && first < 0:
			p = at
		case at.number == p.number:
		case named:
			return hosted{}, argumentRefused("partition", "is %d, and event %d belongs to %d by its key", p.number, i, at.number)
		default:
			return hosted{}, argumentRefused("block", "has events of several partitions: event %d belongs to %d by its key, event %d to %d; publish them apart", first, p.number, i, at.number)
		}
		if first < 0 {
			first = i
		}
	}
	if named || first >= 0 {
		return p, nil
	}
	return s.anyOf(*topic, b.Producer().ID, s.life.clock.Now()), nil
}

// anyOf returns a partition of a topic for events that may go to any: one that is led here, where there is, and of these the one that has its turn (block.Turn). A
// producer's are always on the same one, so that a block that comes again, by whatever node, comes to where it is known.
func (s *services) anyOf(topic catalog.Topic, producer block.ProducerID, now time.Time) hosted {
	held := s.partitions.holding(topic)
	if producer != (block.ProducerID{}) {
		h := fnv.New64a()
		_, _ = h.Write(producer[:]) // a hash takes anything
		return held[h.Sum64()%uint64(len(held))]
	}
	here := make([]hosted, 0, len(held))
	for _, p := range held {
		if p.leader().Here {
			here = append(here, p)
		}
	}
	if len(here) > 0 {
		held = here
	}
	return held[block.Turn(now, len(held))]
}

// published is the answer to a request whose block was stored.
func (s *publishService) published(req *freshetv1.PublishRequest, p hosted, published partition.Published) *freshetv1.PublishResponse {
	res := &freshetv1.PublishResponse{
		RequestId: req.GetRequestId(), Partition: p.number,
		FirstOffset: uint64(published.First), Events: published.Count, Duplicate: published.Duplicate,
	}
	for _, r := range published.Repeats {
		res.Repeats = append(res.Repeats, &freshetv1.Repeat{Event: r.Event, FirstOffset: uint64(r.First)})
	}
	view := s.metadata.view()
	for _, m := range published.Matched {
		// One that the catalog doesn't know is kept and gets its events (M2), but there is no name to report.
		if sub, ok := view.SubscriptionByID(uint64(m.Subscription)); ok {
			res.Matched = append(res.Matched, &freshetv1.Match{Subscription: sub.Name, Events: m.Events})
		}
	}
	return res
}

// checkedBlock is a published block while it is looked at. It is used again: on the stack of a call it would be what makes that grow once more.
type checkedBlock struct {
	block.Block
	reader block.Reader // with the buffer that it inflates into
}

var checkedBlocks = sync.Pool{New: func() any { return new(checkedBlock) }}

func takeBlock() *checkedBlock {
	b, _ := checkedBlocks.Get().(*checkedBlock)
	return b
}

// giveBack lets go of the request, which the block and the reader refer to.
func (b *checkedBlock) giveBack() {
	b.Block = block.Block{}
	b.reader.Reset(&b.Block)
	checkedBlocks.Put(b)
}

// check verifies a published block: its bytes, its limits, and what this release doesn't do.
func (b *checkedBlock) check(req *freshetv1.PublishRequest, topic *catalog.Topic) error {
	if len(req.GetBlock()) == 0 {
		return argumentRefused("block", "is empty; it is required")
	}
	if err := b.Open(req.GetBlock()); err != nil {
		return blockFault(err)
	}
	if n := b.Len(); req.GetReportMatches() && n > reportEventsMax {
		f := limitExceeded("block.events", reportEventsMax, int64(n), "")
		f.message = fmt.Sprintf("the block has %d events, with report_matches at most %d", n, reportEventsMax)
		return f
	}
	if err := b.reader.Verify(&b.Block, int(topic.EventBytesMax)); err != nil {
		return blockFault(err)
	}
	if req.GetRequireJson() {
		return checkJSON(&b.reader, &b.Block)
	}
	return nil
}

// checkJSON refuses a block in which an event says that it is JSON and isn't.
func checkJSON(reader *block.Reader, b *block.Block) error {
	for reader.Reset(b); reader.Next(); {
		v := reader.View()
		if !v.IsJSON() {
			continue
		}
		if err := matcher.CheckJSON(v.Data()); err != nil {
			return faultf(freshetv1.ErrorCode_ERROR_CODE_EVENT_NOT_JSON, "event %d: %v", reader.Index(), err).
				with("field", "block").with("event", strconv.Itoa(reader.Index()))
		}
	}
	if err := reader.Err(); err != nil {
		return blockFault(err)
	}
	return nil
}
