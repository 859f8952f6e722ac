package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// consumeStream is a connection of the session.
type consumeStream = grpc.BidiStreamingClient[freshetv1.ConsumeRequest, freshetv1.ConsumeResponse]

// serve keeps the session attached until the consumer is over.
func (s *consumer) serve() {
	var again retry
	for s.context.Err() == nil {
		attached, err := s.connect()
		s.detached()
		s.mu.Lock()
		over := s.mu.phase == closing
		s.mu.Unlock()
		if over {
			return
		}
		if attached {
			again.reset()
		}
		err = errorOf(s.context, err)
		if s.context.Err() != nil {
			return
		}
		if fatal := s.afterBreak(attached, err); fatal != nil {
			s.fail(fatal)
			return
		}
		s.client.options.logger.Debug("consuming again after a pause", "subscription", s.name.subscription, "error", err)
		if again.pause(s.context) != nil {
			return
		}
	}
}

// afterBreak decides what the end of a connection means. An error ends the consumer.
func (s *consumer) afterBreak(attached bool, err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Code == CodeSessionLost {
		if attached {
			return nil // another connection took the session, one of ours that was thought dead: it is ours to take back
		}
		return s.sessionLost()
	}
	if definite(err) {
		return err
	}
	return nil
}

// connect attaches the session and receives until the connection is over. It reports whether the session was attached.
func (s *consumer) connect() (attached bool, err error) {
	ctx, cancel := context.WithCancel(s.context)
	defer cancel()
	stream, err := s.client.consume.Consume(ctx)
	if err != nil {
		return false, err
	}
	stamp := s.client.elapsed()
	credit := s.credit()
	if err := stream.Send(s.attachRequest(credit, stamp)); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	response, err := stream.Recv()
	if err != nil {
		return false, err
	}
	if err := s.attach(response.GetAttached()); err != nil {
		return false, err
	}
	talked := make(chan struct{})
	go func() {
		defer close(talked)
		s.talk(ctx, stream, credit)
	}()
	defer func() { <-talked }()
	defer cancel() // before talk is joined
	for {
		response, err := stream.Recv()
		if err != nil {
			return true, err
		}
		if err := s.hear(response, stamp); err != nil {
			return true, err
		}
	}
}

// hear takes in what the node says. attachStamp is when the connection's Attach was sent.
func (s *consumer) hear(response *freshetv1.ConsumeResponse, attachStamp uint64) error {
	switch r := response.GetResponse().(type) {
	case *freshetv1.ConsumeResponse_Delivery:
		stamp := r.Delivery.GetStampNs()
		if stamp == 0 || stamp > s.client.elapsed() {
			stamp = attachStamp // the node knows at least this one
		}
		deliveries, err := deliveriesOf(r.Delivery, s, s.client.started.Add(time.Duration(stamp)))
		if err != nil {
			// It isn't counted as received, so attaching again frees it; and if nobody can read it, it becomes a dead letter.
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.Delivery.GetNumber() <= s.mu.received {
			return nil // repeated: it is in the books
		}
		s.mu.received = r.Delivery.GetNumber()
		s.arrive(deliveries)
	case *freshetv1.ConsumeResponse_Settled:
		return s.answered(r.Settled)
	}
	return nil // hints are for sessions without credit
}

func (s *consumer) attachRequest(credit *freshetv1.Credit, stamp uint64) *freshetv1.ConsumeRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &freshetv1.ConsumeRequest{StampNs: stamp, Request: &freshetv1.ConsumeRequest_Attach{Attach: &freshetv1.Attach{
		Topic: s.name.topic, Subscription: s.name.subscription, Member: s.name.member,
		Session: append([]byte(nil), s.mu.session[:]...), Credit: credit, Received: s.mu.received,
		VisibilityMs: millis(s.options.visibility),
	}}}
}

// credit is how much the session wants to hold now.
func (s *consumer) credit() *freshetv1.Credit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.creditLocked()
}

func (s *consumer) creditLocked() *freshetv1.Credit {
	c := &freshetv1.Credit{Events: uint32(s.options.windowEvents), Bytes: uint64(s.options.windowBytes)}
	if s.mu.phase != consuming || s.mu.parked {
		c.Events = 0
	}
	return c
}

// attach takes in what the node knows of the session: what isn't in its list, and isn't being settled, is lost.
func (s *consumer) attach(a *freshetv1.Attached) error {
	if a == nil {
		return &Error{Code: CodeInternal, Message: "the node didn't answer the attach", OutcomeUnknown: true}
	}
	if kind := Kind(a.GetKind()); kind != s.kind && a.GetKind() != freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_UNSPECIFIED {
		return argumentError("member", "%s/%s is a %v, not a %v", s.name.topic, s.name.subscription, kind, s.kind)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.attached = true
	s.mu.visibility, s.mu.ordered = duration(a.GetVisibilityMs()), a.GetOrdered()
	if !a.GetResumed() {
		s.loseAll()
		s.mu.received = 0
	}
	if s.mu.inFlight != nil {
		s.mu.inFlight.sent = false
	} else {
		s.mu.settled = a.GetSettled()
	}
	if a.GetResumed() {
		held := lostLeases(a.GetHeld())
		for _, d := range s.mu.held {
			if d.lease.state != leaseSent && !held.has(d) {
				s.lost(d)
				if l := s.lineOf(d); l != nil {
					s.mend(d, l)
				}
			}
		}
		s.mu.pending = undone(s.mu.pending)
		s.mendLines()
	}
	s.checkMilestones()
	s.pokeKeep()
	return nil
}

// undone leaves out what is finished.
func undone(ds []*Delivery) []*Delivery {
	kept := ds[:0]
	for _, d := range ds {
		if d.lease.state != leaseDone {
			kept = append(kept, d)
		}
	}
	return kept
}

// loseAll empties the books: the node doesn't know the session any more. What was being settled may be done. mu is held.
func (s *consumer) loseAll() {
	if f := s.mu.inFlight; f != nil {
		s.mu.inFlight = nil
		for _, d := range f.items {
			s.finish(d, unknown(fmt.Errorf("%v, but the session ended: %w", d.lease.decision.verb, ErrLeaseLost)))
		}
		for _, e := range f.extensions {
			e.finish(ErrLeaseLost)
		}
	}
	for _, e := range s.mu.extensions {
		e.finish(ErrLeaseLost)
	}
	s.mu.extensions, s.mu.extendAll = nil, false
	s.mu.pending, s.mu.waiting = nil, nil
	s.loseLines()
	for _, d := range s.mu.held {
		s.lost(d)
	}
}

// sessionLost begins a new session in the place of one that the node refuses.
func (s *consumer) sessionLost() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loseAll()
	s.mu.received, s.mu.settled = 0, 0
	s.checkMilestones()
	return s.newSession()
}

// detached notes that the connection is over.
func (s *consumer) detached() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.attached = false
	s.checkMilestones()
}
