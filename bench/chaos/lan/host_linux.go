package lan

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Host is a network namespace with an address. Safe for concurrent use.
type Host struct {
	address      netip.Addr
	namespace    *os.File
	interfaceEnd *os.File // a read is a packet that the host sent, a write one that it gets
}

// interfaceName is what a host's interface is called in its namespace.
const interfaceName = "lan0"

// newHost makes a host on a thread that is thrown away.
func newHost(address netip.Addr) (*Host, error) {
	h := &Host{address: address}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends here
		made <- h.settle()
	}()
	if err := <-made; err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

// settle moves the calling thread into a new namespace and gives it an interface.
func (h *Host) settle() (err error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("a network namespace: %w", os.NewSyscallError("unshare", err))
	}
	if h.namespace, err = os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())); err != nil {
		return err
	}
	// The runtime may poll the descriptor only once it has an interface.
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: "/dev/net/tun", Err: err}
	}
	request, err := unix.NewIfreq(interfaceName)
	if err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return errors.Join(fmt.Errorf("an interface: %w", os.NewSyscallError("ioctl", err)), unix.Close(fd))
	}
	h.interfaceEnd = os.NewFile(uintptr(fd), "tun")
	return h.configure()
}

// configure gives the interface its address, and takes it and loopback up.
func (h *Host) configure() (err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	address, mask := h.address.As4(), [4]byte{255, 255, 255, 0}
	for _, step := range []struct {
		what  uint
		on    string
		value func(*unix.Ifreq) error
	}{
		{unix.SIOCSIFADDR, interfaceName, func(r *unix.Ifreq) error { return r.SetInet4Addr(address[:]) }},
		{unix.SIOCSIFNETMASK, interfaceName, func(r *unix.Ifreq) error { return r.SetInet4Addr(mask[:]) }},
		{unix.SIOCSIFMTU, interfaceName, func(r *unix.Ifreq) error { r.SetUint32(packetMax); return nil }},
		{unix.SIOCSIFFLAGS, interfaceName, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }},
		{unix.SIOCSIFFLAGS, "lo", func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }},
	} {
		request, err := unix.NewIfreq(step.on)
		if err != nil {
			return err
		}
		if err := step.value(request); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(fd, step.what, request); err != nil {
			return fmt.Errorf("setting up %s: %w", step.on, os.NewSyscallError("ioctl", err))
		}
	}
	return nil
}

// Address is the host's.
func (h *Host) Address() string { return h.address.String() }

// Enter takes the calling thread into the host. It can't come back: the goroutine keeps it
// locked (runtime.LockOSThread) and ends with it.
func (h *Host) Enter() error {
	return os.NewSyscallError("setns", unix.Setns(int(h.namespace.Fd()), unix.CLONE_NEWNET))
}

// Do does something in the host, on a thread that is thrown away.
func (h *Host) Do(what func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := h.Enter()
		if err == nil {
			err = what()
		}
		done <- err
	}()
	return <-done
}

func (h *Host) close() error {
	var errs []error
	for _, f := range []*os.File{h.interfaceEnd, h.namespace} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
