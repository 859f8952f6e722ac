package broker

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// action is what somebody wants to do with a resource.
type action uint8

// The actions. Each command of the API needs exactly one.
const (
	actionPublish  action = iota + 1 // store events of a topic
	actionConsume                    // lease and settle events of a subscription
	actionRead                       // read a topic's events, or a subscription's dead letters, without leasing them
	actionManage                     // make topics and subscriptions
	actionDescribe                   // see what there is
)

var actionNames = [...]string{"", "publish", "consume", "read", "manage", "describe"}

func (a action) String() string { return actionNames[a] }

// resource is what it is done with, by the names that requests were resolved to, never by those that they gave: "*" for a list of all.
type resource struct {
	// topic is empty for the cluster itself.
	topic string
	// subscription is empty for the topic itself.
	subscription string
}

func (r resource) String() string {
	switch {
	case r.topic == "":
		return "cluster"
	case r.subscription == "":
		return fmt.Sprintf("topic %q", r.topic)
	}
	return fmt.Sprintf("subscription %q", r.topic+"/"+r.subscription)
}

// authorise decides whether a principal may do something: the one place that every command of every service passes. It returns nil or the
// error that the call ends with: PERMISSION_DENIED or UNAUTHENTICATED.
type authorise func(ctx context.Context, p principal, a action, r resource) error

// denied tells whether an error is authorise's no.
func denied(err error) bool {
	code := status.Code(err)
	return code == codes.PermissionDenied || code == codes.Unauthenticated
}

// openToAll lets everybody do everything. The rule that comes in its place allows what it lists and denies the rest.
func openToAll(context.Context, principal, action, resource) error { return nil }
