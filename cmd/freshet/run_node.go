package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/broker"
	"github.com/freshet-mq/freshet/partition"
)

// shutdownTimeout is how long a node may take over its goodbye before the
// process ends all the same: what isn't on disk by then was never acked.
const shutdownTimeout = 20 * time.Second

// failureTimeout is how long a node that can't go on may take over its goodbye:
// it can't write any more, and whoever waits for a disk may wait for good.
const failureTimeout = 3 * time.Second

// runNode runs a node until the context ends or the node does by itself.
// started is called once it serves.
func runNode(ctx context.Context, options broker.Options, started func(*broker.Node)) (err error) {
	options.Version = builtFrom().Version
	node, err := startNode(ctx, options)
	if unable, ok := errors.AsType[*failure](err); ok {
		return unable
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil // it was told to stop before it had started
	case err != nil:
		return &failure{code: codeFile, what: "the node can't start", seen: strings.Split(err.Error(), "\n"), cause: err}
	}
	started(node)
	select {
	case <-ctx.Done():
	case <-node.Done():
	}
	if why := node.Err(); why != nil {
		return cantGoOn(ctx, node, why)
	}
	// The context has ended, and that is why: the goodbye has its own bound.
	goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err = node.Shutdown(goodbye)
	switch why := node.Err(); {
	case why != nil: // on its way
		return cantGoOn(ctx, node, why)
	case err != nil:
		return fmt.Errorf("the node didn't stop in order: %w", err)
	}
	return nil
}

// startNode starts a node. It returns also when the start never does, since it
// waits for a disk that has failed: then with a *failure.
func startNode(ctx context.Context, options broker.Options) (*broker.Node, error) {
	type outcome struct {
		node *broker.Node
		err  error
	}
	failed, begun := make(chan error, 1), make(chan outcome, 1)
	options.Fatal = func(why error) { failed <- why } // it is called once
	go func() {
		node, err := broker.Start(ctx, options)
		begun <- outcome{node, err}
	}()
	var why error
	select {
	case o := <-begun:
		return o.node, o.err
	case why = <-failed:
	}
	select {
	case o := <-begun: // it says the same, or the node is there and says so
		return o.node, o.err
	case <-time.After(failureTimeout):
		return nil, endedBy(why)
	}
}

// cantGoOn ends a node that has failed, and says why. It returns although a part
// of the node may never do: the process's end ends it.
func cantGoOn(ctx context.Context, node *broker.Node, why error) error {
	goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), failureTimeout)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = node.Shutdown(goodbye) // what fails now follows from why
	}()
	select {
	case <-ended:
	case <-goodbye.Done():
	}
	return endedBy(why)
}

// endedBy is what a node's end says to people.
func endedBy(why error) *failure {
	f := &failure{code: codeNodeEnded, what: "the node can't go on", seen: strings.Split(why.Error(), "\n"), cause: why}
	if errors.Is(why, partition.ErrDiffers) {
		f.code, f.what = codeDiffers, "the node stops, since its state is not what its leader's was"
		f.try = []string{"docs/run/three-nodes.md has what to do next: a node that differs"}
	}
	return f
}

// newLogger writes a node's log to standard error.
func newLogger(call *invocation, level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: logLevel(level)}
	if format == "json" || format == "auto" && !call.logTerminal {
		return slog.New(slog.NewJSONHandler(call.stderr, options))
	}
	return slog.New(slog.NewTextHandler(call.stderr, options))
}

func logLevel(name string) slog.Level {
	var level slog.Level
	if level.UnmarshalText([]byte(name)) != nil {
		return slog.LevelInfo // config has checked it
	}
	return level
}
