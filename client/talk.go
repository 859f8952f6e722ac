package client

import (
	"context"
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Pings. The node repeats our latest stamp in a delivery, and we count the lease from it: a stamp that is old makes a lease look shorter than
// it is. So a connection isn't silent for longer than a second, nor than an eighth of the visibility timeout.
const (
	pingMin = 100 * time.Millisecond
	pingMax = time.Second
)

// talk sends what there is to say on a connection, until that is over.
func (s *session) talk(ctx context.Context, stream consumeStream) {
	timer := stoppedTimer()
	defer timer.Stop()
	t := talker{session: s, last: s.consumer.client.now()}
	for {
		message, wait := t.next(s.consumer.client.now())
		if message != nil {
			message.StampNs = s.consumer.client.elapsed()
			if stream.Send(message) != nil {
				return // why, the receiving side knows
			}
			if message.GetClose() != nil {
				return
			}
			continue
		}
		timer.Reset(wait)
		select {
		case <-s.talkAgain:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// talker knows when something was said on a connection.
type talker struct {
	session *session
	last    time.Duration
}

// next returns what to say now, or how long there is nothing to say.
func (t *talker) next(now time.Duration) (*freshetv1.ConsumeRequest, time.Duration) {
	s := t.session
	s.mu.Lock()
	defer s.mu.Unlock()
	ping := min(max(s.mu.visibility/8, pingMin), pingMax)
	wait := ping - (now - t.last)

	if credit := s.consumer.creditOf(s); s.mu.portion.tell(credit) {
		return t.say(now, &freshetv1.ConsumeRequest{Request: &freshetv1.ConsumeRequest_Credit{Credit: s.wireCredit(credit)}})
	}
	if s.mu.inFlight == nil {
		s.mu.inFlight = s.nextSettle(now)
	}
	if f := s.mu.inFlight; f != nil && !f.sent {
		if pause := f.notBefore - now; pause > 0 {
			wait = min(wait, pause)
		} else {
			f.sent = true
			return t.say(now, &freshetv1.ConsumeRequest{Request: &freshetv1.ConsumeRequest_Settle{Settle: f.request}})
		}
	}
	if s.consumer.mu.phase == closing {
		return t.say(now, &freshetv1.ConsumeRequest{Request: &freshetv1.ConsumeRequest_Close{Close: &freshetv1.Close{
			Received: s.mu.received, Unstarted: s.unstarted(),
		}}})
	}
	if wait <= 0 {
		return t.say(now, &freshetv1.ConsumeRequest{})
	}
	return nil, wait
}

func (t *talker) say(now time.Duration, message *freshetv1.ConsumeRequest) (*freshetv1.ConsumeRequest, time.Duration) {
	t.last = now
	return message, 0
}

// unstarted names what no handler has begun and isn't given back yet. mu is held.
func (s *session) unstarted() []*freshetv1.Leased {
	var ds []*Delivery
	for d := range s.mu.held.all() {
		if d.lease.decision().unstarted {
			ds = append(ds, d)
		}
	}
	return leasedRuns(ds)
}
