package raftlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

var (
	errCut     = errors.New("twin: nothing comes through")
	errRefused = errors.New("twin: connection refused")
	errTimeout = errors.New("twin: no answer")
)

// twinTimeout is how long a message may take.
const twinTimeout = 2 * time.Second

// twin is a network of nodes in one process.
type twin struct {
	latency time.Duration // of each message
	mu      struct {
		sync.Mutex
		nodes    map[raft.ServerAddress]*twinNode
		cut      map[[2]raft.ServerAddress]bool // from, to
		deaf     map[raft.ServerAddress]bool    // don't hear TimeoutNow
		installs []recordedInstall
		muted    bool        // nobody gives entries to who fetches
		forged   []*raft.Log // what is given in their place
	}
}

// recordedInstall is an install that was sent, to be repeated.
type recordedInstall struct {
	group   GroupNumber
	to      raft.ServerAddress
	request raft.InstallSnapshotRequest
	data    []byte
}

func newTwin() *twin {
	t := &twin{}
	t.mu.nodes = map[raft.ServerAddress]*twinNode{}
	t.mu.cut = map[[2]raft.ServerAddress]bool{}
	t.mu.deaf = map[raft.ServerAddress]bool{}
	return t
}

// connect is a node's NodeOptions.Connect.
func (t *twin) connect(address raft.ServerAddress) func(Hooks) (Transport, error) {
	return func(hooks Hooks) (Transport, error) {
		n := &twinNode{net: t, address: address, hooks: hooks, groups: map[GroupNumber]*twinGroup{}, refused: map[raft.ServerAddress]bool{}, closed: make(chan struct{})}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.mu.nodes[address] = n
		return n, nil
	}
}

// sever cuts the ways from one node to another, and back.
func (t *twin) sever(a, b raft.ServerAddress, on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.cut[[2]raft.ServerAddress{a, b}] = on
	t.mu.cut[[2]raft.ServerAddress{b, a}] = on
}

// mute makes nobody give entries to who fetches.
func (t *twin) mute(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.muted = on
}

// forge makes everybody give these entries to who fetches.
func (t *twin) forge(entries []*raft.Log) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.forged = entries
}

// deaf makes a node hear no order to take over.
func (t *twin) deaf(address raft.ServerAddress, on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.deaf[address] = on
}

// kill makes a node's process be gone: nothing from it arrives any more, and who connects to it is refused.
func (t *twin) kill(address raft.ServerAddress) {
	t.mu.Lock()
	n := t.mu.nodes[address]
	delete(t.mu.nodes, address)
	var others []*twinNode
	for _, other := range t.mu.nodes {
		others = append(others, other)
	}
	t.mu.Unlock()
	n.end()
	for _, other := range others {
		other.noteRefused(address)
	}
}

// route finds the node at an address.
func (t *twin) route(from *twinNode, to raft.ServerAddress) (*twinNode, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch n := t.mu.nodes[to]; {
	case t.mu.nodes[from.address] != from, t.mu.cut[[2]raft.ServerAddress{from.address, to}]:
		return nil, errCut
	case n == nil:
		return nil, errRefused
	default:
		return n, nil
	}
}

func (t *twin) comesBack(from, to raft.ServerAddress) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.mu.cut[[2]raft.ServerAddress{from, to}]
}

// twinNode implements Transport.
type twinNode struct {
	net     *twin
	address raft.ServerAddress
	hooks   Hooks

	mu      sync.Mutex
	groups  map[GroupNumber]*twinGroup
	refused map[raft.ServerAddress]bool

	once   sync.Once
	closed chan struct{}
}

func (n *twinNode) end() { n.once.Do(func() { close(n.closed) }) }

func (n *twinNode) noteRefused(peer raft.ServerAddress) {
	n.mu.Lock()
	first := !n.refused[peer]
	n.refused[peer] = true
	n.mu.Unlock()
	select {
	case <-n.closed:
	default:
		if first {
			n.hooks.PeerRefused(peer)
		}
	}
}

func (n *twinNode) Group(number GroupNumber) GroupTransport {
	n.mu.Lock()
	defer n.mu.Unlock()
	g := &twinGroup{node: n, number: number, consumer: make(chan raft.RPC), closed: make(chan struct{})}
	n.groups[number] = g
	return g
}

func (n *twinNode) Fetch(_ context.Context, peer raft.ServerAddress, group GroupNumber, from, to uint64, bytesMax int) ([]*raft.Log, error) {
	other, err := n.net.route(n, peer)
	if err != nil {
		return nil, err
	}
	n.net.mu.Lock()
	muted, forged := n.net.mu.muted, n.net.mu.forged
	n.net.mu.Unlock()
	switch {
	case forged != nil:
		return forged, nil
	case muted:
		return nil, nil
	}
	return other.hooks.Fetch(group, from, to, bytesMax)
}

func (n *twinNode) Close() error {
	n.net.mu.Lock()
	defer n.net.mu.Unlock()
	if n.net.mu.nodes[n.address] == n {
		delete(n.net.mu.nodes, n.address)
	}
	n.end()
	return nil
}

// twinGroup implements GroupTransport.
type twinGroup struct {
	node     *twinNode
	number   GroupNumber
	consumer chan raft.RPC
	once     sync.Once
	closed   chan struct{}
}

func (g *twinGroup) Close() error {
	g.once.Do(func() { close(g.closed) })
	return nil
}

func (g *twinGroup) Consumer() <-chan raft.RPC                               { return g.consumer }
func (g *twinGroup) LocalAddr() raft.ServerAddress                           { return g.node.address }
func (g *twinGroup) SetHeartbeatHandler(func(raft.RPC))                      {}
func (g *twinGroup) EncodePeer(_ raft.ServerID, a raft.ServerAddress) []byte { return []byte(a) }
func (g *twinGroup) DecodePeer(b []byte) raft.ServerAddress                  { return raft.ServerAddress(b) }

// call delivers a command and waits for the answer.
func (g *twinGroup) call(to raft.ServerAddress, command any, data io.Reader) (any, error) {
	if g.node.hooks.Withhold() {
		return nil, errCut
	}
	if latency := g.node.net.latency; latency > 0 {
		pause(context.Background(), latency)
	}
	timeout := time.NewTimer(twinTimeout)
	defer timeout.Stop()
	other, err := g.node.net.route(g.node, to)
	if errors.Is(err, errRefused) {
		g.node.noteRefused(to)
	}
	if errors.Is(err, errCut) { // nobody says so
		select {
		case <-timeout.C:
		case <-g.closed:
		}
	}
	if err != nil {
		return nil, err
	}
	g.node.mu.Lock()
	delete(g.node.refused, to)
	g.node.mu.Unlock()
	other.mu.Lock()
	peer := other.groups[g.number]
	other.mu.Unlock()
	if peer == nil {
		return nil, errors.New("twin: no such group")
	}
	answers := make(chan raft.RPCResponse, 1)
	select {
	case peer.consumer <- raft.RPC{Command: command, Reader: data, RespChan: answers}:
	case <-timeout.C:
		return nil, errTimeout
	case <-peer.closed:
		return nil, errRefused
	case <-other.closed:
		return nil, errCut
	case <-g.closed:
		return nil, errCut
	}
	select {
	case answer := <-answers:
		if !g.node.net.comesBack(to, g.node.address) {
			return nil, errCut
		}
		return answer.Response, answer.Error
	case <-timeout.C:
		return nil, errTimeout
	case <-other.closed:
		return nil, errCut
	case <-g.closed:
		return nil, errCut
	}
}

func copyOfRequest(r *raft.AppendEntriesRequest) *raft.AppendEntriesRequest {
	c := *r
	c.Entries = nil
	for _, entry := range r.Entries {
		e := *entry
		e.Data, e.Extensions = bytes.Clone(e.Data), bytes.Clone(e.Extensions)
		c.Entries = append(c.Entries, &e)
	}
	return &c
}

func respond[T any](into *T, answer any, err error) error {
	if err != nil {
		return err
	}
	got, ok := answer.(*T)
	if !ok {
		return fmt.Errorf("twin: answered with %T", answer)
	}
	*into = *got
	return nil
}

func (g *twinGroup) AppendEntries(_ raft.ServerID, to raft.ServerAddress, request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) error {
	answer, err := g.call(to, copyOfRequest(request), nil)
	return respond(response, answer, err)
}

func (g *twinGroup) RequestVote(_ raft.ServerID, to raft.ServerAddress, request *raft.RequestVoteRequest, response *raft.RequestVoteResponse) error {
	answer, err := g.call(to, request, nil)
	return respond(response, answer, err)
}

func (g *twinGroup) RequestPreVote(_ raft.ServerID, to raft.ServerAddress, request *raft.RequestPreVoteRequest, response *raft.RequestPreVoteResponse) error {
	answer, err := g.call(to, request, nil)
	return respond(response, answer, err)
}

func (g *twinGroup) TimeoutNow(_ raft.ServerID, to raft.ServerAddress, request *raft.TimeoutNowRequest, response *raft.TimeoutNowResponse) error {
	g.node.net.mu.Lock()
	deaf := g.node.net.mu.deaf[to]
	g.node.net.mu.Unlock()
	if deaf {
		pause(context.Background(), twinTimeout)
		return errTimeout
	}
	answer, err := g.call(to, request, nil)
	return respond(response, answer, err)
}

func (g *twinGroup) InstallSnapshot(_ raft.ServerID, to raft.ServerAddress, request *raft.InstallSnapshotRequest, response *raft.InstallSnapshotResponse, stream io.Reader) error {
	data, err := io.ReadAll(stream)
	if err != nil {
		return err
	}
	g.node.net.mu.Lock()
	g.node.net.mu.installs = append(g.node.net.mu.installs, recordedInstall{g.number, to, *request, data})
	g.node.net.mu.Unlock()
	sent := *request
	answer, err := g.call(to, &sent, bytes.NewReader(data))
	return respond(response, answer, err)
}

// AppendEntriesPipeline sends one request after the other: the next is on its way while the library works on the last.
func (g *twinGroup) AppendEntriesPipeline(_ raft.ServerID, to raft.ServerAddress) (raft.AppendPipeline, error) {
	p := &twinPipeline{group: g, to: to, requests: make(chan *twinFuture, 2), answers: make(chan raft.AppendFuture, 4), closed: make(chan struct{})}
	p.running.Go(p.run)
	return p, nil
}

type twinPipeline struct {
	group    *twinGroup
	to       raft.ServerAddress
	requests chan *twinFuture
	answers  chan raft.AppendFuture
	once     sync.Once
	closed   chan struct{}
	running  sync.WaitGroup
}

func (p *twinPipeline) run() {
	for {
		select {
		case f := <-p.requests:
			f.err = p.group.AppendEntries("", p.to, f.request, f.response)
			close(f.done)
			if f.err != nil {
				p.end() // the library waits for the next answer, or to be closed
				return
			}
			select {
			case p.answers <- f:
			case <-p.closed:
				return
			}
		case <-p.closed:
			return
		}
	}
}

func (p *twinPipeline) end() { p.once.Do(func() { close(p.closed) }) }

func (p *twinPipeline) AppendEntries(request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	f := &twinFuture{start: time.Now(), request: request, response: response, done: make(chan struct{})}
	select {
	case <-p.closed:
		return nil, errCut
	default:
	}
	select {
	case p.requests <- f:
		return f, nil
	case <-p.closed:
		return nil, errCut
	}
}

func (p *twinPipeline) Consumer() <-chan raft.AppendFuture { return p.answers }

func (p *twinPipeline) Close() error {
	p.end()
	p.running.Wait()
	return nil
}

type twinFuture struct {
	start    time.Time
	request  *raft.AppendEntriesRequest
	response *raft.AppendEntriesResponse
	done     chan struct{}
	err      error
}

func (f *twinFuture) Error() error {
	<-f.done
	return f.err
}
func (f *twinFuture) Start() time.Time                      { return f.start }
func (f *twinFuture) Request() *raft.AppendEntriesRequest   { return f.request }
func (f *twinFuture) Response() *raft.AppendEntriesResponse { return f.response }
