package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// PortError is a port that can't be had.
type PortError struct {
	// Node is whose it was to be, and For what: "clients", "other nodes" or
	// "health and profiles".
	Node, For string
	Address   string
	Err       error
}

func (e *PortError) Error() string {
	return fmt.Sprintf("no port for %s of node %s: %s: %v", e.For, e.Node, e.Address, e.Err)
}

// Unwrap is what the system said.
func (e *PortError) Unwrap() error { return e.Err }

// ports are a node's.
type ports struct {
	api, peer, admin *reservation // peer is nil in a cluster of one
}

// takePorts reserves a node's ports: three in a row, or free ones.
func takePorts(ctx context.Context, node string, index int, o *Options) (_ ports, err error) {
	var taken ports
	defer func() {
		if err != nil {
			err = errors.Join(err, taken.release())
		}
	}()
	for i, one := range []struct {
		what string
		kept **reservation
	}{{"clients", &taken.api}, {"other nodes", &taken.peer}, {"health and profiles", &taken.admin}} {
		if one.kept == &taken.peer && o.Nodes == 1 {
			continue
		}
		port := 0
		if o.Port != 0 {
			port = o.Port + index*portStep + i
		}
		place := &o.Places[index]
		host := place.Host
		if one.kept == &taken.admin {
			host = hostDefault // which is all that a node allows
		}
		address := net.JoinHostPort(host, strconv.Itoa(port))
		err := place.do(func() (err error) {
			*one.kept, err = reserve(ctx, address)
			return err
		})
		if err != nil {
			return taken, &PortError{Node: node, For: one.what, Address: address, Err: err}
		}
	}
	return taken, nil
}

// inOrder are the ports in the order of their descriptors, with the names that
// `serve --inherit` has for them.
func (p *ports) inOrder() (names []string, reserved []*reservation) {
	names, reserved = []string{"api", "admin"}, []*reservation{p.api, p.admin}
	if p.peer != nil {
		names, reserved = append(names, "peer"), append(reserved, p.peer)
	}
	return names, reserved
}

// inheritance says which descriptor is which: "api=3,admin=4,peer=5". 0 to 2 are
// standard input, output and error.
func (p *ports) inheritance() string {
	names, _ := p.inOrder()
	for i, name := range names {
		names[i] = fmt.Sprintf("%s=%d", name, i+3)
	}
	return strings.Join(names, ",")
}

// listen listens on the ports, for a child.
func (p *ports) listen(ctx context.Context) (_ []*os.File, err error) {
	var files []*os.File
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll(files))
		}
	}()
	_, reserved := p.inOrder()
	for _, r := range reserved {
		file, err := r.listen(ctx)
		if err != nil {
			return files, err
		}
		files = append(files, file)
	}
	return files, nil
}

func (p *ports) release() error {
	var errs []error
	for _, r := range []*reservation{p.api, p.peer, p.admin} {
		if r != nil {
			errs = append(errs, r.release())
		}
	}
	*p = ports{}
	return errors.Join(errs...)
}

func closeAll(files []*os.File) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// listen listens on the reserved port, and returns the socket as a file. Nothing of
// it stays here: when the child has ended, nobody listens.
func (r *reservation) listen(ctx context.Context) (_ *os.File, err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", r.address)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, listener.Close()) }()
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("%s is listened on by a %T", r.address, listener)
	}
	return tcp.File()
}
