package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// failoverTimeout is how long a call is tried again and again when no node can do it, and its context allows that: some times as long as an election
// takes.
const failoverTimeout = 10 * time.Second

// anyNode is a connection for what any node can do: it calls the one that answered last, and when that doesn't answer, or says that it can't do it
// now, another.
//
// A call is made again only if nothing was done, or if doing it twice is as good as doing it once (idempotent). So every call is tried at each
// node, and then again after pauses of 10 ms to 1 s, until it is done or refused, its context ends, or failoverTimeout has passed.
type anyNode struct {
	nodes   *nodes
	purpose purpose
}

// idempotent are the calls that may be made again when the answer was lost. Those that create and delete carry a number under which the cluster remembers what
// they came to, for longer than failoverTimeout; redriving names the letters that it is about.
var idempotent = map[string]bool{
	freshetv1.AdminService_CreateTopic_FullMethodName:        true,
	freshetv1.AdminService_DeleteTopic_FullMethodName:        true,
	freshetv1.AdminService_ListTopics_FullMethodName:         true,
	freshetv1.AdminService_CreateSubscription_FullMethodName: true,
	freshetv1.AdminService_DeleteSubscription_FullMethodName: true,
	freshetv1.AdminService_ListSubscriptions_FullMethodName:  true,
	freshetv1.AdminService_ListDeadLetters_FullMethodName:    true,
	freshetv1.AdminService_RedriveDeadLetters_FullMethodName: true,
	freshetv1.AdminService_DescribeCluster_FullMethodName:    true,
	freshetv1.RouteService_Route_FullMethodName:              true,
}

// looks are the calls that change nothing.
var looks = map[string]bool{
	freshetv1.AdminService_ListTopics_FullMethodName:        true,
	freshetv1.AdminService_ListSubscriptions_FullMethodName: true,
	freshetv1.AdminService_ListDeadLetters_FullMethodName:   true,
}

// changes are the calls of whose answers one that says that nothing was done speaks for itself alone: an earlier try may have done it.
var changes = map[string]bool{
	freshetv1.AdminService_CreateTopic_FullMethodName:        true,
	freshetv1.AdminService_DeleteTopic_FullMethodName:        true,
	freshetv1.AdminService_CreateSubscription_FullMethodName: true,
	freshetv1.AdminService_DeleteSubscription_FullMethodName: true,
	freshetv1.AdminService_RedriveDeadLetters_FullMethodName: true,
}

// removesMember tells whether a call's repetition finds nothing: a fan-out's members aren't the catalog's, which remembers what a request came to.
func removesMember(request any) bool {
	r, ok := request.(*freshetv1.DeleteSubscriptionRequest)
	return ok && r.GetMember() != ""
}

// Invoke makes a call with one answer.
func (a anyNode) Invoke(ctx context.Context, method string, request, response any, options ...grpc.CallOption) error {
	var again retry
	var failing time.Time // since when
	lost := false         // an answer was
	var said *Error       // by a node that can't do it
	for tries := 1; ; tries++ {
		l, err := a.nodes.any(ctx, a.purpose)
		if err != nil {
			return err
		}
		if err = l.Invoke(ctx, method, request, response, options...); err == nil {
			a.nodes.answered(l.address)
			return nil
		}
		trouble, ok := errors.AsType[*Error](errorOf(ctx, err))
		switch {
		case !ok && said != nil && looks[method] && ctx.Err() != nil: // a node that is silent says less than one that spoke before
			return &noAnswerError{asked: "any node", ended: ctx.Err(), last: said}
		case !ok:
			return err
		case trouble.Is(ErrNotFound) && lost && removesMember(request):
			return nil // that it isn't there is our own doing
		}
		if lost && changes[method] {
			trouble = trouble.doubtful()
			err = trouble
		}
		if !elsewhere(trouble) {
			a.nodes.answered(l.address)
			return err
		}
		a.nodes.failed(l.address)
		if trouble.Code == CodeNotLeader {
			said = trouble
		}
		if trouble.OutcomeUnknown && !idempotent[method] {
			return err
		}
		if trouble.OutcomeUnknown {
			lost = true
			noteLost(options)
		}
		if failing.IsZero() {
			failing = time.Now()
		}
		if time.Since(failing) >= failoverTimeout {
			return err
		}
		if tries < a.nodes.count() {
			continue
		}
		if said != nil && looks[method] {
			trouble = said
		}
		if ended := again.pause(ctx); ended != nil {
			return &noAnswerError{asked: "any node", ended: ended, last: trouble}
		}
	}
}

// doubtful is what a change came to of which an answer was lost before: that this try did nothing says nothing of the one before. What is refused for good
// was refused to that one too.
func (e *Error) doubtful() *Error {
	if !e.Retryable || e.OutcomeUnknown {
		return e
	}
	return &Error{
		Code: CodeOutcomeUnknown, Message: "an answer was lost: it may have been done or not; since then: " + e.Message,
		Retryable: true, OutcomeUnknown: true, Metadata: e.Metadata,
	}
}

// lostAnswer is an option of a call whose caller wants to know whether an answer was lost before the one that it got.
type lostAnswer struct {
	grpc.EmptyCallOption
	lost *bool
}

func noteLost(options []grpc.CallOption) {
	for _, o := range options {
		if o, ok := o.(lostAnswer); ok {
			*o.lost = true
		}
	}
}

// elsewhere says that another node may be able to do what one couldn't.
func elsewhere(err *Error) bool {
	return err.Code == CodeUnavailable || err.Code == CodeNotLeader || err.Code == CodeOutcomeUnknown
}

// NewStream begins a call of many messages. When it breaks its caller begins another.
func (a anyNode) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	l, err := a.nodes.any(ctx, a.purpose)
	if err != nil {
		return nil, err
	}
	return l.NewStream(ctx, desc, method, options...)
}

// noAnswerError says that a context ended before a node answered.
type noAnswerError struct {
	asked       string
	ended, last error
}

func (e *noAnswerError) Error() string {
	return fmt.Sprintf("freshet: no answer from %s (%v): %v", e.asked, e.ended, e.last)
}

func (e *noAnswerError) Unwrap() []error { return []error{e.last, e.ended} }
