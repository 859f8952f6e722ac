package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/client"
)

const (
	// goodbyeTimeout bounds how long a command waits for its connections to end,
	// and what it has sent to be answered.
	goodbyeTimeout = 5 * time.Second
	// goodbyeAfterFailure bounds the same when the command has failed: what was
	// waited for isn't waited for once more.
	goodbyeAfterFailure = 200 * time.Millisecond
)

// withClient connects, does something, and ends the connections whatever came
// of it.
func (c *invocation) withClient(ctx context.Context, do func(*client.Client) error) (err error) {
	connected, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer func() {
		patience := goodbyeTimeout
		if err != nil {
			patience = goodbyeAfterFailure
		}
		goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		if ended := connected.Shutdown(goodbye); err == nil {
			err = ended // else what went wrong before says more
		}
	}()
	return do(connected)
}

// connect reaches the node. The client would wait for one that is starting; a
// person wants to know at once that nobody is there, so the port is tried first.
func (c *invocation) connect(ctx context.Context) (*client.Client, error) {
	if _, err := c.probe(ctx); err != nil {
		return nil, err
	}
	bounded, cancel := c.within(ctx)
	defer cancel()
	connected, err := client.Connect(bounded, c.Server)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return nil, c.silent(err)
	}
	return connected, err
}

// silent says that something listens there and doesn't answer as a node does.
func (c *invocation) silent(err error) *failure {
	failed := &failure{
		code: codeUnavailable, what: fmt.Sprintf("something listens at %s, and no node has answered within %s", c.Server, c.Timeout),
		try: []string{"the same again with a longer --timeout"}, cause: err,
	}
	if last, ok := errors.AsType[*client.Error](err); ok && last.Code == client.CodeUnavailable {
		failed.seen = []string{strings.TrimPrefix(last.Message, "no node answers: ")}
	}
	return failed
}

// probe looks where somebody listens: with several addresses it returns the first of
// those.
func (c *invocation) probe(ctx context.Context) (address string, err error) {
	bounded, cancel := c.within(ctx)
	defer cancel()
	var last error
	for address := range strings.SplitSeq(c.Server, ",") {
		address = strings.TrimSpace(address)
		if _, _, err := net.SplitHostPort(address); err != nil {
			return "", usageFailure(fmt.Sprintf("--server wants HOST:PORT, or several with commas between, got %q", c.Server))
		}
		probe, err := new(net.Dialer).DialContext(bounded, "tcp", address)
		switch {
		case err == nil:
			return address, probe.Close()
		case ctx.Err() != nil:
			return "", ctx.Err()
		}
		last = err
	}
	return "", &failure{
		code: codeUnavailable, what: "no node answers at " + c.Server,
		seen: []string{reasonOf(last) + "; a node elsewhere is named with --server HOST:PORT, or FRESHET_SERVER"},
		try:  []string{"freshet dev"}, cause: last,
	}
}
