package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// listenOn listens on a TCP address. A port that is taken is refused with the
// name of the process that has it, where the system tells.
func listenOn(ctx context.Context, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err == nil {
		return listener, nil
	}
	return nil, portFailure(address, err)
}

// portFailure says why an address can't be listened on, and who is in the way.
func portFailure(address string, err error) *failure {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return &failure{code: codePortTaken, what: fmt.Sprintf("can't listen on %s: %s", address, reasonOf(err)), cause: err}
	}
	refused := &failure{code: codePortTaken, what: fmt.Sprintf("%s is taken", address), cause: err}
	if _, port, splitErr := net.SplitHostPort(address); splitErr == nil {
		if holder := portHolder(port); holder != "" {
			refused.what += " by " + holder
		} else {
			refused.seen = append(refused.seen, "by which process couldn't be found out: perhaps it is another user's")
		}
	}
	return refused
}

// reasonOf is the last part of a network error: what the system said.
func reasonOf(err error) string {
	if system, ok := errors.AsType[syscall.Errno](err); ok {
		return system.Error()
	}
	if operation, ok := errors.AsType[*net.OpError](err); ok {
		return operation.Err.Error()
	}
	return err.Error()
}

// port is a TCP port, 0 to 65535.
type port uint16

// UnmarshalText reads "7600".
func (p *port) UnmarshalText(text []byte) error {
	parsed, err := strconv.ParseUint(string(text), 10, 16)
	if err != nil {
		return fmt.Errorf("wants a port from 0 to 65535, got %q", text)
	}
	*p = port(parsed)
	return nil
}
