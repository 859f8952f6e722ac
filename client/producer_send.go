package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// sender is a producer's goroutine: it makes blocks of what is gathered, sends them, and hands out answers. It alone has the window.
//
//	gathering --seal--> window --send--> stream ==> node
//	                       ^                         |
//	   publishers <--finish+------- answers <--------+  (the stream's own goroutine)
type sender struct {
	producer *Producer
	window   *window
	writer   block.Writer
	reader   block.Reader
	spare    [][]byte // buffers of blocks that are answered, at most windowBlocks

	stream *publishStream // nil while there is none
	retry  retry
	// pause is running while nothing may be sent: something went wrong lately.
	pause   *time.Timer
	pausing bool
	linger  *time.Timer
}

func newSender(p *Producer, id block.ProducerID) *sender {
	return &sender{producer: p, window: newWindow(id)}
}

// stoppedTimer returns a timer that doesn't run.
func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// run goes on until the producer's context ends.
func (s *sender) run() {
	p := s.producer
	defer close(p.joined)
	s.pause, s.linger = stoppedTimer(), stoppedTimer()
	defer s.pause.Stop()
	defer s.linger.Stop()
	for p.context.Err() == nil {
		s.seal()
		s.send()
		s.wait()
	}
	s.hangUp()
	s.finish(s.window.fail(context.Cause(p.context)))
	s.giveUp(context.Cause(p.context))
}

// seal makes blocks of what is gathered, while the window has room and there is reason to.
func (s *sender) seal() {
	for more := true; more && s.window.room(); {
		more = s.sealOne()
	}
}

func (s *sender) sealOne() bool {
	p := s.producer
	p.sealing.Lock()
	defer p.sealing.Unlock()
	p.mu.Lock()
	if !s.due() {
		p.mu.Unlock()
		return false
	}
	events := p.mu.gathering.take(p.eventsMax())
	for _, w := range events {
		w.state = sealed
	}
	p.mu.sealed = events[len(events)-1].number
	p.mu.Unlock()

	encoded, err := s.encode(events)
	if err != nil {
		// The events were measured when they were accepted, so this is our own fault, and no other block suffers from it.
		s.finish([]finish{{&flight{events: events}, err}})
		return true
	}
	s.window.push(events, encoded)
	return true
}

// due says whether a block should be sealed now; if not yet, the linger timer runs. p.mu is held.
func (s *sender) due() bool {
	p := s.producer
	g := &p.mu.gathering
	if g.events == 0 {
		return false
	}
	if len(s.window.flights) == 0 || g.full(p.eventsMax()) || g.first.number <= p.mu.flushTo {
		return true
	}
	left := p.options.linger - time.Since(g.since)
	if left > 0 {
		s.linger.Reset(left)
	}
	return left <= 0
}

// encode makes a block of events, and lets go of the events' bytes.
func (s *sender) encode(events []*pending) ([]byte, error) {
	options := block.Options{Codec: block.Codec(s.producer.options.compression), Producer: s.window.nextNumber()}
	if err := s.writer.Reset(options); err != nil {
		return nil, internalError(err)
	}
	for _, w := range events {
		if err := s.writer.Append(&w.record); err != nil {
			return nil, internalError(err)
		}
		w.record = block.Event{}
	}
	encoded, err := s.writer.Finish(s.buffer())
	if err != nil {
		return nil, internalError(err)
	}
	return encoded, nil
}

// encodeAnew gives a block another number.
func (s *sender) encodeAnew(f *flight) error {
	b, err := block.Open(f.encoded)
	if err != nil {
		return internalError(err)
	}
	if err := s.writer.Reset(block.Options{Codec: b.Codec(), Producer: f.number}); err != nil {
		return internalError(err)
	}
	for s.reader.Reset(&b); s.reader.Next(); {
		e := s.reader.Event()
		if err := s.writer.Append(&e); err != nil {
			return internalError(err)
		}
	}
	if err := s.reader.Err(); err != nil {
		return internalError(err)
	}
	encoded, err := s.writer.Finish(nil)
	if err != nil {
		return internalError(err)
	}
	f.encoded, f.encodedAs = encoded, f.number
	return nil
}

func internalError(err error) *Error { return &Error{Code: CodeInternal, Message: err.Error()} }

func (s *sender) buffer() []byte {
	if n := len(s.spare); n > 0 {
		b := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return b[:0]
	}
	return nil
}

// send sends what is unsent, in order, opening a stream when there is none.
func (s *sender) send() {
	for !s.pausing && s.producer.context.Err() == nil {
		f := s.window.unsent()
		if f == nil {
			return
		}
		if f.encodedAs != f.number {
			if err := s.encodeAnew(f); err != nil {
				f.state, f.err = flightRefused, errorAs(err)
				s.finish(s.window.resolve())
				continue
			}
		}
		if s.stream == nil {
			stream, err := openPublishStream(s.producer)
			if err != nil {
				s.broken(err)
				return
			}
			s.stream = stream
		}
		p := s.producer
		request := &freshetv1.PublishRequest{
			Topic: p.topic, Block: f.encoded, RequestId: s.window.sent(f),
			RequireJson: p.options.requireJSON, ReportMatches: p.options.matches,
		}
		if err := s.stream.rpc.Send(request); err != nil {
			if !errors.Is(err, io.EOF) {
				s.stream.cancel()
			}
			s.drain() // the stream is over: why, and what was answered before, its receiving side knows
			return
		}
	}
}

// wait waits for something to do.
func (s *sender) wait() {
	p := s.producer
	var answers <-chan *freshetv1.PublishResponse
	if s.stream != nil {
		answers = s.stream.answers
	}
	select {
	case <-p.wake:
	case <-s.linger.C:
	case <-s.pause.C:
		s.pausing = false
	case response, ok := <-answers:
		if ok {
			s.answered(response)
		} else {
			s.drain()
		}
	case <-p.context.Done():
	}
}

// answered takes an answer in.
func (s *sender) answered(r *freshetv1.PublishResponse) {
	again := s.window.answered(r)
	if again != nil {
		s.trouble(again)
	} else if r.GetError() == nil {
		s.retry.reset()
	}
	s.finish(s.window.resolve())
}

// drain takes in what a stream that is over had answered, and then that it is.
func (s *sender) drain() {
	for response := range s.stream.answers {
		s.answered(response)
	}
	s.broken(s.stream.err)
}

// broken gives up the stream and what it owes.
func (s *sender) broken(err error) {
	idle := len(s.window.flights) == 0
	s.hangUp()
	e := errorAs(errorOf(s.producer.context, err))
	switch {
	case definite(e):
		s.window.refuseFront(e)
	case idle:
		s.window.broken() // a stream that nobody needs just now: opened again when somebody does
		return
	default:
		s.window.broken()
	}
	s.trouble(e)
	s.finish(s.window.resolve())
}

// errorAs is err as an *Error; one that isn't means that the producer's context has ended.
func errorAs(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: CodeOutcomeUnknown, Message: err.Error(), Retryable: true, OutcomeUnknown: true}
}

// hangUp ends the stream and joins its goroutine.
func (s *sender) hangUp() {
	if s.stream == nil {
		return
	}
	s.stream.cancel()
	for range s.stream.answers { // until it is closed
	}
	s.stream = nil
}

// trouble begins a pause.
func (s *sender) trouble(err *Error) {
	p := s.producer
	p.mu.Lock()
	p.mu.trouble = err
	p.mu.Unlock()
	if s.pausing {
		return
	}
	d := s.retry.next()
	s.pausing = true
	s.pause.Reset(d)
	p.client.options.logger.Debug("publishing again after a pause", "topic", p.topic, "pause", d, "error", err)
}

// finish hands out outcomes.
func (s *sender) finish(done []finish) {
	p := s.producer
	for _, d := range done {
		events, bytes := d.flight.events, 0
		results, err := resultsOf(d)
		p.mu.Lock()
		if err == nil {
			p.mu.trouble = nil
		}
		for i, w := range events {
			bytes += w.size
			w.state = finished
			if w.result.Err = err; err == nil {
				w.result.Receipt = results[i]
			}
			w.completion.finish()
		}
		if p.mu.answered = p.mu.sealed; len(s.window.flights) > 0 {
			p.mu.answered = s.window.flights[0].events[0].number - 1
		}
		if s.window.fenced != nil {
			p.mu.dead = s.window.fenced
		}
		p.wakeFlushes()
		p.mu.Unlock()
		p.leave(len(events), bytes)
		if d.flight.encoded != nil && len(s.spare) < windowBlocks {
			s.spare = append(s.spare, d.flight.encoded)
		}
	}
}

// resultsOf makes receipts of a block's answer.
func resultsOf(d finish) ([]Receipt, error) {
	if d.err != nil {
		return nil, d.err
	}
	a, events := d.flight.answer, len(d.flight.events)
	if int(a.GetEvents()) != events {
		return nil, unknown(&Error{Code: CodeInternal, Message: fmt.Sprintf("the node stored %d events of a block of %d", a.GetEvents(), events)})
	}
	receipts := make([]Receipt, events)
	for i := range receipts {
		receipts[i] = Receipt{Partition: a.GetPartition(), Offset: a.GetFirstOffset() + uint64(i), Duplicate: a.GetDuplicate()}
	}
	for _, r := range a.GetRepeats() {
		if i := r.GetEvent(); int(i) < events {
			receipts[i].Offset, receipts[i].Repeat = r.GetFirstOffset(), true
		}
	}
	for _, m := range a.GetMatched() {
		for _, i := range m.GetEvents() {
			if int(i) < events {
				receipts[i].Matched = append(receipts[i].Matched, m.GetSubscription())
			}
		}
	}
	return receipts, nil
}

// giveUp fails what was never sealed, when the producer ends.
func (s *sender) giveUp(cause error) {
	p := s.producer
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.closed = true
	for w := p.mu.gathering.first; w != nil; w = p.mu.gathering.first {
		p.mu.gathering.remove(w)
		w.state = finished
		w.result.Err = fmt.Errorf("freshet: not sent: %w", cause)
		w.completion.finish()
		p.leave(1, w.size)
	}
	p.wakeFlushes()
}

// publishStream is a PublishStream call and the goroutine that receives its answers.
type publishStream struct {
	rpc    grpc.BidiStreamingClient[freshetv1.PublishRequest, freshetv1.PublishResponse]
	cancel context.CancelFunc
	// answers has room for all that can be owed, so that the goroutine never waits. It is closed when the stream is over, and err then says why.
	answers chan *freshetv1.PublishResponse
	err     error
}

func openPublishStream(p *Producer) (*publishStream, error) {
	ctx, cancel := context.WithCancel(p.context)
	rpc, err := freshetv1.NewPublishServiceClient(anyNode{p.client.nodes, forPublishing}).PublishStream(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	s := &publishStream{rpc: rpc, cancel: cancel, answers: make(chan *freshetv1.PublishResponse, attemptsInFlight)}
	go s.receive()
	return s, nil
}

func (s *publishStream) receive() {
	defer close(s.answers)
	for {
		response, err := s.rpc.Recv()
		if err != nil {
			s.err = err
			return
		}
		s.answers <- response
	}
}
