package partition

import (
	"errors"
	"fmt"
)

var (
	// ErrUnavailable: this replica doesn't lead, or is closing. Nothing was done; the same command may succeed later or elsewhere.
	ErrUnavailable = errors.New("partition: unavailable")
	// ErrOutcomeUnknown: the command was on its way when leadership, the process or the caller's patience ended. It may have been done.
	ErrOutcomeUnknown = errors.New("partition: outcome unknown")
	// ErrBusy: as much waits already as may. Nothing was done.
	ErrBusy = errors.New("partition: busy")
	// ErrSuperseded ends an attachment when another connection attached its session.
	ErrSuperseded = errors.New("partition: the session is attached by another connection")
	// ErrDiffers: this replica isn't in the state in which its leader was after the same entries (P9). It must stop.
	ErrDiffers = errors.New("partition: the replica differs from its leader")
	// ErrRemoved ends an attachment when its subscription or member was removed.
	ErrRemoved = errors.New("partition: the subscription was removed")
)

// RefusedError says that a command was considered and refused. Nothing was done.
type RefusedError struct {
	Refusal Refusal
	// Sequence that was expected, where one was out of order.
	Sequence uint64
}

func (e *RefusedError) Error() string {
	if e.Sequence != 0 {
		return fmt.Sprintf("partition: refused: %v, expected sequence %d", e.Refusal, e.Sequence)
	}
	return fmt.Sprintf("partition: refused: %v", e.Refusal)
}

// LogFullError says that the log has no room for more events, and who holds the oldest.
type LogFullError struct {
	Bytes, Limit int64
	Stream       StreamID
	Holder       CursorID
	// Offset of the oldest event held. Held is false when nothing is, and the log only waits to be cut.
	Offset Offset
	Held   bool
}

func (e *LogFullError) Error() string {
	if !e.Held {
		return fmt.Sprintf("partition: the log holds %d bytes of %d", e.Bytes, e.Limit)
	}
	return fmt.Sprintf("partition: the log holds %d bytes of %d; the oldest event, offset %d of stream %d, is held by subscription %v",
		e.Bytes, e.Limit, e.Offset, e.Stream, e.Holder)
}
