package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// queueMax bounds a group's requests of one connection that wait for the library. The other side has at most a few.
	queueMax = 64
	// heldFactor is how many windows of a peer's requests are held before any is refused. The other side keeps to one, but for
	// an entry of each group that has nothing else on its way, and its order is another.
	heldFactor = 2
	// fetchesMax is how many fetches are answered at a time, by all connections.
	fetchesMax = 4
	// connectionsMax bounds the connections that others have to this node.
	connectionsMax = 1024
	// acceptPause is how long nothing is accepted after an error, such as having no file descriptor left.
	acceptPause = 50 * time.Millisecond
)

// accept takes connections until the transport closes.
func (t *Transport) accept() {
	for {
		select {
		case t.greeting <- struct{}{}:
		case <-t.closing:
			return
		}
		stream, err := t.options.Streams.Accept()
		if err == nil {
			t.counters.accepted.Add(1)
			t.spawn("serve", func() { t.serve(stream) })
			continue
		}
		<-t.greeting
		select {
		case <-t.closing:
			return
		default:
		}
		if errors.Is(err, net.ErrClosed) {
			t.options.Logger.Error("the listener was closed", "error", err)
			return
		}
		t.options.Logger.Warn("a connection was not accepted", "error", err)
		timer := time.NewTimer(acceptPause)
		select {
		case <-timer.C:
		case <-t.closing:
			timer.Stop()
			return
		}
	}
}

// serve greets who has connected, and answers requests until the connection fails.
func (t *Transport) serve(stream net.Conn) {
	s := &server{connection: newConnection(t, stream, laneControl), inboxes: map[*GroupTransport]*inbox{}}
	err := s.greet()
	<-t.greeting
	if err != nil {
		t.counters.acceptsRefused.Add(1)
		s.fail(err)
		t.untrack(s)
		if !errors.Is(err, ErrClosed) {
			t.options.Logger.Warn("a connection was refused", "from", stream.RemoteAddr(), "error", err)
		}
		return
	}
	if s.lane == laneSnapshot {
		err = s.receiveInstall()
	} else {
		s.watched.Store(true)
		s.running.Go(s.write)
		err = s.readRequests()
	}
	s.fail(err)
	t.untrack(s)
	s.running.Wait()
	t.options.Logger.Debug("a connection ended", "peer", s.peer.address, "lane", s.lane, "error", s.err())
}

// server is the end of a connection that answers requests.
type server struct {
	*connection
	peer    remote
	back    *peer // our own connections to whoever has connected
	inboxes map[*GroupTransport]*inbox
	names   names
	held    atomic.Int64 // bytes of requests that are not answered yet
	watched atomic.Bool  // it has a lane that watch looks at
}

// Close makes the server an io.Closer, for Transport.Close.
func (s *server) Close() error {
	s.fail(ErrClosed)
	return nil
}

// Close makes the caller an io.Closer, for Transport.Close.
func (c *caller) Close() error {
	c.fail(ErrClosed)
	return nil
}

func (s *server) greet() error {
	if !s.t.track(s) {
		return ErrClosed
	}
	s.t.mu.Lock()
	open := len(s.t.mu.open)
	s.t.mu.Unlock()
	if open > connectionsMax {
		return fmt.Errorf("%w: %d connections are open; the most is %d", ErrBusy, open, connectionsMax)
	}
	who, err := s.receive()
	if err != nil {
		return err
	}
	s.peer = who
	s.noteUsed()
	return nil
}

// noteUsed keeps a connection to whoever talks to this node, so that it is noticed when he is gone.
func (s *server) noteUsed() {
	if s.back != nil && s.back.used.Load() {
		return
	}
	if s.peer.address == s.t.options.LocalAddress {
		return
	}
	if p, err := s.t.peer(s.peer.address); err == nil { // else there are too many: it goes without
		s.back = p
		p.lanes[laneControl].keep()
	}
}

// watchOver is called once a tick. Whoever has dialled gives a sign of life in time, so twice that is enough.
func (s *server) watchOver(_ time.Time, tick time.Duration) {
	if s.watched.Load() {
		s.watch(tick, 2*s.t.options.SilenceTimeout)
	}
}

// readRequests reads until the connection fails. It waits for nothing else, so that no group waits for another.
func (s *server) readRequests() error {
	for {
		h, err := s.readHeader()
		if err != nil {
			return err
		}
		switch h.kind {
		case kindPing:
			if err := s.readEmpty(&h); err != nil {
				return err
			}
			s.ping(kindPing | answerBit)
		case kindAppend, kindVote, kindPreVote, kindTimeoutNow, kindFetch:
			if err := s.readRequest(h); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%w: %v on a %v connection", ErrCorrupt, h.kind, s.lane)
		}
	}
}

func (s *server) readEmpty(h *frameHeader) error {
	if h.length != 0 {
		return fmt.Errorf("%w: %v of %d bytes; expected none", ErrCorrupt, h.kind, h.length)
	}
	return h.check(nil)
}

// readRequest puts a request into its group's inbox, or refuses it without having held it.
func (s *server) readRequest(h frameHeader) error {
	s.noteUsed()
	g := s.t.group(h.group)
	if g == nil {
		return s.refuse(&h, outcomeUnknownGroup)
	}
	in := s.inboxes[g]
	if in == nil {
		in = &inbox{server: s, group: g}
		s.dropClosed()
		s.inboxes[g] = in
	}
	waiting := in.waiting.Load()
	if waiting >= queueMax || waiting > 0 && s.held.Load()+int64(h.length) > heldFactor*int64(s.t.options.PeerWindowBytes) {
		return s.refuse(&h, outcomeBusy)
	}
	s.t.counters.requestsServed.Add(1)
	s.held.Add(int64(h.length))
	r := received{header: h, payload: s.t.buffers.get(int(h.length))}
	if err := s.readPayload(r.payload.bytes); err != nil {
		return err
	}
	in.put(r)
	return nil
}

// dropClosed forgets groups that were closed, of which there may have been many in a connection's time.
func (s *server) dropClosed() {
	for g := range s.inboxes {
		select {
		case <-g.closed:
			delete(s.inboxes, g)
		default:
		}
	}
}

// refuse answers a request that is not taken, and reads over it.
func (s *server) refuse(h *frameHeader, why outcome) error {
	s.t.counters.requestsRefused.Add(1)
	if _, err := io.CopyN(io.Discard, s.reader, int64(h.length)); err != nil {
		return fmt.Errorf("%w: reading: %w", ErrBroken, err)
	}
	return s.answer(h, why, nil, nil, false)
}

// answer sends what became of a request.
func (s *server) answer(h *frameHeader, o outcome, response any, err error, direct bool) error {
	f := answerFrame(&s.t.buffers, o, response, err)
	f.seal(h.kind|answerBit, h.group, h.request)
	return s.send(f, h.group, direct)
}

// received is a request as it was read.
type received struct {
	header  frameHeader
	payload *buffer
}

// inbox is what one connection has brought for one group. Its goroutine runs while there is something in it: it hands the
// library one request after the other and sends the answers in the same order.
type inbox struct {
	server  *server
	group   *GroupTransport
	waiting atomic.Int64 // with the one that is worked on
	names   names        // the goroutine's

	mu struct {
		sync.Mutex
		queue   []received
		working bool
	}
}

func (in *inbox) put(r received) {
	in.waiting.Add(1)
	in.mu.Lock()
	in.mu.queue = append(in.mu.queue, r)
	start := !in.mu.working
	in.mu.working = true
	in.mu.Unlock()
	if start {
		in.server.running.Go(in.work)
	}
}

func (in *inbox) work() {
	for {
		in.mu.Lock()
		if len(in.mu.queue) == 0 {
			in.mu.working = false
			in.mu.Unlock()
			return
		}
		r := in.mu.queue[0]
		left := copy(in.mu.queue, in.mu.queue[1:])
		in.mu.queue[left] = received{}
		in.mu.queue = in.mu.queue[:left]
		in.mu.Unlock()
		if err := in.handle(&r); err != nil {
			in.server.fail(err)
		}
	}
}

// answer sends what became of a request. The other side may send another as soon as it has the answer, so there is room
// again before.
func (in *inbox) answer(r *received, o outcome, response any, err error) error {
	in.server.held.Add(-int64(r.header.length))
	in.waiting.Add(-1)
	return in.server.answer(&r.header, o, response, err, true)
}

// handle has one request answered. An error is the connection's.
func (in *inbox) handle(r *received) error {
	s := in.server
	if r.header.kind == kindAppend {
		return in.handleAppend(r)
	}
	if err := r.header.check(r.payload.bytes); err != nil {
		return err
	}
	if r.header.kind == kindFetch {
		return in.handleFetch(r)
	}
	command, err := decodeCommand(r.header.kind, r.payload.bytes, &in.names)
	s.t.buffers.put(r.payload) // a command has copies
	if err != nil {
		return err
	}
	answer, o := in.ask(raft.RPC{Command: command})
	return in.answer(r, o, answer.Response, answer.Error)
}

func decodeCommand(kind frameKind, payload []byte, n *names) (command any, err error) {
	switch kind {
	case kindVote:
		command, err = decodeVote(payload, n)
	case kindPreVote:
		command, err = decodePreVote(payload, n)
	case kindTimeoutNow:
		command, err = decodeTimeoutNow(payload, n)
	case kindInstall:
		command, err = decodeInstall(payload, n)
	default:
		err = errors.New("not a request of the library's")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %v: %w", ErrCorrupt, kind, err)
	}
	return command, nil
}

// handleAppend hands the library entries that lie in the receive buffer. The buffer is free again when the library has
// answered: it does not look at them any more then, and the group's log has copies (ReuseBuffers).
func (in *inbox) handleAppend(r *received) error {
	s := in.server
	m, ok := s.t.messages.Get().(*appendMessage)
	if !ok {
		m = &appendMessage{}
	}
	if err := in.checkAppend(r, m); err != nil {
		return err
	}
	answer, o := in.ask(raft.RPC{Command: &m.request})
	if vouch := in.group.vouch.Load(); vouch != nil && o == outcomeAnswered {
		if answer.Error = (*vouch)(); answer.Error != nil {
			o = outcomeFailed
		}
	}
	if o <= outcomeFailed && in.group.reuse.Load() {
		clear(m.logs)
		m.request = raft.AppendEntriesRequest{}
		s.t.messages.Put(m)
		s.t.buffers.put(r.payload)
	}
	return in.answer(r, o, answer.Response, answer.Error)
}

// checkAppend decodes a message of entries and verifies it: in this order, since it is summed by its parts.
func (in *inbox) checkAppend(r *received, m *appendMessage) error {
	if err := m.decode(r.payload.bytes, &in.names); err != nil {
		if damaged := r.header.check(r.payload.bytes); damaged != nil {
			return damaged
		}
		return fmt.Errorf("%w: %v: %w", ErrCorrupt, r.header.kind, err)
	}
	var err error
	m.sums, err = r.header.checkEntries(r.payload.bytes, m.entries, in.group.sums.Load(), m.sums)
	return err
}

// ask hands the library a request and waits for the answer, or for the group's end.
func (in *inbox) ask(rpc raft.RPC) (raft.RPCResponse, outcome) {
	// A channel of its own for each: one that is used again could bring a late answer to another request.
	answers := make(chan raft.RPCResponse, 1)
	rpc.RespChan = answers
	select {
	case in.group.consumer <- rpc:
	case <-in.group.closed:
		return raft.RPCResponse{}, outcomeUnknownGroup
	case <-in.server.failed:
		return raft.RPCResponse{}, outcomeBusy // nobody will read it
	}
	select {
	case answer := <-answers:
		if answer.Error != nil {
			return answer, outcomeFailed
		}
		return answer, outcomeAnswered
	case <-in.group.closed:
		return raft.RPCResponse{}, outcomeUnknownGroup
	}
}
