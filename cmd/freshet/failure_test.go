package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/freshet-mq/freshet/client"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestFailureText holds the form that the documents promise.
func TestFailureText(t *testing.T) {
	failed := &failure{
		code: failureCode(freshetv1.ErrorCode_ERROR_CODE_SUBSCRIPTION_NOT_FOUND),
		what: `subscription "orders/biling" not found`,
		seen: []string{`topic "orders" has 3 subscriptions; closest: "billing"`},
		try:  []string{`freshet sub create orders biling --pattern '{...}'`},
	}
	want := `freshet: subscription "orders/biling" not found (FR1004)
  topic "orders" has 3 subscriptions; closest: "billing"
  try: freshet sub create orders biling --pattern '{...}'
`
	if got := failed.text(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := failureOf(fmt.Errorf("wrapped: %w", failed), nil); got != failed {
		t.Errorf("a wrapped failure comes back as %v", got)
	}
}

// TestEveryCodeHasItsExit goes through the codes of the wire: a new one has to
// be given a thought here.
func TestEveryCodeHasItsExit(t *testing.T) {
	want := map[int32]exitCode{
		1001: exitConflict, 1002: exitConflict, 1003: exitNotFound, 1004: exitNotFound, 1005: exitNotFound,
		2001: exitUsage, 2002: exitUsage, 2003: exitFailed, 2004: exitFailed, 2005: exitFailed, 2006: exitFailed, 2007: exitUsage,
		3001: exitFailed, 3002: exitFailed, 3003: exitUnavailable, 3004: exitUnavailable,
		4001: exitConflict, 4002: exitConflict, 4003: exitConflict, 4004: exitConflict, 4005: exitConflict, 4006: exitUnavailable,
		5001: exitUnavailable, 5002: exitUnavailable, 5003: exitUnavailable,
		9001: exitFailed,
	}
	for number, name := range freshetv1.ErrorCode_name {
		if number == 0 {
			continue
		}
		exit, ok := want[number]
		if !ok {
			t.Errorf("%s (%s) has no exit code that somebody thought about", failureCode(number), name)
		} else if got := exitOf(failureCode(number)); got != exit {
			t.Errorf("%s (%s) ends with %v, want %v", failureCode(number), name, got, exit)
		}
	}
}

func TestWireFailure(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		args []string
		want string
		exit exitCode
	}{
		{
			"a subscription", &client.Error{
				Code: client.CodeSubscriptionNotFound, Message: `subscription "orders/biling" not found`,
				Metadata: map[string]string{"topic": "orders", "subscription": "biling", "subscriptions": "3", "closest": "billing"},
			}, []string{"take", "orders/biling", "--ack"},
			`freshet: subscription "orders/biling" not found (FR1004)
  topic "orders" has 3 subscriptions; closest: "billing"
  try: freshet take orders/billing --ack
  try: freshet sub create orders biling
`, exitNotFound,
		},
		{
			"a topic", &client.Error{
				Code: client.CodeTopicNotFound, Message: `topic "ordres" not found`,
				Metadata: map[string]string{"topic": "ordres", "closest": "orders"},
			}, []string{"take", "ordres/billing"},
			`freshet: topic "ordres" not found (FR1003)
  closest: "orders"
  try: freshet take orders/billing
  try: freshet topic create ordres
`, exitNotFound,
		},
		{
			"nobody", &client.Error{
				Code: client.CodeUnavailable, OutcomeUnknown: true,
				Message: `no node answers: connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused"`,
			}, nil,
			`freshet: no node answers (FR5001)
  127.0.0.1:1: connect: connection refused
  try: freshet dev
`, exitUnavailable,
		},
		{
			"unknown", &client.Error{Code: client.CodeOutcomeUnknown, Message: "the answer was lost", OutcomeUnknown: true}, nil,
			"freshet: the answer was lost (FR5002)\n  it may have been done or not\n", exitUnavailable,
		},
		{"canceled", context.Canceled, nil, "freshet: interrupted before it was done (FR5002)\n", exitUnavailable},
		{"anything", errors.New("odd"), nil, "freshet: odd (FR9001)\n", exitFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			failed := failureOf(c.err, c.args)
			if got := failed.text(); got != c.want || failed.exit() != c.exit {
				t.Errorf("got %sexit %v, want %sexit %v", got, failed.exit(), c.want, c.exit)
			}
		})
	}
}
