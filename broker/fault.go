package broker

import (
	"errors"
	"fmt"
	"maps"
	"strconv"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// faultDomain marks the error details that nodes send (proto/freshet/v1/errors.proto).
const faultDomain = "freshet"

// fault is a refusal or a trouble in the form in which clients learn of it: a stable code, what happened, and what names it. As an error of a
// call it becomes a gRPC status with a google.rpc.ErrorInfo, as one request's among many on a stream a freshetv1.Error.
type fault struct {
	code freshetv1.ErrorCode
	// message says what happened, what was seen and what to do: lower case, without the code.
	message string
	// metadata names the trouble for programs: "field", "limit", "got", "topic", "closest", ...
	metadata map[string]string
}

// nature is what follows from a code.
type nature struct {
	status codes.Code
	// retryable: the same request may succeed later.
	retryable bool
	// unknown: what was asked for may have been done.
	unknown bool
}

// natures has every code of errors.proto, as it says there.
var natures = map[freshetv1.ErrorCode]nature{
	freshetv1.ErrorCode_ERROR_CODE_TOPIC_EXISTS:           {status: codes.AlreadyExists},
	freshetv1.ErrorCode_ERROR_CODE_SUBSCRIPTION_EXISTS:    {status: codes.AlreadyExists},
	freshetv1.ErrorCode_ERROR_CODE_TOPIC_NOT_FOUND:        {status: codes.NotFound},
	freshetv1.ErrorCode_ERROR_CODE_SUBSCRIPTION_NOT_FOUND: {status: codes.NotFound},
	freshetv1.ErrorCode_ERROR_CODE_PARTITION_NOT_FOUND:    {status: codes.NotFound},

	freshetv1.ErrorCode_ERROR_CODE_NAME_REFUSED:     {status: codes.InvalidArgument},
	freshetv1.ErrorCode_ERROR_CODE_ARGUMENT_REFUSED: {status: codes.InvalidArgument},
	freshetv1.ErrorCode_ERROR_CODE_PATTERN_REFUSED:  {status: codes.InvalidArgument},
	freshetv1.ErrorCode_ERROR_CODE_EVENT_NOT_JSON:   {status: codes.InvalidArgument},
	freshetv1.ErrorCode_ERROR_CODE_BLOCK_CORRUPT:    {status: codes.InvalidArgument},
	freshetv1.ErrorCode_ERROR_CODE_RECEIPT_REFUSED:  {status: codes.InvalidArgument},
	freshetv1.ErrorCode_ERROR_CODE_UNSUPPORTED:      {status: codes.Unimplemented},

	freshetv1.ErrorCode_ERROR_CODE_LIMIT_EXCEEDED: {status: codes.InvalidArgument},
	freshetv1.ErrorCode_ERROR_CODE_TOO_MANY:       {status: codes.ResourceExhausted},
	freshetv1.ErrorCode_ERROR_CODE_LOG_FULL:       {status: codes.ResourceExhausted, retryable: true},
	freshetv1.ErrorCode_ERROR_CODE_BUSY:           {status: codes.ResourceExhausted, retryable: true},

	freshetv1.ErrorCode_ERROR_CODE_LEASE_LOST:       {status: codes.FailedPrecondition},
	freshetv1.ErrorCode_ERROR_CODE_SESSION_LOST:     {status: codes.FailedPrecondition},
	freshetv1.ErrorCode_ERROR_CODE_PRODUCER_EXPIRED: {status: codes.FailedPrecondition, unknown: true},
	freshetv1.ErrorCode_ERROR_CODE_SEQUENCE_GAP:     {status: codes.FailedPrecondition},
	freshetv1.ErrorCode_ERROR_CODE_PRODUCER_FENCED:  {status: codes.FailedPrecondition},
	freshetv1.ErrorCode_ERROR_CODE_ROUTE_CHANGED:    {status: codes.FailedPrecondition, retryable: true},
	freshetv1.ErrorCode_ERROR_CODE_NOT_LEADER:       {status: codes.Unavailable, retryable: true},

	freshetv1.ErrorCode_ERROR_CODE_UNAVAILABLE:     {status: codes.Unavailable, retryable: true},
	freshetv1.ErrorCode_ERROR_CODE_OUTCOME_UNKNOWN: {status: codes.Unavailable, unknown: true},

	freshetv1.ErrorCode_ERROR_CODE_INTERNAL: {status: codes.Internal},
}

// faultf makes a fault with a message.
func faultf(code freshetv1.ErrorCode, format string, args ...any) *fault {
	return &fault{code: code, message: fmt.Sprintf(format, args...)}
}

// with returns the fault with one more thing named.
func (f *fault) with(key, value string) *fault {
	if value == "" {
		return f
	}
	if f.metadata == nil {
		f.metadata = map[string]string{}
	}
	f.metadata[key] = value
	return f
}

// Error is the message and the code, for logs.
func (f *fault) Error() string { return fmt.Sprintf("%s (%s)", f.message, reason(f.code)) }

// GRPCStatus is what grpc answers a call with that returns the fault as its error.
func (f *fault) GRPCStatus() *status.Status {
	n := natures[f.code]
	metadata := map[string]string{"retryable": strconv.FormatBool(n.retryable)}
	maps.Copy(metadata, f.metadata)
	if n.unknown {
		metadata["outcome"] = "unknown"
	}
	plain := status.New(n.status, f.message)
	detailed, err := plain.WithDetails(&errdetails.ErrorInfo{Domain: faultDomain, Reason: reason(f.code), Metadata: metadata})
	if err != nil {
		return plain // only a status of OK can't have details, and no code has that
	}
	return detailed
}

// wire is the fault as one request's answer on a stream.
func (f *fault) wire() *freshetv1.Error {
	n := natures[f.code]
	return &freshetv1.Error{
		Code: f.code, Message: f.message, Retryable: n.retryable, OutcomeUnknown: n.unknown, Metadata: f.metadata,
	}
}

// reason is the code as people see it.
func reason(code freshetv1.ErrorCode) string { return fmt.Sprintf("FR%04d", int32(code)) }

// The refusals that many requests have in common.

// argumentRefused: a field has a value that it can't have.
func argumentRefused(field, format string, args ...any) *fault {
	return faultf(freshetv1.ErrorCode_ERROR_CODE_ARGUMENT_REFUSED, "%s %s", field, fmt.Sprintf(format, args...)).with("field", field)
}

// limitExceeded: a field is larger than its limit.
func limitExceeded(field string, limit, got int64, unit string) *fault {
	return faultf(freshetv1.ErrorCode_ERROR_CODE_LIMIT_EXCEEDED, "%s is %s, at most %d", field, amount(got, unit), limit).
		with("field", field).with("limit", strconv.FormatInt(limit, 10)).with("got", strconv.FormatInt(got, 10))
}

// outside: a number isn't between its limits. The one that it is beyond is the limit.
func outside(field string, got, least, most int64) *fault {
	limit := most
	if got < least {
		limit = least
	}
	return faultf(freshetv1.ErrorCode_ERROR_CODE_LIMIT_EXCEEDED, "%s is %d; it may be %d to %d", field, got, least, most).
		with("field", field).with("limit", strconv.FormatInt(limit, 10)).with("got", strconv.FormatInt(got, 10))
}

func amount(n int64, unit string) string {
	if unit == "" {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%d %s", n, unit)
}

// isFault tells whether an error has the form in which clients learn of it.
func isFault(err error) bool {
	_, ok := errors.AsType[*fault](err)
	return ok
}
