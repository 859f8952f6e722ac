package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestErrorsTravel: an *Error that goes over the wire as a status comes out as it was.
func TestErrorsTravel(t *testing.T) {
	for number := range freshetv1.ErrorCode_name {
		if number == 0 {
			continue
		}
		sent := &Error{
			Code: ErrorCode(number), Message: "what happened", Retryable: number%2 == 0, OutcomeUnknown: number%3 == 0,
			Metadata: map[string]string{"field": "key", "limit": "256"},
		}
		s := sent.GRPCStatus()
		if s.Code() == codes.Unknown || s.Code() == codes.OK {
			t.Errorf("%v is a plain %v", sent.Code, s.Code())
		}
		got, ok := errors.AsType[*Error](errorOf(t.Context(), s.Err()))
		if !ok {
			t.Fatalf("%v isn't an *Error any more", sent.Code)
		}
		got.status = nil
		if fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", *sent) {
			t.Errorf("sent %+v, got %+v", *sent, *got)
		}
	}
}

func TestErrorText(t *testing.T) {
	err := &Error{Code: CodeSubscriptionNotFound, Message: `subscription "orders/biling" not found`}
	if got, want := err.Error(), `freshet: subscription "orders/biling" not found (FR1004)`; got != want {
		t.Errorf("%s", got)
	}
}

func TestErrorIs(t *testing.T) {
	for _, c := range []struct {
		err  error
		want []error
	}{
		{&Error{Code: CodeTopicNotFound}, []error{ErrNotFound}},
		{&Error{Code: CodeSubscriptionExists}, []error{ErrExists}},
		{&Error{Code: CodeLeaseLost}, []error{ErrLeaseLost}},
		{&Error{Code: CodeSessionLost}, []error{ErrLeaseLost}},
		{&Error{Code: CodeBusy, Retryable: true}, []error{ErrUnavailable}},
		{&Error{Code: CodeOutcomeUnknown, OutcomeUnknown: true}, []error{ErrUnavailable, ErrUnknownOutcome}},
		{unknown(&Error{Code: CodeLimitExceeded}), []error{ErrUnknownOutcome}},
		{unknown(unknown(ErrClosed)), []error{ErrUnknownOutcome, ErrClosed}},
		{&Error{Code: CodeLimitExceeded}, nil},
	} {
		for _, sentinel := range []error{ErrUnknownOutcome, ErrLeaseLost, ErrNotFound, ErrExists, ErrUnavailable, ErrClosed} {
			if want := slices.Contains(c.want, sentinel); errors.Is(c.err, sentinel) != want {
				t.Errorf("%v is %v: %v", c.err, sentinel, !want)
			}
		}
	}
}

// TestStrangeStatuses: what no node of freshet says.
func TestStrangeStatuses(t *testing.T) {
	for code, want := range map[codes.Code]Error{
		codes.Unavailable:       {Code: CodeUnavailable, Retryable: true, OutcomeUnknown: true},
		codes.DeadlineExceeded:  {Code: CodeOutcomeUnknown, Retryable: true, OutcomeUnknown: true},
		codes.ResourceExhausted: {Code: CodeBusy, Retryable: true},
		codes.Unimplemented:     {Code: CodeUnsupported},
		codes.Unauthenticated:   {Code: CodeArgumentRefused},
		codes.Internal:          {Code: CodeInternal, OutcomeUnknown: true},
	} {
		got, ok := errors.AsType[*Error](errorOf(t.Context(), status.Error(code, "x")))
		if !ok || got.Code != want.Code || got.Retryable != want.Retryable || got.OutcomeUnknown != want.OutcomeUnknown {
			t.Errorf("%v: %+v", code, got)
		}
	}
	if err := errorOf(t.Context(), io.EOF); !errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("EOF: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := errorOf(ctx, status.Error(codes.Internal, "x")); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ended: %v", err)
	}
}
