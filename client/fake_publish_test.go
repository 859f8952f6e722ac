package client

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// fakeProducer is what a node remembers of a producer.
type fakeProducer struct {
	epoch   uint32
	last    uint64
	answers map[uint64]*freshetv1.PublishResponse
}

// PublishStream takes blocks in order and answers them, later perhaps.
func (n *fakeNode) PublishStream(stream freshetv1.PublishService_PublishStreamServer) error {
	var answering sync.WaitGroup
	var sending sync.Mutex
	defer answering.Wait()
	for {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		n.mu.Lock()
		var fault fakeFault
		if n.publishFault != nil {
			fault = n.publishFault(request)
		}
		var response *freshetv1.PublishResponse
		switch {
		case fault.breakBefore:
		case fault.ghost:
			n.mu.ghosts = append(n.mu.ghosts, request)
		case fault.refuse != nil:
			response = &freshetv1.PublishResponse{Error: fault.refuse}
		default:
			response = n.store(request)
		}
		n.mu.Unlock()
		if fault.breakBefore || fault.ghost || fault.breakAfter {
			n.breakAll()
			return errFakeBreak
		}
		response.RequestId = request.GetRequestId()
		answering.Go(func() {
			if fault.delay > 0 {
				select {
				case <-time.After(fault.delay):
				case <-stream.Context().Done():
				}
			}
			sending.Lock()
			defer sending.Unlock()
			stream.Send(response) //nolint:errcheck // a broken stream is noticed by Recv
		})
	}
}

// store keeps the node's rules for numbered blocks. mu is held.
func (n *fakeNode) store(request *freshetv1.PublishRequest) *freshetv1.PublishResponse {
	refused := func(code freshetv1.ErrorCode, unknown bool) *freshetv1.PublishResponse {
		return &freshetv1.PublishResponse{Error: wireFault(code, false, unknown, "refused by the fake")}
	}
	topic := n.mu.topics[request.GetTopic()]
	if topic == nil {
		return refused(freshetv1.ErrorCode_ERROR_CODE_TOPIC_NOT_FOUND, false)
	}
	b, err := block.Open(request.GetBlock())
	if err != nil {
		return refused(freshetv1.ErrorCode_ERROR_CODE_BLOCK_CORRUPT, false)
	}
	if n.refuses != nil && n.refuses(&b) {
		return refused(freshetv1.ErrorCode_ERROR_CODE_UNSUPPORTED, false)
	}
	var reader block.Reader
	if err := reader.Verify(&b, topic.bytesMax); err != nil {
		return refused(freshetv1.ErrorCode_ERROR_CODE_LIMIT_EXCEEDED, false)
	}
	number := b.Producer()
	known := n.mu.producers[number.ID]
	switch {
	case known == nil || number.Epoch > known.epoch:
		if number.Sequence != 1 {
			return refused(freshetv1.ErrorCode_ERROR_CODE_PRODUCER_EXPIRED, true)
		}
		known = &fakeProducer{epoch: number.Epoch, answers: map[uint64]*freshetv1.PublishResponse{}}
		n.mu.producers[number.ID] = known
	case number.Epoch < known.epoch:
		return refused(freshetv1.ErrorCode_ERROR_CODE_PRODUCER_FENCED, false)
	case number.Sequence > known.last+1:
		return refused(freshetv1.ErrorCode_ERROR_CODE_SEQUENCE_GAP, false)
	case number.Sequence <= known.last:
		if answer := known.answers[number.Sequence]; answer != nil {
			return &freshetv1.PublishResponse{
				FirstOffset: answer.GetFirstOffset(), Events: answer.GetEvents(), Duplicate: true, Repeats: answer.GetRepeats(),
			}
		}
		return refused(freshetv1.ErrorCode_ERROR_CODE_PRODUCER_EXPIRED, true)
	}
	answer := &freshetv1.PublishResponse{FirstOffset: uint64(len(topic.events)), Events: uint32(b.Len())}
	known.last = number.Sequence
	known.answers[number.Sequence] = answer
	delete(known.answers, number.Sequence-16)
	n.append(request, topic, &b, answer)
	return &freshetv1.PublishResponse{
		FirstOffset: answer.GetFirstOffset(), Events: answer.GetEvents(), Matched: answer.GetMatched(), Repeats: answer.GetRepeats(),
	}
}

// append stores a block's events and gives them to the topic's queues.
func (n *fakeNode) append(request *freshetv1.PublishRequest, topic *fakeTopic, b *block.Block, answer *freshetv1.PublishResponse) {
	var reader block.Reader
	var all []uint32
	for reader.Reset(b); reader.Next(); {
		i, id := uint32(reader.Index()), reader.Event().DedupID
		if first, known := topic.ids[id]; known {
			answer.Repeats = append(answer.Repeats, &freshetv1.Repeat{Event: i, FirstOffset: first})
		} else {
			all = append(all, i)
			if id != "" {
				topic.ids[id] = answer.GetFirstOffset() + uint64(i)
			}
		}
		topic.events = append(topic.events, fakeEvent{reader.Event(), time.Now()})
	}
	close(topic.appended)
	topic.appended = make(chan struct{})
	for _, q := range n.mu.queues {
		if q.topic != topic {
			continue
		}
		for _, i := range all {
			q.ready = append(q.ready, answer.GetFirstOffset()+uint64(i))
		}
		q.assign(n)
		if request.GetReportMatches() {
			answer.Matched = append(answer.Matched, &freshetv1.Match{Subscription: q.name, Events: all})
		}
	}
	slices.SortFunc(answer.GetMatched(), func(a, b *freshetv1.Match) int { return cmp.Compare(a.GetSubscription(), b.GetSubscription()) })
}

// raise carries out a ghost, if there are so many, and drops its answer.
func (n *fakeNode) raise(i int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i >= len(n.mu.ghosts) {
		return false
	}
	ghost := n.mu.ghosts[i]
	n.mu.ghosts = slices.Delete(n.mu.ghosts, i, i+1)
	n.store(ghost)
	return true
}

// forgetProducers is what a node does with producers that were silent for long.
func (n *fakeNode) forgetProducers() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.mu.producers)
}
