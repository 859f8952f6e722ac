package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// reservation holds a port without listening on it (CL1): a socket that is bound and
// nothing more. With SO_REUSEADDR on both (Go sets it on every listener) another
// socket may listen on the port meanwhile, the system gives it to nobody who asks
// for any, and who dials is refused unless somebody listens. Source: ip(7), and
// inet_csk_bind_conflict in net/ipv4/inet_connection_sock.c.
type reservation struct {
	address    string
	descriptor int
}

// reserve takes the port of an address, a free one if the port is 0.
func reserve(_ context.Context, address string) (_ *reservation, err error) {
	wanted, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	// A listener would be in the way of the bind, and says so: so does one of which
	// the address is 0.0.0.0.
	descriptor, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, syscall.Close(descriptor))
		}
	}()
	if err := syscall.SetsockoptInt(descriptor, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return nil, os.NewSyscallError("setsockopt", err)
	}
	if err := syscall.Bind(descriptor, &syscall.SockaddrInet4{Port: int(wanted.Port()), Addr: wanted.Addr().As4()}); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	bound, err := syscall.Getsockname(descriptor)
	if err != nil {
		return nil, os.NewSyscallError("getsockname", err)
	}
	at, ok := bound.(*syscall.SockaddrInet4)
	if !ok {
		return nil, fmt.Errorf("a socket of %s is bound to a %T", address, bound)
	}
	return &reservation{
		address:    (&net.TCPAddr{IP: at.Addr[:], Port: at.Port}).String(),
		descriptor: descriptor,
	}, nil
}

func (r *reservation) release() error {
	return os.NewSyscallError("close", syscall.Close(r.descriptor))
}
