package client

import (
	"errors"
	"fmt"
	"strconv"

	"google.golang.org/grpc/status"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// What callers decide on. An *Error matches those that its code stands for, so errors.Is works on whatever a node answered too.
var (
	// ErrUnknownOutcome means that what was asked for may have been done or not: the answer was lost, and asking again under the same
	// sequence didn't tell either, or the caller's context ended first. For a publish: the event may be stored or may still be.
	ErrUnknownOutcome = errors.New("freshet: the outcome is unknown: it may have been done or not")
	// ErrLeaseLost means that a lease had ended before the event was settled: somebody else may have the event, and nothing was
	// changed. It is also the cause (context.Cause) of the end of a handler's context when its lease is lost.
	ErrLeaseLost = errors.New("freshet: the lease is lost: somebody else may have the event")
	// ErrHandlerTimeout is the cause of the end of a handler's context when the handler took longer than WithHandlerTimeout; its
	// event has been released.
	ErrHandlerTimeout = errors.New("freshet: the handler took too long, its event was released")
	// ErrDraining is the cause of the end of a handler's context when Consume was to end and the handler outlasted WithDrainTimeout.
	ErrDraining = errors.New("freshet: the consumer is ending")
	// ErrSettled means that the event was acked, released or rejected before, in another way than is asked for now.
	ErrSettled = errors.New("freshet: the event was settled in another way before")
	// ErrClosed means that the client, the producer or the consumer had been shut down before: nothing was done.
	ErrClosed = errors.New("freshet: closed")
	// ErrNotFound means that a topic, a subscription or a partition of that name isn't there.
	ErrNotFound = errors.New("freshet: not found")
	// ErrExists means that a topic or a subscription of that name is there already, with other settings.
	ErrExists = errors.New("freshet: exists already, with other settings")
	// ErrUnavailable means that no node can do it now. Trying again later may succeed.
	ErrUnavailable = errors.New("freshet: unavailable, try again")
)

// ErrorCode is the stable number of a mistake or a trouble. The thousands say what to do: 1 a name, 2 the input, 3 a limit, 4 somebody's
// lease or session, 5 try again, 9 tell freshet's people. docs/lookup/errors.md lists them all.
type ErrorCode int32

// The codes of proto/freshet/v1/errors.proto.
const (
	CodeTopicExists          = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_TOPIC_EXISTS)
	CodeSubscriptionExists   = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_SUBSCRIPTION_EXISTS)
	CodeTopicNotFound        = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_TOPIC_NOT_FOUND)
	CodeSubscriptionNotFound = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_SUBSCRIPTION_NOT_FOUND)
	CodePartitionNotFound    = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_PARTITION_NOT_FOUND)
	CodeNameRefused          = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_NAME_REFUSED)
	CodeArgumentRefused      = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_ARGUMENT_REFUSED)
	CodePatternRefused       = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_PATTERN_REFUSED)
	CodeEventNotJSON         = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_EVENT_NOT_JSON)
	CodeBlockCorrupt         = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_BLOCK_CORRUPT)
	CodeReceiptRefused       = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_RECEIPT_REFUSED)
	CodeUnsupported          = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_UNSUPPORTED)
	CodeLimitExceeded        = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_LIMIT_EXCEEDED)
	CodeTooMany              = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_TOO_MANY)
	CodeLogFull              = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_LOG_FULL)
	CodeBusy                 = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_BUSY)
	CodeLeaseLost            = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_LEASE_LOST)
	CodeSessionLost          = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_SESSION_LOST)
	CodeProducerExpired      = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_PRODUCER_EXPIRED)
	CodeSequenceGap          = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_SEQUENCE_GAP)
	CodeProducerFenced       = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_PRODUCER_FENCED)
	CodeRouteChanged         = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_ROUTE_CHANGED)
	CodeUnavailable          = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_UNAVAILABLE)
	CodeOutcomeUnknown       = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_OUTCOME_UNKNOWN)
	CodeNotLeader            = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_NOT_LEADER)
	CodeInternal             = ErrorCode(freshetv1.ErrorCode_ERROR_CODE_INTERNAL)
)

// String is the code as people see it: "FR1004".
func (c ErrorCode) String() string { return fmt.Sprintf("FR%04d", int32(c)) }

// Error is a refusal or a trouble, as a node answered it or as the client found it before sending. It is the one error type of this package;
// errors of contexts are wrapped beside it.
type Error struct {
	// Code is the stable number.
	Code ErrorCode
	// Message says what happened, what was seen and what to do: lower case, without the code.
	Message string
	// Retryable says that the same request may succeed later. The client has tried again already where it may.
	Retryable bool
	// OutcomeUnknown says that what was asked for may have been done all the same.
	OutcomeUnknown bool
	// Metadata is what else names the trouble: "topic", "field", "limit", "got", "closest". May be nil.
	Metadata map[string]string

	status *status.Status // as it came, if it came as one
}

// Error is the message with the code behind it.
func (e *Error) Error() string { return "freshet: " + e.Message + " (" + e.Code.String() + ")" }

// Is reports whether the code is one that the sentinel stands for.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrUnknownOutcome:
		return e.OutcomeUnknown
	case ErrLeaseLost:
		return e.Code == CodeLeaseLost || e.Code == CodeSessionLost
	case ErrNotFound:
		return e.Code == CodeTopicNotFound || e.Code == CodeSubscriptionNotFound || e.Code == CodePartitionNotFound
	case ErrExists:
		return e.Code == CodeTopicExists || e.Code == CodeSubscriptionExists
	case ErrUnavailable:
		return e.Code/1000 == 5 || e.Code == CodeBusy
	}
	return false
}

// limitError is what a node would say of a field that is over its limit.
func limitError(field string, limit, got int64, message string) *Error {
	return &Error{Code: CodeLimitExceeded, Message: message, Metadata: map[string]string{
		"field": field, "limit": strconv.FormatInt(limit, 10), "got": strconv.FormatInt(got, 10),
	}}
}

// argumentError is what a node would say of a field that can't have its value.
func argumentError(field, format string, args ...any) *Error {
	return &Error{Code: CodeArgumentRefused, Message: fmt.Sprintf(format, args...), Metadata: map[string]string{"field": field}}
}

// unknown returns an error that is err and ErrUnknownOutcome both.
func unknown(err error) error {
	if errors.Is(err, ErrUnknownOutcome) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
}
