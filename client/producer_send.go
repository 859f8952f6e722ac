package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// sender is a producer's goroutine for one partition: it makes blocks of what is gathered, sends them, and hands out answers. It alone has the window.
//
//	gathering --seal--> window --send--> stream ==> node
//	                       ^                         |
//	   publishers <--finish+------- answers <--------+  (the stream's own goroutine)
//
// The stream goes to the node that leads the partition, or to another that passes blocks on while that isn't known or can't be reached
// (producer_stream.go). Blocks that aren't answered when it breaks, or when the leader changes, are sent again, in order and under their numbers.
type sender struct {
	producer  *Producer
	partition uint32
	window    *window
	writer    block.Writer
	reader    block.Reader
	spare     [][]byte // buffers of blocks that are answered, at most windowBlocks
	// wake has a value when the sender should look at mu again. over is closed when the topic isn't on the partition any more.
	wake, over chan struct{}

	stream *publishStream // nil while there is none
	course course
	retry  retry
	// pause is running while nothing may be sent: something went wrong lately.
	pause   *time.Timer
	pausing bool
	linger  *time.Timer

	// sealing is held while events are made into a block: their bytes are the publisher's until then. Lock order: sealing, mu.
	sealing sync.Mutex
	mu      struct {
		*sync.Mutex // the producer's

		gathering gathering
		oldest    uint64 // number of the first event that was sealed and isn't answered, 0 if all are
		trouble   *Error // why the last try failed, nil once one succeeded
	}
}

// newSender returns a sender with an id of its own, so that partitions know nothing of each other's numbers, and one that comes back to a partition
// begins anew there.
func newSender(p *Producer, partition uint32) *sender {
	var id block.ProducerID
	_, _ = rand.Read(id[:]) // it returns no error: without random bytes it ends the program
	s := &sender{
		producer: p, partition: partition, window: newWindow(id), wake: make(chan struct{}, 1), over: make(chan struct{}),
		pause: stoppedTimer(), linger: stoppedTimer(),
	}
	s.course.look = stoppedTimer()
	s.mu.Mutex = &p.mu.Mutex
	return s
}

// stoppedTimer returns a timer that doesn't run.
func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// run goes on until the producer's context ends, or the topic isn't on the partition any more.
func (s *sender) run() {
	p := s.producer
	defer s.pause.Stop()
	defer s.linger.Stop()
	defer s.course.look.Stop()
	for going := true; going && p.context.Err() == nil; {
		s.seal()
		s.steer()
		s.send()
		going = s.wait()
	}
	s.hangUp()
	s.finish(s.window.fail(context.Cause(p.context)))
}

// seal makes blocks of what is gathered, while the window has room and there is reason to.
func (s *sender) seal() {
	for more := true; more && s.window.room(); {
		more = s.sealOne()
	}
}

func (s *sender) sealOne() bool {
	p := s.producer
	s.sealing.Lock()
	defer s.sealing.Unlock()
	p.mu.Lock()
	if !s.due() {
		p.mu.Unlock()
		return false
	}
	events, bytes := s.mu.gathering.take(p.eventsMax()), 0
	for _, w := range events {
		w.state = sealed
		bytes += w.size
	}
	if s.mu.oldest == 0 {
		s.mu.oldest = events[0].number
	}
	p.sealedAt(s, bytes)
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
	g := &s.mu.gathering
	if g.events == 0 || p.mu.moving != nil {
		return false
	}
	if len(s.window.flights) == 0 || g.full(p.eventsMax()) || g.first.number <= p.mu.flushTo {
		return true
	}
	now := time.Now()
	left := p.options.linger - now.Sub(g.since)
	if left <= 0 || !p.mu.pace.worthLingering(p.mu.accepted, p.options.linger, now) {
		return true
	}
	s.linger.Reset(left)
	return false
}

// encode makes a block of events, and lets go of the events' bytes.
func (s *sender) encode(events []*pending) ([]byte, error) {
	options := block.Options{Codec: block.Codec(s.producer.options.compression), Producer: s.window.nextNumber()}
	if err := s.writer.Reset(options); err != nil {
		return nil, internalError(err)
	}
	var e block.Event
	for _, w := range events {
		if err := s.writer.Append(w.record.put(&e)); err != nil {
			return nil, internalError(err)
		}
		w.record = record{}
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

// decode gives the events of a block their records back.
func (s *sender) decode(f *flight) error {
	b, err := block.Open(f.encoded)
	if err != nil {
		return internalError(err)
	}
	for s.reader.Reset(&b); s.reader.Next(); {
		f.events[s.reader.Index()].record = recordOf(s.reader.Event())
	}
	if err := s.reader.Err(); err != nil {
		return internalError(err)
	}
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
	for !s.pausing && !s.course.leaving && s.producer.context.Err() == nil {
		f := s.window.unsent()
		if s.course.moving {
			f = s.window.unsettled()
		}
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
			if err := s.open(); err != nil {
				s.broken(err)
				return
			}
		}
		p := s.producer
		request := &freshetv1.PublishRequest{
			Topic: p.topic, Block: f.encoded, RequestId: s.window.sent(f),
			RequireJson: p.options.requireJSON, ReportMatches: p.options.matches,
			Partition: &s.partition, Epoch: s.course.route.epoch,
		}
		if err := s.stream.rpc.Send(request); err != nil {
			if !errors.Is(err, io.EOF) {
				s.stream.cancel()
			}
			s.drain() // the stream is over: why, and what was answered before, its receiving side knows
			return
		}
		s.watch()
	}
}

// wait waits for something to do. It returns false when there will be nothing any more.
func (s *sender) wait() bool {
	p := s.producer
	var answers <-chan *freshetv1.PublishResponse
	if s.stream != nil {
		answers = s.stream.answers
	}
	select {
	case <-s.wake:
	case <-s.linger.C:
	case <-s.pause.C:
		s.pausing = false
	case <-s.course.look.C:
		s.lookAround()
	case response, ok := <-answers:
		if ok {
			s.answered(response)
		} else {
			s.drain()
		}
	case <-s.over:
		return false
	case <-p.context.Done():
	}
	return true
}

// answered takes an answer in.
func (s *sender) answered(r *freshetv1.PublishResponse) {
	s.course.answers++
	again := s.window.answered(r)
	if again != nil {
		s.trouble(again)
	} else if r.GetError() == nil {
		s.retry.reset()
	}
	if code := ErrorCode(r.GetError().GetCode()); code == CodeTopicNotFound || code == CodePartitionNotFound {
		s.producer.lose(s.course.route) // it was deleted, and may be there again
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

// trouble begins a pause.
func (s *sender) trouble(err *Error) {
	p := s.producer
	p.mu.Lock()
	s.mu.trouble = err
	p.mu.Unlock()
	if err.Code/1000 == 5 || err.Code == CodeRouteChanged {
		p.lose(s.course.route)
	}
	if s.pausing {
		return
	}
	d := s.retry.next()
	s.pausing = true
	s.pause.Reset(d)
	p.client.options.logger.Debug("publishing again after a pause", "topic", p.topic, "partition", s.partition, "pause", d, "error", err)
}

// finish hands out outcomes.
func (s *sender) finish(done []finish) {
	p := s.producer
	for _, d := range done {
		d.err = d.check()
		p.mu.Lock()
		if d.err == nil {
			s.mu.trouble = nil
		}
		bytes := d.tell()
		s.noteOldest()
		if s.window.fenced != nil {
			p.mu.dead = s.window.fenced
		}
		p.wakeFlushes()
		p.mu.Unlock()
		p.leave(len(d.flight.events), bytes)
		// Of a block that was sent on a stream that broke something may still be on its way (package wire).
		if d.flight.encoded != nil && d.err == nil && !d.flight.ghost && len(s.spare) < windowBlocks {
			s.spare = append(s.spare, d.flight.encoded)
		}
	}
}

// noteOldest looks what isn't answered. mu is held.
func (s *sender) noteOldest() {
	s.mu.oldest = 0
	if len(s.window.flights) > 0 {
		s.mu.oldest = s.window.flights[0].events[0].number
	} else if s.producer.mu.moving != nil {
		poke(s.producer.drained)
	}
}

// awaitSealing waits until no event's bytes are read any more.
func (s *sender) awaitSealing() {
	s.sealing.Lock()
	s.sealing.Unlock() //nolint:gocritic,staticcheck // nothing is to be done with the lock: whoever had it is done
}

// check returns the block's error, also when the answer isn't about this block.
func (d *finish) check() error {
	if d.err != nil {
		return d.err
	}
	if stored, events := int(d.flight.answer.GetEvents()), len(d.flight.events); stored != events {
		return unknown(&Error{Code: CodeInternal, Message: fmt.Sprintf("the node stored %d events of a block of %d", stored, events)})
	}
	return nil
}

// tell writes the events' results, tells their publishers, and returns the events' bytes. Producer.mu is held. What is told is the publisher's again.
func (d *finish) tell() (bytes int) {
	events := d.flight.events
	if d.err == nil {
		d.putReceipts()
	}
	for _, w := range events {
		bytes += w.size
		w.state, w.result.Err = finished, d.err
	}
	for len(events) > 0 { // those of a batch at once
		of, n := events[0].completion, 1
		for n < len(events) && events[n].completion == of {
			n++
		}
		of.finish(n)
		events = events[n:]
	}
	return bytes
}

// putReceipts makes receipts of a block's answer.
func (d *finish) putReceipts() {
	a, events := d.flight.answer, d.flight.events
	receipt := Receipt{Partition: a.GetPartition(), Offset: a.GetFirstOffset(), Duplicate: a.GetDuplicate()}
	for _, w := range events {
		w.result.Receipt = receipt
		receipt.Offset++
	}
	for _, r := range a.GetRepeats() {
		if i := int(r.GetEvent()); i < len(events) {
			to := &events[i].result.Receipt
			to.Offset, to.Repeat = r.GetFirstOffset(), true
		}
	}
	for _, m := range a.GetMatched() {
		for _, i := range m.GetEvents() {
			if int(i) < len(events) {
				to := &events[i].result.Receipt
				to.Matched = append(to.Matched, m.GetSubscription())
			}
		}
	}
}
