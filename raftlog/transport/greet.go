package transport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// greetingsMax bounds the connections that have not said yet who they are. Further ones wait to be accepted.
const greetingsMax = 64

// dial connects to a node, says who this one is, and learns who that one is.
func (t *Transport) dial(ctx context.Context, address raft.ServerAddress, lane laneKind) (*caller, error) {
	t.counters.dials.Add(1)
	stream, err := t.options.Streams.Dial(ctx, string(address))
	if err != nil {
		return nil, fmt.Errorf("%w: dialling %s: %w", ErrBroken, address, err)
	}
	c := newCaller(t, stream, lane)
	// The context ends the greeting, too, whatever it waits for.
	stop := context.AfterFunc(ctx, func() { _ = stream.SetDeadline(time.Unix(1, 0)) })
	w, err := c.introduce()
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = w.accepted(t.options.Cluster)
	}
	if err != nil {
		c.fail(err)
		return nil, fmt.Errorf("greeting %s: %w", address, err)
	}
	c.peer = remote{id: w.id, address: address}
	c.limit = int(w.messageBytes)
	window := min(int64(w.windowBytes), int64(t.options.PeerWindowBytes))
	c.window.init(t.options.GroupWindowBytes, int(window))
	return c, nil
}

// introduce sends the hello and reads the welcome.
func (c *connection) introduce() (w welcome, err error) {
	o := &c.t.options
	h := hello{lane: c.lane, cluster: o.Cluster, id: o.LocalID, address: o.LocalAddress}
	f := c.t.buffers.newFrame(helloBytesMax)
	f.head.bytes = h.append(f.head.bytes)
	f.seal(kindHello, 0, 0)
	if err := c.writeAlone(f); err != nil {
		return w, err
	}
	payload, err := c.readKind(kindWelcome)
	if err != nil {
		return w, err
	}
	return decodeWelcome(payload)
}

// accepted says whether the other side is one to talk to.
func (w *welcome) accepted(cluster [16]byte) error {
	switch {
	case w.refused != "":
		return fmt.Errorf("%w: it says: %s", ErrForeign, w.refused)
	case w.cluster != cluster:
		return fmt.Errorf("%w: its cluster is %x; expected %x", ErrForeign, w.cluster, cluster)
	case w.id == "":
		return fmt.Errorf("%w: it has no name", ErrForeign)
	}
	return nil
}

// receive reads a hello, and answers it; the connection is closed when it is not welcome.
func (c *connection) receive() (remote, error) {
	if err := c.stream.SetDeadline(time.Now().Add(c.t.options.DialTimeout)); err != nil {
		return remote{}, err
	}
	payload, err := c.readKind(kindHello)
	if err != nil {
		return remote{}, err
	}
	h, err := decodeHello(payload)
	if err == nil {
		err = c.t.welcomes(c, &h)
	}
	o := &c.t.options
	w := welcome{cluster: o.Cluster, id: o.LocalID, windowBytes: uint64(o.PeerWindowBytes), messageBytes: uint32(c.t.messageBytes())}
	if err != nil {
		// It learns why, and nothing else.
		w = welcome{refused: refusal(err)}
	}
	f := c.t.buffers.newFrame(helloBytesMax)
	f.head.bytes = w.append(f.head.bytes)
	f.seal(kindWelcome, 0, 0)
	if err := errors.Join(err, c.writeAlone(f)); err != nil {
		return remote{}, err
	}
	c.lane = h.lane
	return remote{id: h.id, address: h.address}, c.stream.SetDeadline(time.Time{})
}

// refusal is what a stranger is told.
func refusal(err error) string {
	text := err.Error()
	return text[:min(len(text), helloBytesMax/2)]
}

// welcomes says whether a hello comes from a node of this cluster, and from the one it says.
func (t *Transport) welcomes(c *connection, h *hello) error {
	switch {
	case h.cluster != t.options.Cluster:
		return fmt.Errorf("%w: of another cluster", ErrForeign)
	case h.id == t.options.LocalID:
		return fmt.Errorf("%w: %q is this node's own name", ErrForeign, h.id)
	}
	if who, ok := t.options.Streams.(Identifier); ok {
		if err := who.Identify(c.stream, h.id, h.address); err != nil {
			return fmt.Errorf("%w: %w", ErrForeign, err)
		}
	}
	return nil
}

// writeAlone writes a frame on a connection without a writer, or on which nothing else is written now.
func (c *connection) writeAlone(f *frame) error {
	c.frames = append(c.frames, f)
	return c.writeFrames(f.size)
}

// readKind reads a frame that must be of a kind, and returns its payload.
func (c *connection) readKind(kind frameKind) ([]byte, error) {
	h, err := c.readHeader()
	if err != nil {
		return nil, err
	}
	if h.kind != kind {
		return nil, fmt.Errorf("%w: %v of %d bytes; expected %v", ErrCorrupt, h.kind, h.length, kind)
	}
	payload := make([]byte, h.length)
	if err := c.readPayload(payload); err != nil {
		return nil, err
	}
	return payload, h.check(payload)
}
