package broker

import (
	"context"
	"sync"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// forwarding is a publishing stream's other half at another node, for the blocks whose partitions are led there. It keeps their order, as a stream of the client's own
// to that node would. Its blocks count for the room of the stream that they came by.
//
//	client ──▶ publishing ──┬─ led here ──▶ PublishAsync ───────────────┬──▶ answers ──▶ client
//	                        └─ led at n2 ─▶ forwarding ──▶ n2 ──▶ answers ┘
type forwarding struct {
	by     *publishing
	stream freshetv1.PublishService_PublishStreamClient
	cancel context.CancelFunc
	joined chan struct{}

	mu struct {
		sync.Mutex
		// waiting are the blocks that aren't answered, by the ids that they have there.
		waiting map[uint64]forwarded
		last    uint64
		broken  error
	}
}

// forwarded is a block on its way.
type forwarded struct {
	req    *freshetv1.PublishRequest
	weight blockWeight
}

// forward hands a block to the node that leads its partition.
func (p *publishing) forward(to destination, req *freshetv1.PublishRequest, weight blockWeight) error {
	f := p.forwards[to]
	if f != nil && f.ended() {
		f.close()
		f = nil
	}
	if f == nil {
		ctx, cancel := context.WithCancel(p.stream.Context())
		stream, err := freshetv1.NewPublishServiceClient(to).PublishStream(ctx)
		if err != nil {
			cancel()
			return peerError(err)
		}
		f = &forwarding{by: p, stream: stream, cancel: cancel, joined: make(chan struct{})}
		f.mu.waiting = map[uint64]forwarded{}
		p.forwards[to] = f
		go f.receive()
	}
	f.send(req, weight)
	return nil
}

// send sends a block, whose answer receive gets, or the end of the stream. The request is the stream's own: its id is changed while it is there.
func (f *forwarding) send(req *freshetv1.PublishRequest, weight blockWeight) {
	f.by.underWay.Add(1)
	f.mu.Lock()
	f.mu.last++
	id := f.mu.last
	f.mu.waiting[id] = forwarded{req, weight}
	broken := f.mu.broken
	f.mu.Unlock()
	if broken != nil { // receive has gone, and didn't see this one
		f.fail(broken)
		return
	}
	there := &freshetv1.PublishRequest{
		RequestId: id, Topic: req.GetTopic(), Block: req.GetBlock(), RequireJson: req.GetRequireJson(), ReportMatches: req.GetReportMatches(),
		Partition: req.Partition, Epoch: req.GetEpoch(),
	}
	// An error is only that the stream has ended: receive finds out why, and answers.
	_ = f.stream.Send(there)
}

// receive passes answers on until the stream ends, and then answers for all that is left.
func (f *forwarding) receive() {
	defer close(f.joined)
	for {
		res, err := f.stream.Recv()
		if err != nil {
			f.fail(peerError(err))
			return
		}
		f.mu.Lock()
		block, known := f.mu.waiting[res.GetRequestId()]
		delete(f.mu.waiting, res.GetRequestId())
		f.mu.Unlock()
		if !known {
			continue
		}
		res.RequestId = block.req.GetRequestId()
		f.by.answers.put(answer{res, block.weight})
		f.by.underWay.Done()
	}
}

// fail answers for all that isn't answered. What was sent on a stream that broke may have been stored.
func (f *forwarding) fail(err error) {
	f.mu.Lock()
	waiting := f.mu.waiting
	f.mu.waiting = map[uint64]forwarded{}
	f.mu.broken = err
	f.mu.Unlock()
	for _, block := range waiting {
		f.by.refuse(block.req, err, block.weight)
		f.by.underWay.Done()
	}
}

// ended tells whether the stream is over.
func (f *forwarding) ended() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.broken != nil
}

// close ends the stream and joins receive. What isn't answered yet is answered with an error.
func (f *forwarding) close() {
	f.cancel()
	<-f.joined
}
