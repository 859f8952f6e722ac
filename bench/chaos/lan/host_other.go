//go:build !linux

package lan

import (
	"errors"
	"net/netip"
	"os"
)

// Host is a network namespace with an address, which this system doesn't have.
type Host struct{ interfaceEnd *os.File }

func newHost(netip.Addr) (*Host, error) {
	return nil, errors.New("network namespaces are Linux's")
}

// Address is the host's.
func (*Host) Address() string { return "" }

// Enter takes the calling thread into the host.
func (*Host) Enter() error { return errors.ErrUnsupported }

// Do does something in the host.
func (*Host) Do(func() error) error { return errors.ErrUnsupported }

func (*Host) close() error { return nil }
