package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
)

// inheritance is `serve --inherit api=3,peer=4,admin=5`: a node as a child of
// dev, demo or bench (package bench/cluster). It serves on listeners that its
// parent has left open for it, by descriptor, in place of its configuration's
// addresses, and on no other; so no port is ever chosen twice. It says that it
// serves with one line of JSON on standard output, and stops in order when its
// standard input ends: then its parent is gone, or wants it to.
//
// The flag is hidden, since no person needs it.
type inheritance struct {
	descriptors map[string]uintptr // by listener: api, peer, admin
}

// inheritable are the listeners that a node may be handed.
var inheritable = []string{"api", "peer", "admin"}

// UnmarshalText reads "api=3,admin=4".
func (i *inheritance) UnmarshalText(text []byte) error {
	i.descriptors = map[string]uintptr{}
	for part := range strings.SplitSeq(string(text), ",") {
		name, number, _ := strings.Cut(part, "=")
		descriptor, err := strconv.ParseUint(number, 10, 31)
		known := false
		for _, one := range inheritable {
			known = known || one == name
		}
		if !known || err != nil || descriptor < 3 {
			return fmt.Errorf("wants such as api=3,admin=4: listeners (%s) and descriptors from 3 on, got %q", strings.Join(inheritable, ", "), text)
		}
		i.descriptors[name] = uintptr(descriptor)
	}
	if _, ok := i.descriptors["api"]; !ok {
		return fmt.Errorf("wants api at least, got %q", text)
	}
	return nil
}

// given says whether there is anything to inherit.
func (i *inheritance) given() bool { return len(i.descriptors) > 0 }

// listen takes the listeners over.
func (i *inheritance) listen() (listeners, error) {
	var taken listeners
	for _, one := range []struct {
		name string
		to   *net.Listener
	}{{"api", &taken.api}, {"peer", &taken.peer}, {"admin", &taken.admin}} {
		descriptor, ok := i.descriptors[one.name]
		if !ok {
			continue
		}
		listener, err := inheritedListener(one.name, descriptor)
		if err != nil {
			return listeners{}, errors.Join(err, taken.close())
		}
		*one.to = listener
	}
	return taken, nil
}

// inheritedListener is a listener that the parent process left open for us.
func inheritedListener(name string, descriptor uintptr) (net.Listener, error) {
	file := os.NewFile(descriptor, fmt.Sprintf("descriptor %d", descriptor))
	if file == nil {
		return nil, usageFailure(fmt.Sprintf("--inherit %s=%d is no descriptor", name, descriptor))
	}
	listener, err := net.FileListener(file)
	// FileListener works on a copy.
	if closeErr := file.Close(); err == nil && closeErr != nil {
		err = errors.Join(closeErr, listener.Close())
	}
	if err != nil {
		return nil, usageFailure(fmt.Sprintf("--inherit %s=%d is no listener: %s", name, descriptor, reasonOf(err)))
	}
	return listener, nil
}

// untilOrphaned is ctx that ends with standard input, too.
func untilOrphaned(ctx context.Context, stdin io.Reader) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	// It isn't joined: a read of standard input can't be interrupted, and the process
	// ends with this command.
	go func() {
		_, _ = io.Copy(io.Discard, stdin) // whatever ends it, the parent is gone
		cancel()
	}()
	return ctx, cancel
}

// readyAnswer is the line that a parent waits for.
type readyAnswer struct {
	Ready bool   `json:"ready"`
	Node  string `json:"node"`
	API   string `json:"api"`
}

// sayReady writes it.
func (c *invocation) sayReady(node string, api net.Addr) {
	line, err := jsonLine(readyAnswer{Ready: true, Node: node, API: api.String()})
	if err != nil {
		c.out.fail(err)
		return
	}
	c.out.write(line)
}
