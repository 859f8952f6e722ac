package transport

import (
	"context"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

const (
	// recordedBytesMax and recordedMax bound what a Network keeps of snapshots that were sent.
	recordedBytesMax = 16 << 20
	recordedMax      = 16
	// replayTimeout is how long a replay at random may take.
	replayTimeout = time.Minute
)

// recordedInstall is a snapshot as it was sent, greeting and all.
type recordedInstall struct {
	from, to string
	frames   [][]byte
	bytes    int
}

func (r *recordedInstall) add(frame []byte) {
	if r == nil || r.bytes > recordedBytesMax {
		return
	}
	r.frames = append(r.frames, frame)
	r.bytes += len(frame)
}

// keepLocked keeps a snapshot for replays. The oldest goes first.
func (n *Network) keepLocked(r *recordedInstall) {
	if r.bytes > recordedBytesMax || len(r.frames) < 2 || n.mu.closed {
		return
	}
	n.mu.installs = append(n.mu.installs, r)
	if len(n.mu.installs) > recordedMax {
		n.mu.installs = n.mu.installs[1:]
	}
	if f := n.faultsLocked(r.from, r.to); n.likelyLocked(f.Replay) {
		n.laterLocked(n.betweenLocked(0, f.LateMax), func() {
			ctx, cancel := context.WithTimeout(context.Background(), replayTimeout) //nolint:forbidigo // nobody calls for it
			defer cancel()
			_ = n.replay(ctx, r) // whatever becomes of it is what the network wanted
		})
	}
}

// Installs returns how many snapshots were sent, completely or not, that can be sent again: the last 16, up to 16 MiB each.
func (n *Network) Installs() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.mu.installs)
}

// ReplayInstall sends a snapshot again, as it was sent then, the oldest being 0. It returns when it was answered.
func (n *Network) ReplayInstall(ctx context.Context, number int) error {
	n.mu.Lock()
	if number < 0 || number >= len(n.mu.installs) {
		defer n.mu.Unlock()
		return fmt.Errorf("transport: install %d; there are %d", number, len(n.mu.installs))
	}
	r := n.mu.installs[number]
	n.mu.Unlock()
	return n.replay(ctx, r)
}

func (n *Network) replay(ctx context.Context, r *recordedInstall) error {
	dialler := &networkStreams{network: n, address: r.from}
	conn, err := dialler.Dial(ctx, r.to)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // it has been answered, or it is broken
	if c, ok := conn.(*networkConn); ok {
		n.mu.Lock()
		c.out.again = true
		n.mu.Unlock()
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	for _, frame := range r.frames {
		if _, err := conn.Write(frame); err != nil {
			return err
		}
	}
	return awaitInstallAnswer(conn)
}

// awaitInstallAnswer reads frames up to the answer.
func awaitInstallAnswer(conn net.Conn) error {
	var head [frameHeaderBytes]byte
	for {
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return err
		}
		h, err := parseFrameHeader(head[:])
		if err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, conn, int64(h.length)); err != nil {
			return err
		}
		if h.kind == kindInstall|answerBit {
			return nil
		}
		if h.kind != kindWelcome && h.kind != kindWorking {
			return fmt.Errorf("%w: %v: %w", ErrCorrupt, h.kind, syscall.EPROTO)
		}
	}
}
