package broker

import (
	"context"
	"errors"
	"runtime/pprof"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

const (
	// unansweredBytesMax is how many bytes of blocks a publishing stream has under way or answered and not yet sent. At the bound the node
	// stops reading, and HTTP/2's flow control stops the client.
	unansweredBytesMax = 16 << 20
	// unansweredOverhead is what a request counts for beside its block.
	unansweredOverhead = 512
)

// PublishStream stores the blocks of a stream. One goroutine reads and hands blocks to the partition in their order, one sends
// the answers in whatever order they come:
//
//	Recv ──▶ room? ──▶ admit ──▶ PublishAsync ──▶ (the log) ──▶ answers ──▶ Send ──▶ room
//	           ▲  16 MiB           │ refused                      ▲                    │
//	           │                   └──────────────────────────────┘                    │
//	           └───────────────────────────────────────────────────────────────────────┘
func (s *publishService) PublishStream(stream freshetv1.PublishService_PublishStreamServer) error {
	p := newPublishing(s, stream)
	reading, release := s.life.bind(stream.Context())
	defer release()

	sent := make(chan error, 1)
	go func() {
		pprof.SetGoroutineLabels(answerLabels)
		sent <- p.send()
	}()
	err := p.receive(reading)
	// What was taken on is answered before the stream ends, also when the node is stopping. A broken stream ends sending by itself.
	p.underWay.Wait()
	for _, f := range p.forwards {
		f.close()
	}
	p.answers.close()
	return errors.Join(err, <-sent)
}

// publishing is one stream.
type publishing struct {
	service *publishService
	stream  freshetv1.PublishService_PublishStreamServer
	room    *semaphore.Weighted
	// counted: the node's budget counts the stream's blocks.
	counted bool
	answers *answers
	// turn is had, takeTurn, by who hands blocks on. forwards are the streams to other nodes, and waits the partitions without a leader, by number: who has the
	// turn uses them.
	turn     chan struct{}
	forwards map[destination]*forwarding
	waits    map[uint32]*leaderless
	// underWay are the blocks that the partition has.
	underWay sync.WaitGroup
}

func newPublishing(s *publishService, stream freshetv1.PublishService_PublishStreamServer) *publishing {
	return &publishing{
		service: s, stream: stream, room: semaphore.NewWeighted(unansweredBytesMax), counted: connectionOf(stream.Context()) != nil,
		answers: newAnswers(), forwards: map[destination]*forwarding{}, waits: map[uint32]*leaderless{}, turn: make(chan struct{}, 1),
	}
}

// receive takes on request after request until the client has no more, or the stream or the node ends.
func (p *publishing) receive(ctx context.Context) error {
	in := read(p.service.life, p.stream)
	for {
		var req *freshetv1.PublishRequest
		select {
		case m, open := <-in.messages:
			if !open {
				return streamEnd(in.err)
			}
			req = m
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		weight, err := p.acquire(ctx, min(int64(len(req.GetBlock()))+unansweredOverhead, unansweredBytesMax))
		if err != nil {
			return err
		}
		if err := p.publish(ctx, req, weight); err != nil {
			p.release(weight)
			return err
		}
	}
}

// blockWeight is what a block counts for until it is answered.
type blockWeight struct {
	bytes int64
	// pool is the part of the node's budget that has it; nil: it isn't counted there.
	pool *pool
}

// acquire waits for room for a block: the stream's, and of the node's where a client sends it.
func (p *publishing) acquire(ctx context.Context, bytes int64) (blockWeight, error) {
	if !p.counted {
		if p.room.Acquire(ctx, bytes) != nil {
			return blockWeight{}, context.Cause(ctx)
		}
		return blockWeight{bytes: bytes}, nil
	}
	b := p.service.budget
	if p.room.TryAcquire(bytes) {
		if pool := b.tryBlock(bytes); pool != nil {
			return blockWeight{bytes, pool}, nil
		}
		p.room.Release(bytes)
	}
	// Meanwhile the client may send as much as flow control lets it, and nobody else counts that.
	if !b.calls.try(streamWindowBytes) {
		return blockWeight{}, b.calls.full()
	}
	defer b.calls.give(streamWindowBytes)
	if err := p.room.Acquire(ctx, bytes); err != nil {
		return blockWeight{}, context.Cause(ctx)
	}
	pool, err := b.waitForBlock(ctx, bytes)
	if err != nil {
		p.room.Release(bytes)
		return blockWeight{}, context.Cause(ctx)
	}
	return blockWeight{bytes, pool}, nil
}

func (p *publishing) release(w blockWeight) {
	p.room.Release(w.bytes)
	if w.pool != nil {
		w.pool.give(w.bytes)
	}
}

// publish takes on one block. It returns an error only when the stream can't go on: the caller may not publish here.
func (p *publishing) publish(ctx context.Context, req *freshetv1.PublishRequest, weight blockWeight) error {
	to, pub, err := p.service.admit(p.stream.Context(), req)
	block := admitted{req, pub, weight}
	if err == nil {
		p.takeTurn()
		defer p.endTurn()
		if p.waits[to.number] != nil {
			p.await(ctx, to, block)
			return nil
		}
		var elsewhere destination
		if !to.leader().Here {
			elsewhere, err = p.service.leaderOf(ctx, to)
			if err != nil && !passedOn(ctx) {
				p.await(ctx, to, block)
				return nil
			}
		}
		if err == nil {
			err = p.dispatch(ctx, to, elsewhere, block)
		}
	}
	switch {
	case err == nil:
		return nil
	case denied(err):
		return err
	}
	p.refuse(req, p.service.life.ended(ctx, err), weight)
	return nil
}

// dispatch hands a block to its partition, here or at the node that leads it. What comes of it is answered later, unless there is an error. The caller has the turn.
func (p *publishing) dispatch(ctx context.Context, to hosted, elsewhere destination, block admitted) error {
	if elsewhere != nil {
		return p.forward(elsewhere, block.req, block.weight)
	}
	req, weight := block.req, block.weight
	p.underWay.Add(1)
	err := to.PublishAsync(ctx, block.pub, func(published partition.Published, err error) {
		defer p.underWay.Done()
		p.service.countPublished(req.GetTopic(), req.GetBlock(), published, err)
		if err != nil {
			p.refuse(req, err, weight)
			return
		}
		p.answers.put(answer{p.service.published(req, to, published), weight})
	})
	if err != nil {
		p.underWay.Done()
	}
	return err
}

func (p *publishing) refuse(req *freshetv1.PublishRequest, err error, weight blockWeight) {
	if p.stream.Context().Err() != nil && !isFault(err) { // the client is gone, and with it what was done for it at another node
		err = errStreamGone
	}
	f := asFault(err, p.service.metadata)
	p.service.guard.logUnforeseen(freshetv1.PublishService_PublishStream_FullMethodName, f, err)
	if p.counted {
		p.service.guard.refused.count(f)
	}
	p.answers.put(answer{&freshetv1.PublishResponse{RequestId: req.GetRequestId(), Error: f.wire()}, weight})
}

// errStreamGone is what nobody will read.
var errStreamGone = faultf(freshetv1.ErrorCode_ERROR_CODE_OUTCOME_UNKNOWN, "the stream ended before the block was answered: it may have been stored or not")

// send sends answers until there will be no more, or the client can't be reached: then it only makes room.
func (p *publishing) send() error {
	var broken error
	for {
		batch, more := p.answers.take()
		for _, a := range batch {
			if broken == nil {
				broken = p.stream.Send(a.response)
			}
			p.release(a.weight)
		}
		if !more {
			return broken
		}
	}
}

// answers are what waits to be sent. Putting never blocks, since the partition mustn't; room bounds how many there are.
type answers struct {
	mu struct {
		sync.Mutex
		waiting []answer
		closed  bool
	}
	changed *sync.Cond
}

type answer struct {
	response *freshetv1.PublishResponse
	weight   blockWeight
}

func newAnswers() *answers {
	a := &answers{}
	a.changed = sync.NewCond(&a.mu)
	return a
}

func (a *answers) put(one answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.waiting = append(a.mu.waiting, one)
	a.changed.Signal()
}

// close says that nothing will be put any more.
func (a *answers) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.closed = true
	a.changed.Signal()
}

// take waits for answers, and returns them all; more is false when these are the last.
func (a *answers) take() (batch []answer, more bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.mu.waiting) == 0 && !a.mu.closed {
		a.changed.Wait()
	}
	batch, a.mu.waiting = a.mu.waiting, nil
	return batch, !a.mu.closed
}
