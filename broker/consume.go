package broker

import (
	"context"
	"errors"
	"time"

	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// detachWithin is how long the node tries to tell the partition that a consumer is gone. If that fails, the partition finds out when it next
// has an event for the session.
const detachWithin = 5 * time.Second

// Consume attaches a session and streams its deliveries. Two goroutines use the stream: this one reads, and asks the partition; the
// attachment's sends deliveries (outlet.go).
//
//	       Attach                    Close ──▶ OK: leases end
//	(open) ──────▶ attached ────────┬──────────────────────────
//	                │  ▲            ├ connection breaks ──▶ leases run on
//	   credit, settle, ping         ├ another connection attaches ──▶ FR4002
//	                └──┘            └ node stops, leader lost ──▶ FR5001
func (s *consumeService) Consume(stream freshetv1.ConsumeService_ConsumeServer) error {
	// What the consumer asked for is finished and answered (ctx) also when the node begins to stop; then nothing more is waited for.
	ctx := stream.Context()
	waiting, release := s.life.bind(ctx)
	defer release()
	in := read(s.life, stream)

	first, err := s.next(waiting, in, nil)
	if err != nil {
		return err
	}
	at, command, err := s.attachCommand(ctx, first)
	if err != nil {
		return err
	}
	to, err := s.lead(waiting, at)
	if err != nil {
		return err
	}
	if to != nil {
		return s.relayConsume(waiting, stream, in, first, to)
	}
	c := &consuming{outlet: &outlet{stream: stream, partition: at.number}, in: in, waiting: waiting}
	if c.attachment, err = at.Attach(ctx, command, c.outlet); err != nil {
		return err
	}
	closed, err := s.converse(ctx, c)
	if closed {
		return err
	}
	if errors.Is(err, partition.ErrRemoved) {
		return removed(first.GetAttach())
	}
	// The stream's own context may be over, and the partition should know all the same.
	detaching, cancel := context.WithTimeout(context.WithoutCancel(ctx), detachWithin)
	defer cancel()
	if err := c.attachment.Detach(detaching); err != nil && !errors.Is(err, partition.ErrUnavailable) {
		s.guard.logger.Debug("telling the partition that a consumer is gone", "error", err)
	}
	return err
}

// removed tells a consumer that what it consumed is no more.
func removed(attach *freshetv1.Attach) error {
	name := attach.GetTopic() + "/" + attach.GetSubscription()
	if attach.GetMember() != "" {
		name += "/" + attach.GetMember()
	}
	return faultf(freshetv1.ErrorCode_ERROR_CODE_SUBSCRIPTION_NOT_FOUND, "%s was removed while it was consumed", name).
		with("topic", attach.GetTopic()).with("subscription", attach.GetSubscription())
}

// consuming is an attached session on its stream.
type consuming struct {
	attachment *partition.Attachment
	outlet     *outlet
	in         *inbound[freshetv1.ConsumeRequest]
	// waiting ends with the stream, or when the node begins to stop.
	waiting context.Context //nolint:containedctx // the stream's
}

// next waits for the consumer's next message, the end of the attachment, or of the node.
func (s *consumeService) next(ctx context.Context, in *inbound[freshetv1.ConsumeRequest], a *partition.Attachment) (*freshetv1.ConsumeRequest, error) {
	var ended <-chan struct{}
	if a != nil {
		ended = a.Done()
	}
	select {
	case <-ended: // nothing is done for a connection that has a successor, however much of it waits
		return nil, a.Err()
	default:
	}
	select {
	case m, open := <-in.messages:
		if !open {
			return nil, in.err
		}
		return m, nil
	case <-ended:
		return nil, a.Err()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// converse does what the consumer says until it closes the session (closed is true then), or the stream ends.
func (s *consumeService) converse(ctx context.Context, c *consuming) (closed bool, err error) {
	for {
		m, err := s.next(c.waiting, c.in, c.attachment)
		if err != nil {
			return false, streamEnd(err)
		}
		// Before what came with it, so that no lease that it leads to counts from a later reading.
		c.attachment.Stamp(m.GetStampNs())
		switch m := m.GetRequest().(type) {
		case nil: // a ping
			err = c.outlet.pong()
		case *freshetv1.ConsumeRequest_Credit:
			err = s.credit(ctx, c, m.Credit)
		case *freshetv1.ConsumeRequest_Settle:
			err = s.settle(ctx, c, m.Settle)
		case *freshetv1.ConsumeRequest_Close:
			unstarted, err := leasedList("close.unstarted", m.Close.GetUnstarted(), new(runBudget))
			if err != nil {
				return false, err
			}
			return true, c.attachment.Close(ctx, m.Close.GetReceived(), unstarted)
		case *freshetv1.ConsumeRequest_Attach:
			return false, argumentRefused("attach", "came twice; it is the first message, and only the first")
		}
		if err != nil {
			return false, err
		}
	}
}

// attachCommand checks a stream's first message.
func (s *consumeService) attachCommand(ctx context.Context, first *freshetv1.ConsumeRequest) (hosted, partition.AttachCommand, error) {
	attach := first.GetAttach()
	if attach == nil {
		return hosted{}, partition.AttachCommand{}, argumentRefused("attach", "is missing; it must be the first message")
	}
	sub, err := s.subscription(ctx, actionConsume, attach.GetTopic(), attach.GetSubscription())
	if err != nil {
		return hosted{}, partition.AttachCommand{}, err
	}
	cursor, err := cursorOf(sub, "attach.member", attach.GetMember())
	if err != nil {
		return hosted{}, partition.AttachCommand{}, err
	}
	command := partition.AttachCommand{Cursor: cursor, Received: attach.GetReceived(), Stamp: first.GetStampNs(), Answered: attach.GetAnsweredNs()}
	if n := len(attach.GetSession()); n != len(command.Session) {
		return hosted{}, partition.AttachCommand{}, argumentRefused("attach.session", "has %d bytes, it must have %d", n, len(command.Session))
	}
	copy(command.Session[:], attach.GetSession())
	if attach.GetCredit() == nil {
		return hosted{}, partition.AttachCommand{}, argumentRefused("attach.credit", "is missing; it is required")
	}
	if command.CreditEvents, command.CreditBytes, err = creditOf("attach.credit", attach.GetCredit()); err != nil {
		return hosted{}, partition.AttachCommand{}, err
	}
	if command.Visibility, err = visibilityOf("attach.visibility_ms", attach.GetVisibilityMs()); err != nil {
		return hosted{}, partition.AttachCommand{}, err
	}
	at, err := s.partitionOf(s.topicOf(sub), attach.Partition)
	return at, command, err
}

// credit changes how much the session may hold.
func (s *consumeService) credit(ctx context.Context, c *consuming, credit *freshetv1.Credit) error {
	events, bytes, err := creditOf("credit", credit)
	if err != nil {
		return err
	}
	return c.attachment.Credit(ctx, events, bytes)
}

// settle does what the consumer says of its events, and answers. What is wrong with it is told in the answer, and the sequence may be used
// again; what may have been done ends the stream, and the consumer sends it again when it has attached anew.
func (s *consumeService) settle(ctx context.Context, c *consuming, settle *freshetv1.Settle) error {
	command, err := settleCommand(settle)
	var settled partition.Settled
	if err == nil {
		settled, err = c.attachment.Settle(ctx, command)
	}
	answer := &freshetv1.Settled{Sequence: settle.GetSequence(), Lost: wireLeased(settled.Lost), Epoch: uint64(settled.Epoch)}
	if err != nil {
		if !answerable(err) {
			return err
		}
		answer.Error = asFault(err, s.metadata).wire()
	}
	return c.outlet.send(&freshetv1.ConsumeResponse{Response: &freshetv1.ConsumeResponse_Settled{Settled: answer}})
}

// answerable tells whether the session goes on after a Settle that wasn't done.
func answerable(err error) bool {
	if refused, ok := errors.AsType[*partition.RefusedError](err); ok {
		return refused.Refusal != partition.RefusedSession
	}
	_, ok := errors.AsType[*fault](err)
	return ok
}
