package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// wireDomain marks the error details that freshet's nodes send (errors.proto).
const wireDomain = "freshet"

// wireFailure reads what a node answered. A gRPC error that carries no details
// of ours never reached a node, or came from something that isn't one.
func wireFailure(err error) (*failure, bool) {
	answered, ok := status.FromError(err)
	if !ok || answered.Code() == codes.OK {
		return nil, false
	}
	for _, detail := range answered.Details() {
		info, ok := detail.(*errdetails.ErrorInfo)
		if !ok || info.GetDomain() != wireDomain {
			continue
		}
		number, err := strconv.ParseInt(strings.TrimPrefix(info.GetReason(), "FR"), 10, 32)
		if err != nil {
			break
		}
		return codedFailure(failureCode(number), answered.Message(), info.GetMetadata()), true
	}
	return plainStatus(answered), true
}

// codedFailure is a node's refusal, with its metadata told where it helps.
func codedFailure(code failureCode, message string, metadata map[string]string) *failure {
	failed := &failure{code: code, what: strings.TrimSuffix(message, " ("+code.String()+")")}
	if near := metadata["closest"]; near != "" {
		failed.seen = append(failed.seen, fmt.Sprintf("closest: %q", near))
	}
	if metadata["outcome"] == "unknown" {
		failed.seen = append(failed.seen, "it may have been done or not")
	}
	return failed
}

// plainStatus is a gRPC error without details of ours.
func plainStatus(answered *status.Status) *failure {
	switch answered.Code() {
	case codes.Unavailable:
		return &failure{code: codeUnavailable, what: "no node answers", seen: []string{dialReason(answered.Message())}}
	case codes.DeadlineExceeded:
		return &failure{code: codeUnknown, what: "no answer in time", try: []string{"the same again with a longer --timeout"}}
	case codes.Canceled:
		return &failure{code: codeUnknown, what: "interrupted before it was done"}
	case codes.Unimplemented:
		return &failure{code: codeUnsupported, what: "the node doesn't know this request: " + answered.Message()}
	default:
		return &failure{code: codeInternal, what: fmt.Sprintf("the node answered %s: %s", answered.Code(), answered.Message())}
	}
}

// dialError finds the reason in grpc-go's account of a connection attempt:
// connection error: desc = "transport: Error while dialing: dial tcp ADDRESS: connect: REASON".
var dialError = regexp.MustCompile(`dialing: (?:dial tcp )?(.*?)"?$`)

func dialReason(message string) string {
	if found := dialError.FindStringSubmatch(message); found != nil {
		return found[1]
	}
	return message
}
