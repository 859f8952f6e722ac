package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Delivery is an event under a lease. Its methods are safe for concurrent use.
type Delivery struct {
	// Event is the event, a copy that is the receiver's.
	Event Event
	// Partition holds the event, at Offset of the topic's stream there.
	Partition uint32
	Offset    uint64
	// Attempt is 1 for the first delivery in the subscription, and one more each time a lease ended without an ack.
	Attempt int
	// Epoch grows with every lease of an event, whoever gets it: a fencing token. Store it with what the event leads to, refuse to
	// overwrite with a lower one, and a consumer that was paused beyond its lease does no harm.
	Epoch uint64

	// lease is its owner's, under whose lock it is.
	lease lease
}

// leaseOwner keeps leases: a consumer on its stream, a batch by receipts.
type leaseOwner interface {
	// settle decides an event and waits until that is stored.
	settle(ctx context.Context, d *Delivery, dec decision) error
	// extend moves an event's deadline and waits until that is stored.
	extend(ctx context.Context, d *Delivery, by time.Duration) error
	deadline(d *Delivery) time.Time
}

// Deadline is when the lease ends unless it is extended, by the client's clock and never later than the node's. A consumer extends by itself.
func (d *Delivery) Deadline() time.Time { return d.lease.parcel.owner.deadline(d) }

// Ack settles the event and waits until that is on disk on a majority: it is never delivered again then. ErrLeaseLost means that the lease
// had ended before and nothing was changed: somebody else may have the event. When ctx ends first, the error wraps ctx's and
// ErrUnknownOutcome, and the ack may yet be stored; calling Ack again waits on.
func (d *Delivery) Ack(ctx context.Context) error {
	return d.lease.parcel.owner.settle(ctx, d, decision{verb: verbAck})
}

// Release gives the event back, not to be delivered again before after is over, 0 to 12 h, and waits until that is stored. It counts as an
// attempt. reason is for people, at most 256 bytes. Errors are as for Ack.
func (d *Delivery) Release(ctx context.Context, after time.Duration, reason string) error {
	if after < 0 || after > visibilityMax {
		return argumentError("after_ms", "a delay of %v: 0 to %v are possible", after, visibilityMax)
	}
	if err := checkReason(reason); err != nil {
		return err
	}
	return d.lease.parcel.owner.settle(ctx, d, decision{verb: verbRelease, after: after, reason: reason})
}

// Reject makes the event a dead letter at once, and waits until that is stored. reason is for people, at most 256 bytes. Errors are as for Ack.
func (d *Delivery) Reject(ctx context.Context, reason string) error {
	if err := checkReason(reason); err != nil {
		return err
	}
	return d.lease.parcel.owner.settle(ctx, d, decision{verb: verbReject, reason: reason})
}

// Extend moves the lease's deadline to by from now, 1 s to 12 h, and waits until that is stored. A handler needn't: its lease is extended
// while it runs. It is for leases that should outlast this process, and for Receive's. A lease lasts at most 12 hours in all. Errors
// are as for Ack.
func (d *Delivery) Extend(ctx context.Context, by time.Duration) error {
	if by < visibilityMin || by > visibilityMax {
		return argumentError("visibility_ms", "an extension by %v: %v to %v are possible", by, visibilityMin, visibilityMax)
	}
	return d.lease.parcel.owner.extend(ctx, d, by)
}

// verb is what is said of a leased event.
type verb uint8

const (
	verbNone verb = iota
	verbAck
	verbRelease
	verbReject
)

func (v verb) String() string {
	return [...]string{"undecided", "acked", "released", "rejected"}[v]
}

// decision is a verb and what belongs to it.
type decision struct {
	verb      verb
	after     time.Duration // of a release
	reason    string        // of a release or rejection
	unstarted bool          // a release that is no attempt
}

// What most decisions are.
var (
	acked   = decision{verb: verbAck}
	givenUp = decision{verb: verbRelease, unstarted: true}
	noneYet = decision{}
)

// kept is the decision as a lease refers to it. An ack is an ack, and has nothing else.
func (dec decision) kept() *decision {
	switch {
	case dec.verb == verbAck:
		return &acked
	case dec.unstarted:
		return &givenUp
	}
	other := dec // so that nothing is allocated for those before
	return &other
}

func checkReason(reason string) error {
	if len(reason) > reasonBytesMax {
		return limitError("reason", reasonBytesMax, int64(len(reason)), fmt.Sprintf("reason has %d bytes, at most %d are possible", len(reason), reasonBytesMax))
	}
	if !utf8.ValidString(reason) {
		return argumentError("reason", "reason isn't valid UTF-8")
	}
	return nil
}

// Handler works on one event. It may settle d itself; else what it returns does:
//
//	nil                    acks
//	RetryAfter(after, err) releases, not to be delivered again before after is over
//	Permanent(err)         rejects: the event is a dead letter
//	any other error        releases with a short delay: 100 ms for the first attempt, twice as long each time, up to 10 s
//
// ctx ends when the lease is lost, when the handler takes longer than WithHandlerTimeout, and when Consume ends and has waited long enough:
// context.Cause tells which. What the handler returns then is still sent, as somebody has to decide; a stale ack changes nothing.
// A panic isn't recovered.
type Handler func(ctx context.Context, d *Delivery) error

// RetryAfter is what a handler returns to have its event released, and not delivered again before d is over, at most 12 h. err is why; it may
// be nil.
func RetryAfter(d time.Duration, err error) error { return &retryError{after: d, err: err} }

// Permanent is what a handler returns to have its event rejected: trying again won't help. err is why; it may be nil.
func Permanent(err error) error { return &permanentError{err: err} }

type retryError struct {
	after time.Duration
	err   error
}

func (e *retryError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("retry after %v", e.after)
	}
	return e.err.Error()
}

func (e *retryError) Unwrap() error { return e.err }

type permanentError struct{ err error }

func (e *permanentError) Error() string {
	if e.err == nil {
		return "permanent"
	}
	return e.err.Error()
}

func (e *permanentError) Unwrap() error { return e.err }

// Delays of events whose handler failed.
const (
	failureDelayMin = 100 * time.Millisecond
	failureDelayMax = 10 * time.Second
)

// decide is what a handler's result means.
func decide(err error, attempt int) decision {
	if err == nil {
		return decision{verb: verbAck}
	}
	if e, ok := errors.AsType[*permanentError](err); ok {
		return decision{verb: verbReject, reason: reasonOf(e)}
	}
	if e, ok := errors.AsType[*retryError](err); ok {
		return decision{verb: verbRelease, after: min(max(e.after, 0), visibilityMax), reason: reasonOf(e)}
	}
	if errors.Is(err, errNotBegun) {
		return decision{verb: verbRelease, unstarted: true}
	}
	delay := min(failureDelayMin<<min(max(attempt-1, 0), 10), failureDelayMax)
	return decision{verb: verbRelease, after: delay, reason: reasonOf(err)}
}

// reasonOf cuts an error's text to what a reason may have.
func reasonOf(err error) string {
	reason := strings.ToValidUTF8(err.Error(), "\uFFFD")
	if len(reason) <= reasonBytesMax {
		return reason
	}
	end := reasonBytesMax
	for !utf8.RuneStart(reason[end]) {
		end--
	}
	return reason[:end]
}
