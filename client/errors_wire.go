package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// wireDomain marks the error details that are freshet's (errors.proto).
const wireDomain = "freshet"

// GRPCStatus is the error as a gRPC status, with the details that a node sends: for programs that hand it on.
func (e *Error) GRPCStatus() *status.Status {
	if e.status != nil {
		return e.status
	}
	metadata := map[string]string{}
	maps.Copy(metadata, e.Metadata)
	metadata["retryable"] = strconv.FormatBool(e.Retryable)
	if e.OutcomeUnknown {
		metadata["outcome"] = "unknown"
	}
	s := status.New(e.grpcCode(), e.Message)
	detailed, err := s.WithDetails(&errdetails.ErrorInfo{Domain: wireDomain, Reason: e.Code.String(), Metadata: metadata})
	if err != nil {
		return s // text that isn't UTF-8 can't be packed; the code and the message still say it
	}
	return detailed
}

// grpcCode is the gRPC code that errors.proto gives each of ours.
func (e *Error) grpcCode() codes.Code {
	switch e.Code {
	case CodeTopicExists, CodeSubscriptionExists:
		return codes.AlreadyExists
	case CodeTopicNotFound, CodeSubscriptionNotFound, CodePartitionNotFound:
		return codes.NotFound
	case CodeUnsupported:
		return codes.Unimplemented
	case CodeTooMany, CodeLogFull, CodeBusy:
		return codes.ResourceExhausted
	default:
	}
	switch int(e.Code) / 1000 {
	case 2, 3:
		return codes.InvalidArgument
	case 4:
		return codes.FailedPrecondition
	case 5:
		return codes.Unavailable
	}
	return codes.Internal
}

// errorOf makes what the package returns of what gRPC returned: an *Error, or the caller's context error.
func errorOf(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if unanswered, ok := errors.AsType[*noAnswerError](err); ok {
		return unanswered
	}
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("freshet: %w", ended)
	}
	if already, ok := errors.AsType[*Error](err); ok {
		return already
	}
	if errors.Is(err, io.EOF) { // a stream that the other side ended without a word
		return &Error{Code: CodeOutcomeUnknown, Message: "the node ended the connection", Retryable: true, OutcomeUnknown: true}
	}
	if errors.Is(err, ErrClosed) || errors.Is(err, grpc.ErrClientConnClosing) { //nolint:staticcheck // there is no other way to tell Shutdown's end from the node's
		return ErrClosed
	}
	return errorOfStatus(status.Convert(err))
}

func errorOfStatus(s *status.Status) *Error {
	for _, detail := range s.Details() {
		info, ok := detail.(*errdetails.ErrorInfo)
		if !ok || info.GetDomain() != wireDomain {
			continue
		}
		number, err := strconv.ParseInt(strings.TrimPrefix(info.GetReason(), "FR"), 10, 32)
		if err != nil {
			break
		}
		return errorOfInfo(ErrorCode(number), s, info.GetMetadata())
	}
	return errorOfPlainStatus(s)
}

func errorOfInfo(code ErrorCode, s *status.Status, metadata map[string]string) *Error {
	e := &Error{
		Code: code, Message: s.Message(), status: s,
		Retryable: metadata["retryable"] == "true", OutcomeUnknown: metadata["outcome"] == "unknown",
	}
	for name, value := range metadata {
		if name == "retryable" || name == "outcome" {
			continue
		}
		if e.Metadata == nil {
			e.Metadata = map[string]string{}
		}
		e.Metadata[name] = value
	}
	return e
}

// errorOfPlainStatus is for a status that no node of freshet made: the connection failed, or something else answers there.
func errorOfPlainStatus(s *status.Status) *Error {
	e := &Error{Message: s.Message(), status: s}
	switch s.Code() {
	case codes.Unavailable:
		// gRPC doesn't tell whether the request was on its way when the connection broke.
		e.Code, e.Retryable, e.OutcomeUnknown = CodeUnavailable, true, true
		e.Message = "no node answers: " + s.Message()
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted:
		e.Code, e.Retryable, e.OutcomeUnknown = CodeOutcomeUnknown, true, true
	case codes.ResourceExhausted:
		e.Code, e.Retryable = CodeBusy, true
	case codes.Unimplemented:
		e.Code, e.Message = CodeUnsupported, "the node doesn't know this request: "+s.Message()
	case codes.InvalidArgument, codes.OutOfRange, codes.PermissionDenied, codes.Unauthenticated:
		e.Code, e.Message = CodeArgumentRefused, fmt.Sprintf("the node answered %s: %s", s.Code(), s.Message())
	default:
		e.Code, e.OutcomeUnknown = CodeInternal, true
		e.Message = fmt.Sprintf("the node answered %s: %s", s.Code(), s.Message())
	}
	return e
}

// errorOfProto is for a refusal inside a stream.
func errorOfProto(e *freshetv1.Error) *Error {
	return &Error{
		Code: ErrorCode(e.GetCode()), Message: e.GetMessage(), Retryable: e.GetRetryable(),
		OutcomeUnknown: e.GetOutcomeUnknown(), Metadata: e.GetMetadata(),
	}
}

// definite says that trying again can't help: the node took the request and said no.
func definite(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && !e.Retryable && !e.OutcomeUnknown
}
