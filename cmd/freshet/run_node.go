package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/broker"
)

// shutdownTimeout is how long a node may take over its goodbye before the
// process ends all the same: what isn't on disk by then was never acked.
const shutdownTimeout = 20 * time.Second

// runNode runs a node until the context ends or the node does by itself.
// started is called once it serves.
func runNode(ctx context.Context, options broker.Options, started func(*broker.Node)) (err error) {
	options.Version = builtFrom().Version
	node, err := broker.Start(ctx, options)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil // it was told to stop before it had started
	case err != nil:
		return &failure{code: codeFile, what: "the node can't start", seen: strings.Split(err.Error(), "\n"), cause: err}
	}
	defer func() {
		// The context has ended, and that is why: the goodbye has its own bound.
		goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if stopErr := node.Shutdown(goodbye); stopErr != nil {
			err = errors.Join(err, fmt.Errorf("the node didn't stop in order: %w", stopErr))
		}
	}()
	started(node)
	select {
	case <-ctx.Done():
		return nil
	case <-node.Done():
		return node.Err()
	}
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
