package broker

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/freshet-mq/freshet/matcher"
	"github.com/freshet-mq/freshet/partition"
	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// errStopping is the cause of contexts that end because the node does.
var errStopping = faultf(freshetv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "the node is stopping; connect to another, or try again when it is back")

// names tells what people call a thing of which the partition knows only the id.
type names interface {
	topicName(partition.StreamID) string
	cursorName(partition.CursorID) string
}

// asFault gives any error of the packages below the form in which clients learn of it. What nobody foresaw is FR9001: its text
// stays in the node's log.
func asFault(err error, called names) *fault {
	if f, ok := errors.AsType[*fault](err); ok {
		return f
	}
	if refused, ok := errors.AsType[*partition.RefusedError](err); ok {
		return refusalFault(refused)
	}
	if full, ok := errors.AsType[*partition.LogFullError](err); ok {
		return logFullFault(full, called)
	}
	if large, ok := errors.AsType[*partition.BlockTooLargeError](err); ok {
		return faultf(freshetv1.ErrorCode_ERROR_CODE_LIMIT_EXCEEDED, "the block has %d bytes; a log of this size takes blocks of at most %d: publish fewer events at once, or give the node a larger log", large.Bytes, large.Limit).
			with("field", "block").with("limit", strconv.Itoa(large.Limit)).with("got", strconv.Itoa(large.Bytes))
	}
	if refused, ok := errors.AsType[*matcher.PatternError](err); ok {
		return patternFault("pattern", refused)
	}
	switch {
	case errors.Is(err, partition.ErrSuperseded):
		return faultf(freshetv1.ErrorCode_ERROR_CODE_SESSION_LOST, "another connection has attached this session")
	case errors.Is(err, partition.ErrRemoved):
		return faultf(freshetv1.ErrorCode_ERROR_CODE_SUBSCRIPTION_NOT_FOUND, "the subscription, or this member of it, was removed")
	case errors.Is(err, partition.ErrOutcomeUnknown):
		return faultf(freshetv1.ErrorCode_ERROR_CODE_OUTCOME_UNKNOWN, "the answer was lost on its way through the log: it may have been done or not")
	case errors.Is(err, partition.ErrUnavailable):
		return faultf(freshetv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "the partition has no leader now; nothing was done, try again")
	case errors.Is(err, partition.ErrBusy):
		return faultf(freshetv1.ErrorCode_ERROR_CODE_BUSY, "the node has as much to do as it takes on; nothing was done, try again more slowly")
	}
	return faultf(freshetv1.ErrorCode_ERROR_CODE_INTERNAL, "the node met a fault of its own; its log has the details")
}

// callError is what a call ends with: a fault, unless it was the caller who ended it.
func callError(err error, called names) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault](err); !ok {
		if s, ok := status.FromError(err); ok && s.Code() != codes.Unknown {
			return s.Err() // the transport's own: the stream broke
		}
		switch {
		case errors.Is(err, partition.ErrOutcomeUnknown), errors.Is(err, partition.ErrBusy), errors.Is(err, partition.ErrUnavailable):
		case errors.Is(err, context.Canceled):
			return status.FromContextError(context.Canceled).Err()
		case errors.Is(err, context.DeadlineExceeded):
			return status.FromContextError(context.DeadlineExceeded).Err()
		}
	}
	return asFault(err, called)
}

// refusalFault tells what a partition refused.
func refusalFault(e *partition.RefusedError) *fault {
	expected := strconv.FormatUint(e.Sequence, 10)
	switch e.Refusal {
	case partition.RefusedDedupFull:
		return faultf(freshetv1.ErrorCode_ERROR_CODE_BUSY, "the partition remembers %d dedup ids of the last minutes, and takes no more until the oldest are forgotten; nothing was done, try again more slowly",
			partition.DedupIDsMax).with("field", "dedup_id").with("limit", strconv.Itoa(partition.DedupIDsMax))
	case partition.RefusedLeaving:
		return faultf(freshetv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "it is being removed; nothing was done, try again")
	case partition.RefusedStream, partition.RefusedSubscription, partition.RefusedSetVersion, partition.RefusedUnchecked:
		// The catalog has it, so the partition will: names are resolved before anything is asked of it.
		return faultf(freshetv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "the partition doesn't have it yet (%v); nothing was done, try again", e.Refusal)
	case partition.RefusedSequence:
		return faultf(freshetv1.ErrorCode_ERROR_CODE_SEQUENCE_GAP, "the block isn't the producer's next: its sequence should be %s", expected).
			with("field", "block.producer.sequence").with("expected", expected)
	case partition.RefusedExpired:
		return faultf(freshetv1.ErrorCode_ERROR_CODE_PRODUCER_EXPIRED,
			"the producer was silent for so long that it was forgotten, and whether the block is stored already can't be told; begin a new epoch")
	case partition.RefusedFenced:
		return faultf(freshetv1.ErrorCode_ERROR_CODE_PRODUCER_FENCED, "a later epoch of this producer has published; stop one of the two")
	case partition.RefusedSession:
		return faultf(freshetv1.ErrorCode_ERROR_CODE_SESSION_LOST, "the session isn't known: it was closed, or away for too long; attach again")
	case partition.RefusedMember:
		return argumentRefused("member", "doesn't fit: a fan-out needs one, a queue has none")
	case partition.RefusedTooMany:
		return faultf(freshetv1.ErrorCode_ERROR_CODE_TOO_MANY, "there are as many of these in the partition as there may be; remove some")
	case partition.RefusedDelayed:
		return faultf(freshetv1.ErrorCode_ERROR_CODE_TOO_MANY,
			"the partition holds as many events that are to be delivered later as it has memory for (%d bytes); nothing was stored: publish them nearer to their time", partition.DelayedBytesMax).
			with("field", "deliver_at_ms").with("limit", strconv.Itoa(partition.DelayedBytesMax))
	case partition.RefusedOrdered:
		return argumentRefused("ordered", "can't be changed, and only a queue has it")
	case partition.RefusedBlock:
		return faultf(freshetv1.ErrorCode_ERROR_CODE_BLOCK_CORRUPT, "the bytes aren't a block").with("field", "block")
	case partition.RefusedSettleOrder:
		return argumentRefused("settle.sequence", "is neither the session's last nor the one after it")
	case partition.Done, partition.RefusedFrontier, partition.RefusedSuperseded: // the leader's own, and what Attach has another error for
	}
	return faultf(freshetv1.ErrorCode_ERROR_CODE_INTERNAL, "the partition refused it without a reason; report this")
}

// logFullFault names who holds the log, since only they can make room.
func logFullFault(e *partition.LogFullError, called names) *fault {
	f := faultf(freshetv1.ErrorCode_ERROR_CODE_LOG_FULL, "the log holds %d bytes of %d", e.Bytes, e.Limit).
		with("limit", strconv.FormatInt(e.Limit, 10)).with("got", strconv.FormatInt(e.Bytes, 10))
	if !e.Held {
		f.message += "; nothing in it is held, so there will be room shortly"
		return f
	}
	holder := called.cursorName(e.Holder)
	f.message += "; the oldest event, at offset " + strconv.FormatUint(uint64(e.Offset), 10) + ", waits for subscription " + strconv.Quote(holder) +
		": consume there, or remove it"
	return f.with("topic", called.topicName(e.Stream)).with("subscription", holder).
		with("offset", strconv.FormatUint(uint64(e.Offset), 10))
}

// blockFault tells what is wrong with a published block.
func blockFault(err error) *fault {
	if limit, ok := errors.AsType[*block.LimitError](err); ok {
		f := limitExceeded("block."+limit.Field, limit.Limit, limit.Got, "")
		f.message = "block: " + trimPackage(err)
		return f
	}
	if field, ok := errors.AsType[*block.FieldError](err); ok {
		f := argumentRefused("block."+field.Field, "%s", field.Reason)
		f.message = "block: " + trimPackage(err)
		return f
	}
	return faultf(freshetv1.ErrorCode_ERROR_CODE_BLOCK_CORRUPT, "block: %s", trimPackage(err)).with("field", "block")
}

// pathBytesMax bounds how much of a path in a pattern travels in an error: details go in headers, and those have limits.
const pathBytesMax = 512

// patternFault tells where a pattern goes wrong: message and "reason" have EventBridge's text, "advice" what was seen and expected.
func patternFault(field string, e *matcher.PatternError) *fault {
	return faultf(freshetv1.ErrorCode_ERROR_CODE_PATTERN_REFUSED, "%s refused at %s: %s", field, e.Place(), e.Reason).
		with("field", field).with("path", clipped(e.Path)).with("line", strconv.Itoa(e.Line)).with("column", strconv.Itoa(e.Column)).
		with("reason", clipped(e.Message)).with("advice", clipped(e.Advice))
}

// clipped shortens a text that a stranger chose the length of.
func clipped(s string) string {
	if len(s) <= pathBytesMax {
		return s
	}
	return strings.ToValidUTF8(s[:pathBytesMax], "") + "..."
}

// trimPackage is an error's text without the name of package block in it.
func trimPackage(err error) string { return strings.Replace(err.Error(), "block: ", "", 1) }
