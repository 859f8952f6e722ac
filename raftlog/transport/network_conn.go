package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"time"
)

// networkBytesMax is how much a direction of a connection holds that was not read, as sockets do. A write beyond it waits.
const networkBytesMax = 4 << 20

// foreignPreface is how connections begin that carry gRPC's calls beside a Transport's, to the same address. They are delayed, cut and broken like
// any; none of their bytes are lost or come twice.
var foreignPreface = []byte("PRI ")

// direction is half of a connection: bytes on their way from one end to the other. Everything is guarded by the network's lock.
type direction struct {
	network  *Network
	from, to string
	other    *direction
	dialled  bool // from the side that has dialled
	lane     laneKind
	again    bool // what is sent was recorded before
	foreign  bool // the connection isn't a Transport's: its bytes are no frames
	begun    bool // something was written
	recorded *recordedInstall

	partial []byte // the beginning of a message
	packets []packet
	bytes   int       // of packets
	last    time.Time // when the last packet that keeps the order arrives
	ended   bool      // nothing more is written
	err     error     // the connection broke
	changed chan struct{}
}

// packet is a message, or what stands for one, on its way.
type packet struct {
	at    time.Time
	bytes []byte
}

// networkConn is one end of a connection.
type networkConn struct {
	in, out       *direction
	read, written time.Time // deadlines
	closed        bool
}

// connectLocked makes a connection, and returns the end of whoever dials, and the other.
func (n *Network) connectLocked(from, to string) (here, yonder *networkConn) {
	out := &direction{network: n, from: from, to: to, dialled: true, changed: make(chan struct{})}
	in := &direction{network: n, from: to, to: from, changed: make(chan struct{})}
	out.other, in.other = in, out
	n.mu.ways[out], n.mu.ways[in] = struct{}{}, struct{}{}
	return &networkConn{in: in, out: out}, &networkConn{in: out, out: in}
}

func (d *direction) changedLocked() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// breakLocked breaks the connection, in both directions.
func (d *direction) breakLocked() {
	for _, half := range []*direction{d, d.other} {
		if half.err == nil {
			half.err = syscall.ECONNRESET
			half.packets, half.partial = nil, nil
			half.changedLocked()
		}
		delete(d.network.mu.ways, half)
	}
}

// putLocked takes bytes that are written, and sends off what is complete.
func (d *direction) putLocked(b []byte) {
	if d.dialled && !d.begun && bytes.HasPrefix(b, foreignPreface) {
		d.foreign, d.other.foreign = true, true
	}
	d.begun = true
	if d.foreign {
		d.passLocked(slices.Clone(b))
		return
	}
	d.partial = append(d.partial, b...)
	for len(d.partial) >= frameHeaderBytes {
		size := frameHeaderBytes + int(binary.LittleEndian.Uint32(d.partial))
		if len(d.partial) < size {
			return
		}
		message := slices.Clone(d.partial[:size])
		d.partial = append(d.partial[:0], d.partial[size:]...)
		d.sendLocked(message)
		if d.err != nil {
			return
		}
	}
}

// passLocked sends bytes off as they are, which takes as long as a message.
func (d *direction) passLocked(b []byte) {
	f := d.network.faultsLocked(d.from, d.to)
	at := time.Now().Add(d.network.betweenLocked(f.DelayMin, f.DelayMax))
	if at.Before(d.last) {
		at = d.last
	}
	d.last = at
	d.insertLocked(packet{at, b})
}

// sendLocked sends a message off, or lets happen to it what the faults say.
func (d *direction) sendLocked(message []byte) {
	n, kind := d.network, frameKind(message[4])
	if kind == kindHello {
		if h, err := decodeHello(message[frameHeaderBytes:]); err == nil {
			d.lane, d.other.lane = h.lane, h.lane
			if h.lane == laneSnapshot && d.dialled && !d.again {
				d.recorded = &recordedInstall{from: d.from, to: d.to}
			}
		}
	}
	d.recorded.add(message)
	f := n.faultsLocked(d.from, d.to)
	now := time.Now()
	at := now.Add(n.betweenLocked(f.DelayMin, f.DelayMax))
	if at.Before(d.last) {
		at = d.last
	}
	if !isMessage(kind) {
		d.last = at
		d.insertLocked(packet{at, message})
		return
	}
	switch {
	case n.likelyLocked(f.Break):
		d.breakLocked()
		return
	case n.likelyLocked(f.Drop):
		return
	case n.likelyLocked(f.Reorder):
		at = at.Add(n.betweenLocked(0, f.LateMax))
	default:
		d.last = at
	}
	d.insertLocked(packet{at, message})
	if n.likelyLocked(f.Duplicate) {
		d.insertLocked(packet{at, slices.Clone(message)})
	}
	if n.likelyLocked(f.Replay) {
		d.replayLaterLocked(n.betweenLocked(0, f.LateMax), slices.Clone(message))
	}
}

// isMessage says whether a kind is a request or an answer that stands for itself.
func isMessage(kind frameKind) bool {
	switch kind &^ answerBit {
	case kindAppend, kindVote, kindPreVote, kindTimeoutNow, kindFetch:
		return true
	default:
		return false
	}
}

// replayLaterLocked sends a message once more, over whatever connection of the kind there is then.
func (d *direction) replayLaterLocked(after time.Duration, message []byte) {
	n, from, to, dialled, lane := d.network, d.from, d.to, d.dialled, d.lane
	n.laterLocked(after, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		for other := range n.mu.ways {
			if other.from == from && other.to == to && other.dialled == dialled && other.lane == lane && !other.ended {
				other.insertLocked(packet{time.Now(), message})
				return
			}
		}
	})
}

// insertLocked puts a packet where its time is, behind others of the same.
func (d *direction) insertLocked(p packet) {
	i := len(d.packets)
	for i > 0 && d.packets[i-1].at.After(p.at) {
		i--
	}
	d.packets = slices.Insert(d.packets, i, p)
	d.bytes += len(p.bytes)
	d.changedLocked()
}

// takeLocked reads what has arrived. Without anything it returns when that may change; zero: nobody knows.
func (d *direction) takeLocked(p []byte, now time.Time) (n int, next time.Time, err error) {
	switch {
	case d.err != nil:
		return 0, next, d.err
	case d.network.stalledLocked(d.from, d.to):
		return 0, next, nil
	case len(d.packets) == 0 && d.ended:
		return 0, next, io.EOF
	case len(d.packets) == 0:
		return 0, next, nil
	}
	first := &d.packets[0]
	if first.at.After(now) {
		return 0, first.at, nil
	}
	n = copy(p, first.bytes)
	first.bytes = first.bytes[n:]
	first.at = time.Time{} // it is being read: nothing comes before it
	d.bytes -= n
	if len(first.bytes) == 0 {
		d.packets = slices.Delete(d.packets, 0, 1)
	}
	d.changedLocked()
	return n, next, nil
}

// Read implements net.Conn.
func (c *networkConn) Read(p []byte) (int, error) {
	for {
		network, now := c.in.network, time.Now()
		network.mu.Lock()
		changed, deadline := c.in.changed, c.read
		if err := c.usableLocked(deadline, now); err != nil {
			network.mu.Unlock()
			return 0, c.failure("read", err)
		}
		n, next, err := c.in.takeLocked(p, now)
		network.mu.Unlock()
		if err != nil && !errors.Is(err, io.EOF) {
			err = c.failure("read", err)
		}
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		waitUntil(changed, deadline, next)
	}
}

// Write implements net.Conn.
func (c *networkConn) Write(p []byte) (int, error) {
	for {
		network := c.out.network
		network.mu.Lock()
		changed, deadline := c.out.changed, c.written
		err := c.usableLocked(deadline, time.Now())
		if err == nil {
			err = c.out.err
		}
		if err == nil && c.in.ended && len(c.in.packets) == 0 && !network.stalledLocked(c.in.from, c.in.to) {
			err = syscall.EPIPE // the other end is closed, and news of that isn't held up
		}
		if err != nil {
			network.mu.Unlock()
			return 0, c.failure("write", err)
		}
		if c.out.bytes < networkBytesMax {
			c.out.putLocked(p)
			network.mu.Unlock()
			return len(p), nil
		}
		network.mu.Unlock()
		waitUntil(changed, deadline, time.Time{})
	}
}

// usableLocked says why an end can't be used any more.
func (c *networkConn) usableLocked(deadline, now time.Time) error {
	switch {
	case c.closed:
		return net.ErrClosed
	case !deadline.IsZero() && !now.Before(deadline):
		return os.ErrDeadlineExceeded
	default:
		return nil
	}
}

// waitUntil returns when something has changed, or at the first of two times.
func waitUntil(changed <-chan struct{}, a, b time.Time) {
	first := a
	if first.IsZero() || !b.IsZero() && b.Before(first) {
		first = b
	}
	if first.IsZero() {
		<-changed
		return
	}
	timer := time.NewTimer(time.Until(first))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
}

// Close implements net.Conn. What was written still arrives; what was not read is lost, and breaks the connection.
func (c *networkConn) Close() error {
	network := c.in.network
	network.mu.Lock()
	defer network.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	c.out.ended = true
	c.out.changedLocked()
	c.in.changedLocked()
	if c.out.recorded != nil {
		network.keepLocked(c.out.recorded)
		c.out.recorded = nil
	}
	if c.in.ended || len(c.in.packets) > 0 {
		delete(network.mu.ways, c.in)
		delete(network.mu.ways, c.out)
	}
	if len(c.in.packets) > 0 {
		c.in.breakLocked()
	}
	return nil
}

// LocalAddr implements net.Conn.
func (c *networkConn) LocalAddr() net.Addr { return networkAddr(c.out.from) }

// RemoteAddr implements net.Conn.
func (c *networkConn) RemoteAddr() net.Addr { return networkAddr(c.out.to) }

// SetDeadline implements net.Conn.
func (c *networkConn) SetDeadline(t time.Time) error { return c.setDeadlines(&t, &t) }

// SetReadDeadline implements net.Conn.
func (c *networkConn) SetReadDeadline(t time.Time) error { return c.setDeadlines(&t, nil) }

// SetWriteDeadline implements net.Conn.
func (c *networkConn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(nil, &t) }

func (c *networkConn) setDeadlines(read, written *time.Time) error {
	n := c.in.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return c.failure("set", net.ErrClosed)
	}
	if read != nil {
		c.read = *read
		c.in.changedLocked()
	}
	if written != nil {
		c.written = *written
		c.out.changedLocked()
	}
	return nil
}

func (c *networkConn) failure(op string, err error) error {
	return &net.OpError{Op: op, Net: networkName, Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
