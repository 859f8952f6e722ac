package client

import (
	"context"
	"time"

	"google.golang.org/grpc"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// course is where a sender's blocks go.
//
//	     open                           another leads                no answer is owed
//	--------------> at a leader -----------------------> leaving --------------------> (open)
//	    |                ^                                  ^
//	    |                | it can be reached again          | the leader is known, and can be reached
//	    +--------------> at another, which passes on -------+
//
// A stream that is left is owed nothing, so that nothing has to be sent twice. Only when it says nothing for a second, with answers owed and another leader
// known, is it broken off: a node that has stopped without a word would keep the partition for as long as gRPC's pings take, 20 s.
type course struct {
	route *route // by which blocks are sent
	// moving: slots move, and nothing new may be sent by this route.
	moving bool
	// leaving: nothing may be sent on the stream at hand any more.
	leaving bool

	// look runs while the stream may have to be left.
	look    *time.Timer
	looking bool
	answers uint64 // so many came in all
	seen    uint64 // when it was last looked
	silent  int    // how often there was none, though one was owed
}

// lookEvery is how often a sender looks whether its stream is the right one.
const lookEvery = time.Second

// How many looks in a row a node may be silent that owes answers. One that passes on waits for 3 s for a leader. One that leads may have a disk that
// takes its time, but what was sent can be sent again on another stream, which is better than to wait for ever.
const (
	silentPassing = 5
	silentLeading = 20
)

// steer looks at the route, and leaves the stream if another is better.
func (s *sender) steer() {
	p := s.producer
	p.mu.Lock()
	was := s.course.route
	s.course.route, s.course.moving = p.mu.route, p.mu.moving != nil
	if s.course.moving {
		s.course.route = p.mu.moving
	}
	p.mu.Unlock()
	if s.course.moving {
		s.withdraw()
	}
	if s.stream != nil && s.course.route != was {
		s.consider()
	}
	if s.course.leaving && len(s.window.attempts) == 0 {
		s.hangUp()
	}
}

// consider decides whether to leave the stream for the leader.
func (s *sender) consider() {
	p := s.producer
	leader := s.course.route.leader(s.partition).address
	if s.stream == nil || s.course.leaving || leader == "" || leader == s.stream.address || p.client.nodes.avoided(leader) {
		return
	}
	if l, err := p.client.nodes.reach(p.context, leader, forPublishing); err != nil || l.ClientConn == nil {
		return
	}
	p.client.options.logger.Debug("publishing to another node", "topic", p.topic, "partition", s.partition, "from", s.stream.address, "to", leader)
	s.course.leaving = true
}

// watch has lookAround called when there is something to look for.
func (s *sender) watch() {
	if !s.course.looking {
		s.course.looking = true
		s.course.look.Reset(lookEvery)
	}
}

// lookAround looks whether the stream is silent, or a detour.
func (s *sender) lookAround() {
	c := &s.course
	c.looking = false
	if s.stream == nil {
		return
	}
	owed, detour := len(s.window.attempts) > 0, s.stream.address != c.route.leader(s.partition).address
	if !owed || c.answers != c.seen {
		c.silent = 0
	} else {
		c.silent++
	}
	c.seen = c.answers
	switch {
	case c.silent > 0 && c.leaving, c.silent >= silentPassing && detour, c.silent >= silentLeading:
		s.producer.client.nodes.failed(s.stream.address)
		s.broken(&Error{Code: CodeOutcomeUnknown, Message: "no answer from " + s.stream.address, Retryable: true, OutcomeUnknown: true})
	case c.silent > 0, detour:
		s.producer.lose(c.route)
		s.consider()
		s.watch()
	case owed:
		s.watch()
	}
}

// withdraw gives back what isn't stored and won't be, to be placed by another route.
func (s *sender) withdraw() {
	p := s.producer
	withdrawn := s.window.withdraw()
	for _, f := range withdrawn {
		if err := s.decode(f); err != nil {
			s.finish([]finish{{f, errorAs(err)}})
			continue
		}
		p.mu.Lock()
		for _, w := range f.events {
			w.state, w.sender = gathered, nil
			p.mu.unplaced.add(w, p.eventsMax())
		}
		p.mu.Unlock()
	}
	if len(withdrawn) > 0 {
		p.mu.Lock()
		s.noteOldest()
		p.mu.Unlock()
	}
}

// publishStream is a PublishStream call and the goroutine that receives its answers.
type publishStream struct {
	rpc     grpc.BidiStreamingClient[freshetv1.PublishRequest, freshetv1.PublishResponse]
	cancel  context.CancelFunc
	address string // of the node
	// answers has room for all that can be owed, so that the goroutine never waits. It is closed when the stream is over, and err then says why.
	answers chan *freshetv1.PublishResponse
	err     error
}

// open opens a stream to the leader, or to whoever passes on.
func (s *sender) open() error {
	p := s.producer
	ctx, cancel := context.WithCancel(p.context)
	to, err := p.client.nodes.toLeader(ctx, s.course.route, s.partition, forPublishing)
	if err != nil {
		cancel()
		return err
	}
	rpc, err := freshetv1.NewPublishServiceClient(to).PublishStream(ctx)
	if err != nil {
		cancel()
		return err
	}
	s.stream = &publishStream{rpc: rpc, cancel: cancel, address: to.address, answers: make(chan *freshetv1.PublishResponse, attemptsInFlight)}
	go s.stream.receive()
	return nil
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

// hangUp ends the stream and joins its goroutine.
func (s *sender) hangUp() {
	s.course.leaving, s.course.silent = false, 0
	if s.stream == nil {
		return
	}
	s.stream.cancel()
	for range s.stream.answers { // until it is closed
	}
	s.stream = nil
}
