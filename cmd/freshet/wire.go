package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/freshet-mq/freshet/client"
)

// wireFailure tells what the client found out: a node's refusal, or that there
// is no node. args is the command line, for the lines to try.
func wireFailure(err error, args []string) (*failure, bool) {
	refused, ok := errors.AsType[*client.Error](err)
	if !ok {
		return nil, false
	}
	failed := &failure{code: failureCode(refused.Code), what: refused.Message, cause: err}
	said := refused.Metadata
	switch refused.Code {
	case client.CodeTopicNotFound:
		if near := said["closest"]; near != "" {
			failed.seen = append(failed.seen, fmt.Sprintf("closest: %q", near))
			failed.try = append(failed.try, withName(args, said["topic"], near))
		}
		if name := said["topic"]; nameForm.MatchString(name) {
			failed.try = append(failed.try, "freshet topic create "+shellQuote(name))
		}
	case client.CodeSubscriptionNotFound:
		failed.explainSubscription(said, args)
	case client.CodeTopicExists:
		failed.try = append(failed.try, "freshet topic list")
	case client.CodeSubscriptionExists:
		failed.try = append(failed.try, "freshet sub list")
	case client.CodeUnavailable:
		failed.explainSilence()
	default:
	}
	if refused.Code == client.CodeOutcomeUnknown && errors.Is(err, context.DeadlineExceeded) {
		failed.what = "no answer in time"
	}
	if refused.OutcomeUnknown && refused.Code != client.CodeUnavailable {
		failed.seen = append(failed.seen, "it may have been done or not")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		failed.try = append(failed.try, "the same again with a longer --timeout")
	}
	return failed, true
}

// explainSubscription says how many subscriptions there are and which was meant.
func (f *failure) explainSubscription(said map[string]string, args []string) {
	topic, name, near := said["topic"], said["subscription"], said["closest"]
	if number := said["subscriptions"]; number != "" {
		seen := fmt.Sprintf("topic %q has %s subscriptions", topic, number)
		if number == "1" {
			seen = fmt.Sprintf("topic %q has 1 subscription", topic)
		}
		if near != "" {
			seen += fmt.Sprintf("; closest: %q", near)
		}
		f.seen = append(f.seen, seen)
	}
	if near != "" {
		f.try = append(f.try, withName(args, name, near))
	}
	if nameForm.MatchString(topic) && nameForm.MatchString(name) {
		f.try = append(f.try, fmt.Sprintf("freshet sub create %s %s", shellQuote(topic), shellQuote(name)))
	}
}

// withName is the command line with one name put right, wherever it stands:
// alone, or as a part of TOPIC/NAME.
func withName(args []string, wrong, right string) string {
	for _, arg := range args {
		topic, name, slash := strings.Cut(arg, "/")
		switch {
		case arg == wrong:
			return corrected(args, arg, right)
		case slash && topic == wrong:
			return corrected(args, arg, right+"/"+name)
		case slash && name == wrong:
			return corrected(args, arg, topic+"/"+right)
		}
	}
	return "freshet sub list"
}

// explainSilence says why there is no answer, in place of grpc-go's long account.
func (f *failure) explainSilence() {
	reason, ok := strings.CutPrefix(f.what, "no node answers: ")
	if !ok {
		return // a node has answered, and says so itself
	}
	f.what = "no node answers"
	if found := dialError.FindStringSubmatch(reason); found != nil {
		reason = found[1]
	}
	f.seen = append(f.seen, reason)
	f.try = append(f.try, "freshet dev")
}

// dialError finds the reason in grpc-go's account of a connection attempt:
// connection error: desc = "transport: Error while dialing: dial tcp ADDRESS: connect: REASON".
var dialError = regexp.MustCompile(`dialing: (?:dial tcp )?(.*?)"?$`)

// answeredError makes what the client would make of a status that a node
// answered, for the one command that speaks to it directly.
func answeredError(err error) error {
	answered, ok := status.FromError(err)
	if !ok {
		return err
	}
	made := &client.Error{Code: client.CodeInternal, Message: answered.Message()}
	if answered.Code() == codes.Unavailable {
		made.Code, made.Message = client.CodeUnavailable, "no node answers: "+answered.Message()
	}
	for _, detail := range answered.Details() {
		info, ok := detail.(*errdetails.ErrorInfo)
		if !ok || info.GetDomain() != "freshet" {
			continue
		}
		if number, err := strconv.ParseInt(strings.TrimPrefix(info.GetReason(), "FR"), 10, 32); err == nil {
			made.Code, made.Message, made.Metadata = client.ErrorCode(number), answered.Message(), info.GetMetadata()
		}
	}
	return made
}
