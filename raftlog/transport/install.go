package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// A snapshot has a connection of its own. It is sent in chunks, each with its CRC; the other side says that it is still working
// until it has the answer:
//
//	install ──▶ chunk ──▶ chunk ──▶ ...
//	  ◀── working ◀── working ◀── ... ◀── answer
//
// So a follower may take as long as it needs to read and to restore, while one that is gone is noticed.
const (
	// installPatience is how many times AnswerTimeout a chunk may wait until the follower takes it.
	installPatience = 6
	// installAnswerMax is how long a follower may say that it is working on a snapshot that it has all of.
	installAnswerMax = 10 * time.Minute
)

// errDone ends a connection that has done what it was for.
var errDone = fmt.Errorf("%w: done", ErrBroken)

// InstallSnapshot implements raft.Transport. It reads args.Size bytes from data; fewer are an error.
func (g *GroupTransport) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	if err := g.mayspeak(); err != nil {
		return err
	}
	f, err := installFrame(&g.t.buffers, args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(g.life, g.t.options.DialTimeout)
	defer cancel()
	c, err := g.t.dial(ctx, target, laneSnapshot)
	if err != nil {
		return err
	}
	defer c.fail(errDone)
	if c.peer.id != id {
		return fmt.Errorf("%w: %s is %q; expected %q", ErrOtherNode, target, c.peer.id, id)
	}
	if !g.t.track(installing{c}) || !g.hold(c) {
		g.t.untrack(installing{c})
		return ErrClosed
	}
	defer g.letGo(c)
	defer g.t.untrack(installing{c})
	g.t.counters.installsSent.Add(1)
	number := g.t.requests.Add(1)
	f.seal(kindInstall, g.number, number)
	i := &install{caller: c, number: number, group: g.number, answered: make(chan struct{})}
	return i.run(f, args.Size, data, resp)
}

// installing hides from watch a connection that keeps its own deadlines.
type installing struct{ io.Closer }

// install is one snapshot on its way to a follower.
type install struct {
	caller   *caller
	group    GroupNumber
	number   uint64
	answered chan struct{}
	response raft.InstallSnapshotResponse
	err      error // what the answer was, or why there is none
}

// run sends the snapshot while a goroutine waits for the answer, which may come at any time.
func (i *install) run(first *frame, size int64, data io.Reader, response *raft.InstallSnapshotResponse) error {
	var reading sync.WaitGroup
	reading.Go(func() {
		i.err = i.readAnswer()
		close(i.answered)
		// A write that waits for a follower that has answered already waits in vain. It looks at answered after it has set its
		// own deadline, so it sees either that or this one.
		_ = i.caller.stream.SetWriteDeadline(time.Unix(1, 0))
	})
	err := i.send(first, size, data)
	if err != nil {
		select {
		case <-i.answered: // which says more than that the connection broke
			if !errors.Is(i.err, ErrBroken) {
				err = i.err
			}
		default:
			i.caller.fail(err)
		}
		reading.Wait()
		return err
	}
	// Working or not, it does not take forever.
	giveUp := time.AfterFunc(installAnswerMax, func() { i.caller.fail(fmt.Errorf("%w: an install takes %v", ErrTimeout, installAnswerMax)) })
	reading.Wait()
	giveUp.Stop()
	if i.err == nil {
		*response = i.response
	}
	return i.err
}

// send writes the request and the chunks.
func (i *install) send(f *frame, size int64, data io.Reader) error {
	c := i.caller
	for left := size; ; {
		if err := c.stream.SetWriteDeadline(time.Now().Add(installPatience * c.t.options.AnswerTimeout)); err != nil {
			return fmt.Errorf("%w: %w", ErrBroken, err)
		}
		select {
		case <-i.answered:
			return fmt.Errorf("%w: answered before it was sent", ErrBroken)
		default:
		}
		if err := c.writeAlone(f); err != nil {
			return fmt.Errorf("%w: writing a snapshot: %w", ErrBroken, err)
		}
		if left == 0 {
			return nil
		}
		n := int(min(left, chunkBytesMax))
		f = c.t.buffers.newFrame(n)
		f.head.bytes = f.head.bytes[:frameHeaderBytes+n]
		if _, err := io.ReadFull(data, f.head.bytes[frameHeaderBytes:]); err != nil {
			return fmt.Errorf("transport: reading a snapshot, %d bytes before its end: %w", left, err)
		}
		f.seal(kindChunk, i.group, i.number)
		left -= int64(n)
		c.t.counters.installBytesSent.Add(uint64(n))
	}
}

// readAnswer reads until the answer is there.
func (i *install) readAnswer() error {
	c := i.caller
	for {
		if err := c.stream.SetReadDeadline(time.Now().Add(c.t.options.AnswerTimeout)); err != nil {
			return fmt.Errorf("%w: %w", ErrBroken, err)
		}
		h, err := c.readHeader()
		if err != nil {
			return err
		}
		payload := make([]byte, h.length)
		if err := c.readPayload(payload); err != nil {
			return err
		}
		if err := h.check(payload); err != nil {
			return err
		}
		switch {
		case h.kind == kindWorking:
		case h.kind == kindInstall|answerBit && h.request == i.number:
			return decodeAnswer(payload, &i.response, &c.names)
		default:
			return fmt.Errorf("%w: %v on a snapshot's connection", ErrCorrupt, h.kind)
		}
	}
}

// receiveInstall takes a snapshot on a connection of its own.
func (s *server) receiveInstall() error {
	o := &s.t.options
	if err := s.stream.SetReadDeadline(time.Now().Add(o.AnswerTimeout)); err != nil {
		return err
	}
	h, err := s.readHeader()
	if err != nil {
		return err
	}
	if h.kind != kindInstall {
		return fmt.Errorf("%w: %v; expected %v", ErrCorrupt, h.kind, kindInstall)
	}
	payload := make([]byte, h.length)
	if err := s.readPayload(payload); err != nil {
		return err
	}
	if err := h.check(payload); err != nil {
		return err
	}
	command, err := decodeCommand(h.kind, payload, &s.names)
	if err != nil {
		return err
	}
	request, ok := command.(*raft.InstallSnapshotRequest)
	if !ok {
		return fmt.Errorf("transport: assertion: an install is a %T", command)
	}
	s.noteUsed()
	s.t.counters.installsReceived.Add(1)
	g := s.t.group(h.group)
	answer, outcome := raft.RPCResponse{}, outcomeUnknownGroup
	if g != nil {
		answer, outcome = s.askInstall(g, request, &chunks{server: s, header: h, left: request.Size})
	}
	return s.endInstall(&h, answer, outcome)
}

// askInstall hands the library a snapshot, and says that it is worked on until there is an answer.
func (s *server) askInstall(g *GroupTransport, request *raft.InstallSnapshotRequest, data *chunks) (raft.RPCResponse, outcome) {
	answers := make(chan raft.RPCResponse, 1)
	rpc := raft.RPC{Command: request, Reader: data, RespChan: answers}
	consumer := g.consumer
	ticker := time.NewTicker(s.t.options.AnswerTimeout / 4)
	defer ticker.Stop()
	for {
		select {
		case consumer <- rpc:
			consumer = nil
		case answer := <-answers:
			if answer.Error != nil {
				return answer, outcomeFailed
			}
			return answer, outcomeAnswered
		case <-ticker.C:
			s.sayWorking()
		case <-g.closed:
			return raft.RPCResponse{}, outcomeUnknownGroup
		}
	}
}

// sayWorking is a sign of life. Where it can't be sent the connection ends, and with it the stream that the library reads.
func (s *server) sayWorking() {
	err := s.stream.SetWriteDeadline(time.Now().Add(s.t.options.AnswerTimeout))
	if err == nil {
		f := s.t.buffers.newFrame(0)
		f.seal(kindWorking, 0, 0)
		err = s.writeAlone(f)
	}
	if err != nil {
		s.fail(fmt.Errorf("%w: writing: %w", ErrBroken, err))
	}
}

// endInstall sends the answer, and waits until the other side has read it: a connection that is closed over what was not read
// takes the answer with it.
func (s *server) endInstall(h *frameHeader, answer raft.RPCResponse, o outcome) error {
	if err := s.stream.SetDeadline(time.Now().Add(s.t.options.AnswerTimeout)); err != nil {
		return err
	}
	f := answerFrame(&s.t.buffers, o, answer.Response, answer.Error)
	f.seal(h.kind|answerBit, h.group, h.request)
	if err := s.writeAlone(f); err != nil {
		return fmt.Errorf("%w: writing: %w", ErrBroken, err)
	}
	if o == outcomeAnswered || o == outcomeFailed { // else the library may be reading still
		_, _ = io.Copy(io.Discard, s.reader) // the other side closes, or the deadline comes
	}
	return errDone
}

// chunks is a snapshot as the library reads it.
type chunks struct {
	server *server
	header frameHeader // the request's
	left   int64       // bytes that are still to come
	chunk  []byte      // what is left of the last one
	memory []byte
}

// Read implements io.Reader. It ends after as many bytes as were announced, and fails when they don't come.
func (r *chunks) Read(p []byte) (int, error) {
	if len(r.chunk) == 0 {
		if r.left == 0 {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.chunk)
	r.chunk = r.chunk[n:]
	return n, nil
}

func (r *chunks) next() error {
	s := r.server
	if err := s.stream.SetReadDeadline(time.Now().Add(s.t.options.AnswerTimeout)); err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	h, err := s.readHeader()
	if err != nil {
		return err
	}
	if h.kind != kindChunk || h.group != r.header.group || h.request != r.header.request || h.length == 0 || int64(h.length) > r.left {
		return fmt.Errorf("%w: %v of %d bytes, group %d; expected %v of at most %d, group %d", ErrCorrupt, h.kind, h.length, h.group, kindChunk, r.left, r.header.group)
	}
	if r.memory == nil {
		r.memory = make([]byte, chunkBytesMax)
	}
	r.chunk = r.memory[:h.length]
	if err := s.readPayload(r.chunk); err != nil {
		r.chunk = nil
		return err
	}
	if err := h.check(r.chunk); err != nil {
		r.chunk = nil
		return err
	}
	r.left -= int64(h.length)
	s.t.counters.installBytesServed.Add(uint64(h.length))
	return nil
}
