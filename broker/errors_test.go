package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestNaturesAreTheProtos compares what codes become on the wire with what errors.proto promises of each.
func TestNaturesAreTheProtos(t *testing.T) {
	raw, err := os.ReadFile("../proto/freshet/v1/errors.proto")
	if err != nil {
		t.Fatal(err)
	}
	promise := regexp.MustCompile(`(?s)gRPC: ([A-Z_]+)([^\n]*?)\.\n(?:  //[^\n]*\n)*  ERROR_CODE_[A-Z_]+ = (\d+);`)
	seen := 0
	for _, m := range promise.FindAllStringSubmatch(strings.ReplaceAll(string(raw), "\n  // gRPC:", " gRPC:"), -1) {
		var number int32
		if _, err := fmt.Sscan(m[3], &number); err != nil {
			t.Fatal(err)
		}
		seen++
		f := faultf(freshetv1.ErrorCode(number), "x")
		var want codes.Code
		if err := want.UnmarshalJSON([]byte(`"` + m[1] + `"`)); err != nil {
			t.Fatal(err)
		}
		if got := f.GRPCStatus().Code(); got != want {
			t.Errorf("%s is %v on the wire, errors.proto says %v", reason(f.code), got, want)
		}
		wire := f.wire()
		if wire.GetRetryable() != strings.Contains(m[2], "retryable") {
			t.Errorf("%s says retryable %t, errors.proto %q", reason(f.code), wire.GetRetryable(), m[2])
		}
		if wire.GetOutcomeUnknown() != strings.Contains(m[2], "outcome unknown") {
			t.Errorf("%s says outcome unknown %t, errors.proto %q", reason(f.code), wire.GetOutcomeUnknown(), m[2])
		}
	}
	if want := len(freshetv1.ErrorCode_name) - 1; seen != want || len(natures) != want {
		t.Errorf("found %d promises and %d natures for %d codes", seen, len(natures), want)
	}
}

// nobody has no names.
type nobody struct{}

func (nobody) topicName(partition.StreamID) string  { return "orders" }
func (nobody) cursorName(partition.CursorID) string { return "orders/billing" }

func TestWhatErrorsBecome(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{partition.ErrSuperseded, "FR4002"},
		{fmt.Errorf("x: %w", partition.ErrUnavailable), "FR5001"},
		{errors.Join(partition.ErrUnavailable, context.Canceled), "FR5001"},
		{errors.Join(partition.ErrOutcomeUnknown, context.DeadlineExceeded), "FR5002"},
		{errors.Join(partition.ErrBusy, context.DeadlineExceeded), "FR3004"},
		{&partition.RefusedError{Refusal: partition.RefusedSequence, Sequence: 7}, "FR4004"},
		{&partition.RefusedError{Refusal: partition.RefusedExpired}, "FR4003"},
		{&partition.RefusedError{Refusal: partition.RefusedFenced}, "FR4005"},
		{&partition.RefusedError{Refusal: partition.RefusedSession}, "FR4002"},
		{&partition.RefusedError{Refusal: partition.RefusedStream}, "FR5001"},
		{&partition.RefusedError{Refusal: partition.RefusedSubscription}, "FR5001"},
		{&partition.RefusedError{Refusal: partition.RefusedSetVersion}, "FR5001"},
		{&partition.RefusedError{Refusal: partition.RefusedMember}, "FR2002"},
		{&partition.RefusedError{Refusal: partition.RefusedTooMany}, "FR3002"},
		{&partition.RefusedError{Refusal: partition.RefusedBlock}, "FR2005"},
		{&partition.RefusedError{Refusal: partition.RefusedSettleOrder}, "FR2002"},
		{&partition.LogFullError{Bytes: 9, Limit: 9, Held: true, Offset: 3}, "FR3003"},
		{&partition.LogFullError{Bytes: 9, Limit: 9}, "FR3003"},
		{errStopping, "FR5001"},
		{errors.Join(errStopping, nil), "FR5001"},
		{errors.New("a disk said something"), "FR9001"},
		{io.ErrUnexpectedEOF, "FR9001"},
		{context.Canceled, "Canceled"},
		{context.DeadlineExceeded, "DeadlineExceeded"},
		{status.Error(codes.ResourceExhausted, "message too large"), "ResourceExhausted"},
	} {
		got := showError(callError(c.err, nobody{}))
		if !strings.HasPrefix(got, c.want+" ") && !strings.HasPrefix(got, c.want+":") {
			t.Errorf("%v became %s, want %s", c.err, got, c.want)
		}
		if strings.Contains(got, "disk") {
			t.Errorf("a stranger is told %q", got)
		}
	}
	full := showError(callError(&partition.LogFullError{Bytes: 90, Limit: 90, Held: true, Offset: 3}, nobody{}))
	if want := `at offset 3, waits for subscription "orders/billing"`; !strings.Contains(full, want) {
		t.Errorf("%q doesn't name who holds the log", full)
	}
}
