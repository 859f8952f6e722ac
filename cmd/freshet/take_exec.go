package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/client"
)

// execLease is how long leases last while commands run; they are extended three
// times as often.
const execLease = 30 * time.Second

// execute runs the command on each event, one after the other.
func (t *takeCommand) execute(ctx context.Context, call *invocation, name subscriptionName, taken leases) error {
	keeping, stop := context.WithCancel(ctx)
	var keeper sync.WaitGroup
	keeper.Go(func() { keepLeases(keeping, call, taken) })
	defer func() {
		stop()
		keeper.Wait()
	}()
	acked, released := 0, 0
	deliveries := taken.deliveries()
	for _, d := range deliveries {
		if ctx.Err() != nil {
			break // what wasn't begun is left to its lease
		}
		err := t.executeOne(ctx, call, name, d)
		settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(call.Timeout))
		if err == nil {
			acked++
			err = d.Ack(settling)
		} else {
			call.notef("%d@%d released: %v", d.Partition, d.Offset, err)
			released++
			err = d.Release(settling, 0, reasonFrom(err))
		}
		cancel()
		if err != nil {
			return err
		}
	}
	return t.executed(ctx, len(deliveries), acked, released)
}

// executed says how it went, if it didn't go well.
func (t *takeCommand) executed(ctx context.Context, all, acked, released int) error {
	switch {
	case acked == all:
		return nil
	case ctx.Err() != nil:
		return &failure{code: codePartlyDone, what: fmt.Sprintf("interrupted: acked %d of %d, released %d", acked, all, released)}
	case acked == 0:
		return &failure{code: codeCommand, what: fmt.Sprintf("the command failed on %s", events(all)), seen: []string{"released; they come again, as a further attempt"}}
	}
	return &failure{code: codePartlyDone, what: fmt.Sprintf("acked %d of %d", acked, all), seen: []string{fmt.Sprintf("the command failed on %s, released; they come again, as a further attempt", events(released))}}
}

// executeOne runs the command on one event.
func (t *takeCommand) executeOne(ctx context.Context, call *invocation, name subscriptionName, d *client.Delivery) error {
	command := exec.CommandContext(ctx, "sh", "-c", t.Exec) //nolint:gosec // it is the command that the caller asked for
	command.Stdin = bytes.NewReader(d.Event.Data)
	command.Stdout, command.Stderr = call.stdout, call.stderr
	command.Env = append(os.Environ(),
		"FRESHET_TOPIC="+name.topic, "FRESHET_SUBSCRIPTION="+name.name,
		"FRESHET_PARTITION="+strconv.FormatUint(uint64(d.Partition), 10), "FRESHET_OFFSET="+strconv.FormatUint(d.Offset, 10),
		"FRESHET_ATTEMPT="+strconv.Itoa(d.Attempt), "FRESHET_KEY="+d.Event.Key)
	// Interrupted as a terminal would do it; killed only if that doesn't help.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = goodbyeTimeout
	err := command.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err == nil || ended {
		return err
	}
	return fmt.Errorf("can't run sh: %w", err)
}

// keepLeases extends the leases of what isn't settled until the context ends.
func keepLeases(ctx context.Context, call *invocation, taken leases) {
	ticker := time.NewTicker(execLease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			lost, err := taken.extend(ctx, execLease)
			if err != nil && ctx.Err() == nil {
				call.notef("note: extending the leases: %v", err) // the next tick tries again
			}
			for _, d := range lost {
				call.notef("note: the lease of %d@%d is lost; it comes again", d.Partition, d.Offset)
			}
		}
	}
}

// reasonFrom is an error as a release's reason, at most 256 bytes of it.
func reasonFrom(err error) string {
	const longest = 256
	reason := err.Error()
	return reason[:min(len(reason), longest)]
}
