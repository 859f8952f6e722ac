package client

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
	"github.com/freshet-mq/freshet/proto/freshet/wire"
)

// session is a consumer's session with one partition. It outlives connections and leaders: whoever leads the partition knows it, and what it holds.
type session struct {
	consumer  *consumer
	partition uint32
	// talkAgain has a value when talk should look at mu again.
	talkAgain chan struct{}

	mu struct {
		*sync.Mutex // the consumer's

		id         [16]byte
		attached   bool
		received   uint64 // the highest delivery number that arrived in this session
		answered   uint64 // the stamp of its last Attach that was answered
		truncated  uint64 // the offset before which the consumer was told that events were dropped
		visibility time.Duration
		portion    *portion // of the consumer's window
		credits    uint64   // of the connection, that are carried out

		held       holdings         // S1
		ordered    bool             // the queue is: events of a key are handled one after the other
		lines      map[string]*line // then, by key
		epoch      uint64           // the highest of what has arrived in this session
		remembered []string         // keys of lines that have nothing but their epoch

		settled    uint64 // sequence of the last Settle that was answered
		inFlight   *settling
		pending    []*Delivery // decided, in the order of their decisions
		spare      []*Delivery // room for pending
		extensions []*extension
		extendAll  bool // the keeper wants all leases extended
	}
}

// sessionOf is the session that a consumer's delivery came in.
func sessionOf(d *Delivery) *session { return d.lease.parcel.owner.(*session) } //nolint:forcetypeassert // a consumer has none but its sessions'

// newSession returns a session that isn't attached. The consumer's mu is held.
func newSession(c *consumer, partition uint32, portion *portion) *session {
	s := &session{consumer: c, partition: partition, talkAgain: make(chan struct{}, 1)}
	s.mu.Mutex, s.mu.portion = &c.mu.Mutex, portion
	s.mu.lines = map[string]*line{}
	s.newID()
	return s
}

// newID draws the session's id, a secret. mu is held.
func (s *session) newID() {
	_, _ = rand.Read(s.mu.id[:]) // it returns no error: without random bytes it ends the program
}

// consumeStream is a connection of the session.
type consumeStream = grpc.BidiStreamingClient[freshetv1.ConsumeRequest, freshetv1.ConsumeResponse]

// serve keeps the session attached until the consumer is over.
func (s *session) serve() {
	var again retry
	w := way{client: s.consumer.client, topic: s.consumer.name.topic, partition: s.partition}
	for s.consumer.context.Err() == nil {
		attached, err := s.connect(&w)
		s.detached()
		s.mu.Lock()
		over := s.consumer.mu.phase == closing
		s.mu.Unlock()
		if over {
			return
		}
		if attached {
			again.reset()
		}
		err = errorOf(s.consumer.context, err)
		w.left(err)
		if s.consumer.context.Err() != nil {
			return
		}
		if fatal := s.afterBreak(attached, err); fatal != nil {
			s.consumer.fail(fatal)
			return
		}
		s.consumer.client.options.logger.Debug("consuming again after a pause", "subscription", s.consumer.name.subscription, "error", err)
		if again.pause(s.consumer.context) != nil {
			return
		}
	}
}

// afterBreak decides what the end of a connection means. An error ends the consumer.
func (s *session) afterBreak(attached bool, err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Code == CodeSessionLost {
		if attached {
			return nil // another connection took the session, one of ours that was thought dead: it is ours to take back
		}
		s.sessionLost()
		return nil
	}
	if definite(err) {
		return err
	}
	return nil
}

// connect attaches the session and receives until the connection is over. It reports whether the session was attached.
func (s *session) connect(w *way) (attached bool, err error) {
	ctx, cancel := context.WithCancel(s.consumer.context)
	defer cancel()
	node, err := w.node(ctx)
	if err != nil {
		return false, err
	}
	w.talkative.Store(true)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel() // before they are joined
	beside.Go(func() {
		if w.better(ctx) {
			cancel()
		}
	})
	stream, err := node.Consume(ctx)
	if err != nil {
		return false, err
	}
	stamp := s.consumer.client.elapsed()
	if err := stream.Send(s.attachRequest(stamp)); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	response, err := stream.Recv()
	if err != nil {
		return false, err
	}
	if err := s.attach(response.GetAttached(), stamp); err != nil {
		return false, err
	}
	w.answered()
	w.heard.Add(1)
	w.talkative.Store(response.GetAttached().GetAnswersPings())
	beside.Go(func() { s.talk(ctx, stream) })
	for {
		response, err := stream.Recv()
		if err != nil {
			return true, err
		}
		w.heard.Add(1)
		if err := s.hear(response, stamp); err != nil {
			return true, err
		}
	}
}

// hear takes in what the node says. attachStamp is when the connection's Attach was sent.
func (s *session) hear(response *freshetv1.ConsumeResponse, attachStamp uint64) error {
	switch r := response.GetResponse().(type) {
	case *freshetv1.ConsumeResponse_Delivery:
		stamp := r.Delivery.GetStampNs()
		if stamp == 0 || stamp > s.consumer.client.elapsed() {
			stamp = attachStamp // the node knows at least this one
		}
		arrived, err := parcelOf(r.Delivery, s, time.Duration(stamp))
		if err != nil {
			// It isn't counted as received, so attaching again frees it; and if nobody can read it, it becomes a dead letter.
			return err
		}
		wire.Release(r.Delivery)
		s.truncated(r.Delivery.GetTruncatedBefore())
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.Delivery.GetNumber() <= s.mu.received {
			return nil // repeated: it is in the books
		}
		s.mu.received = r.Delivery.GetNumber()
		s.arrive(arrived)
	case *freshetv1.ConsumeResponse_Settled:
		return s.answered(r.Settled)
	case *freshetv1.ConsumeResponse_Credited:
		s.credited(r.Credited.GetCredits())
	case *freshetv1.ConsumeResponse_Hint:
		s.hint(r.Hint.GetReady())
	}
	return nil
}

func (s *session) attachRequest(stamp uint64) *freshetv1.ConsumeRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	credit := s.consumer.creditOf(s)
	s.mu.portion.attaching(credit)
	s.mu.credits = 0
	return &freshetv1.ConsumeRequest{StampNs: stamp, Request: &freshetv1.ConsumeRequest_Attach{Attach: &freshetv1.Attach{
		Topic: s.consumer.name.topic, Subscription: s.consumer.name.subscription, Member: s.consumer.name.member,
		Session: append([]byte(nil), s.mu.id[:]...), Credit: s.wireCredit(credit), Received: s.mu.received,
		VisibilityMs: millis(s.consumer.options.visibility), Partition: &s.partition, AnsweredNs: s.mu.answered,
	}}}
}

// attach takes in what the node knows of the session: what isn't in its list, and isn't being settled, is lost. stamp is that of the Attach.
func (s *session) attach(a *freshetv1.Attached, stamp uint64) error {
	if a == nil {
		return &Error{Code: CodeInternal, Message: "the node didn't answer the attach", OutcomeUnknown: true}
	}
	if kind := Kind(a.GetKind()); kind != s.consumer.kind && a.GetKind() != freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_UNSPECIFIED {
		return argumentError("member", "%s/%s is a %v, not a %v", s.consumer.name.topic, s.consumer.name.subscription, kind, s.consumer.kind)
	}
	s.truncated(a.GetTruncatedBefore())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.attached, s.mu.answered = true, stamp
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
		for d := range s.mu.held.all() {
			if d.lease.state != leaseSent && !held.has(d) {
				s.lost(d)
				if l := s.lineOf(d); l != nil {
					s.mend(d, l)
				}
			}
		}
		s.mu.pending = undone(s.mu.pending)
		s.mendLines()
		s.noteHeld(s.consumer.client.now())
	}
	s.consumer.checkMilestones()
	s.consumer.pokeKeep()
	return nil
}

// truncated says, once, that what waited before an offset was dropped.
func (s *session) truncated(before uint64) {
	s.mu.Lock()
	news := before > s.mu.truncated
	s.mu.truncated = max(s.mu.truncated, before)
	s.mu.Unlock()
	c := s.consumer
	switch {
	case !news:
	case c.options.truncated != nil:
		c.options.truncated(s.partition, before)
	default:
		c.client.options.logger.Warn("events were dropped by their topic's retention before they were settled",
			"subscription", c.name.topic+"/"+c.name.subscription, "partition", s.partition, "before", before)
	}
}

// sessionLost begins a new session in the place of one that the node refuses.
func (s *session) sessionLost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loseAll()
	s.mu.received, s.mu.answered, s.mu.settled = 0, 0, 0
	s.newID()
	s.consumer.checkMilestones()
}

// detached notes that the connection is over.
func (s *session) detached() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.attached = false
	s.mu.portion.detached()
	s.consumer.moveCredit(s.consumer.client.now()) // others may have what it can't use now
	s.consumer.checkMilestones()
}
