package block

import (
	"errors"
	"fmt"
)

var (
	// ErrCorrupt marks bytes that are not a block, or no longer the block that was written: a checksum that does not hold,
	// a length that does not add up, a column that contradicts its record. It is wrapped with what was found and expected.
	ErrCorrupt = errors.New("block: corrupt")
	// ErrVersion is returned for a block of a version of the format that this build does not read.
	ErrVersion = errors.New("block: unknown version")
	// ErrFull is returned by Writer.Append when the event would take the block beyond BlockBytesMax or EventsMax. The
	// event was not taken; it fits into the next block.
	ErrFull = errors.New("block: full")
	// ErrEmpty is returned when a block would have no events: there are no empty blocks.
	ErrEmpty = errors.New("block: no events")
)

// LimitError says that a field is longer, larger or more numerous than the format allows.
type LimitError struct {
	Field string // as in the API: "data", "key", "attributes[3].value", "deliver_at_ms"
	Limit int64  // in the field's unit: bytes, a count, or milliseconds since 1970 for deliver_at_ms
	Got   int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("block: %s: %d is over the limit of %d", e.Field, e.Got, e.Limit)
}

// FieldError says that a field has a value that the format cannot take, whatever its length.
type FieldError struct {
	Field  string // as in LimitError
	Reason string
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("block: %s: %s", e.Field, e.Reason)
}

// corruptf returns an error that wraps ErrCorrupt with what was found and what was expected.
func corruptf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// checkLimit returns a *LimitError when got is over limit.
func checkLimit(field string, limit, got int) error {
	if got > limit {
		return &LimitError{Field: field, Limit: int64(limit), Got: int64(got)}
	}
	return nil
}
