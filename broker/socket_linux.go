package broker

import (
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/mem"
)

// socket is a connection's, for what net.Conn can't do. It is used by one reader.
type socket struct {
	raw syscall.RawConn
	// what a read is given, and what it comes to.
	pool mem.BufferPool
	size int
	most int
	got  *[]byte
	n    int
	err  error
	try  func(fd uintptr) bool
}

// socketOf is a connection's socket; nil where it has none.
func socketOf(conn net.Conn) *socket {
	c, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	s := &socket{raw: raw}
	s.try = s.tryRead
	return s
}

// hungUp tells whether the other end has closed the connection already, in part or as a whole (poll(2)). What it sent before may be there yet.
func (s *socket) hungUp() (gone bool) {
	if s == nil {
		return false
	}
	err := s.raw.Control(func(fd uintptr) {
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(polled, 0)
		gone = err == nil && n > 0 && polled[0].Revents != 0
	})
	return err == nil && gone
}

// read takes a buffer of a size from a pool when something is there to be read, and reads at most so much of it.
func (s *socket) read(size, most int, pool mem.BufferPool) (buffer *[]byte, n int, err error) {
	s.pool, s.size, s.most, s.got, s.n, s.err = pool, size, most, nil, 0, nil
	err = s.raw.Read(s.try)
	buffer, n = s.got, s.n
	s.pool, s.got = nil, nil
	if err == nil {
		err = s.err
	}
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil && buffer != nil {
		pool.Put(buffer)
		return nil, 0, err
	}
	return buffer, n, err
}

// tryRead tells whether the read has come to something. It is syscall's read, as net's is: the race detector has each know of the other.
func (s *socket) tryRead(fd uintptr) bool {
	s.got = s.pool.Get(s.size)
	b := (*s.got)[:min(s.size, s.most)]
	for {
		s.n, s.err = syscall.Read(int(fd), b)
		if s.err != syscall.EINTR { //nolint:errorlint // a system call's errors are bare
			break
		}
	}
	if s.err == nil {
		return true
	}
	s.pool.Put(s.got)
	s.got, s.n = nil, 0
	return s.err != syscall.EAGAIN //nolint:errorlint // likewise
}
