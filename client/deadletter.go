package client

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// DeadReason says why an event is a dead letter.
type DeadReason uint8

// The reasons.
const (
	// DeadExpired: its attempts were used up, and the last lease ran out.
	DeadExpired = DeadReason(freshetv1.DeadReason_DEAD_REASON_EXPIRED)
	// DeadReleased: its attempts were used up, and the last was released.
	DeadReleased = DeadReason(freshetv1.DeadReason_DEAD_REASON_RELEASED)
	// DeadRejected: a consumer rejected it.
	DeadRejected = DeadReason(freshetv1.DeadReason_DEAD_REASON_REJECTED)
	// DeadUndelivered: it was sent too often without ever arriving.
	DeadUndelivered = DeadReason(freshetv1.DeadReason_DEAD_REASON_UNDELIVERED)
)

// String is "expired", "released", "rejected" or "undelivered".
func (r DeadReason) String() string {
	switch r {
	case DeadExpired:
		return "expired"
	case DeadReleased:
		return "released"
	case DeadRejected:
		return "rejected"
	case DeadUndelivered:
		return "undelivered"
	default:
		return fmt.Sprintf("reason(%d)", uint8(r))
	}
}

// DeadLetter is an event that a subscription gave up.
type DeadLetter struct {
	// Event is the event, and Partition and Offset are where it lies.
	Event     Event
	Partition uint32
	Offset    uint64
	// Reason is why it is dead, and Detail what the consumer said when it rejected or last released it.
	Reason DeadReason
	Detail string
	// Attempts is how often it was tried.
	Attempts int
	// Died is when.
	Died time.Time
}

// deadLettersPage is how many letters one request asks for: as many of the largest as a message holds.
const deadLettersPage = 16

// DeadLetters yields what a subscription, named "topic/subscription", could not deliver, partition by partition in the order of offsets. member names the fan-out's
// member and is empty for a queue. An error ends it.
func (a *Admin) DeadLetters(ctx context.Context, topicSlashSub, member string, options ...DeadLetterOption) iter.Seq2[*DeadLetter, error] {
	return func(yield func(*DeadLetter, error) bool) {
		name, err := parseSubscription(topicSlashSub)
		choice, refused := deadChoice(options)
		if err = cmp.Or(err, refused); err != nil {
			yield(nil, err)
			return
		}
		request := &freshetv1.ListDeadLettersRequest{
			Topic: name.topic, Subscription: name.subscription, Member: member, FromPartition: choice.fromPartition, FromOffset: choice.from,
			Reason: freshetv1.DeadReason(choice.reason), Pattern: choice.pattern, Key: choice.key,
		}
		for left := choice.most; ; {
			request.Max = uint32(deadLettersPage)
			if choice.most > 0 {
				request.Max = uint32(min(deadLettersPage, left))
			}
			response, err := a.client.admin.ListDeadLetters(ctx, request)
			if err != nil {
				yield(nil, errorOf(ctx, err))
				return
			}
			for _, wire := range response.GetLetters() {
				letter, err := deadLetterOf(wire)
				if !yield(letter, err) || err != nil {
					return
				}
			}
			left -= len(response.GetLetters())
			if !response.GetMore() || choice.most > 0 && left <= 0 {
				return
			}
			request.FromPartition, request.FromOffset = new(response.GetNextPartition()), response.GetNextOffset()
		}
	}
}

func deadLetterOf(d *freshetv1.DeadLetter) (*DeadLetter, error) {
	letter := &DeadLetter{
		Partition: d.GetPartition(), Offset: d.GetOffset(), Reason: DeadReason(d.GetReason()), Detail: d.GetDetail(),
		Attempts: int(d.GetAttempts()), Died: time.UnixMilli(d.GetDiedMs()).UTC(),
	}
	b, err := block.Open(d.GetBlock())
	if err != nil {
		return nil, corruptError(d.GetOffset(), err)
	}
	var r block.Reader
	r.Reset(&b)
	if !r.Next() {
		return nil, corruptError(d.GetOffset(), r.Err())
	}
	letter.Event = eventOf(r.Event())
	return letter, nil
}

// corruptError says that a block that was received can't be read.
func corruptError(offset uint64, err error) error {
	return &Error{Code: CodeBlockCorrupt, Message: fmt.Sprintf("the block with offset %d can't be read: %v", offset, err)}
}
