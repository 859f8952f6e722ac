package raftlog

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// Installing a snapshot is where the library (1.7.3) needs help, in two ways.
//
// A late or repeated install. The library takes any snapshot of its term's leader, also one of a state that it has long left
// behind, and then clears its whole log: entries that it has acknowledged since are gone, and with them perhaps the only
// majority that had them. So an install is refused where the log has all that the snapshot stands for: it is applied, or
// the log has the snapshot's last entry, of that very term. The leader is told that it succeeded, which is so.
//
// What the library remembers. After an install its notion of the last entry is still the old log's (raft issue 697), and the
// log has to go from one that ends anywhere to one that begins behind the snapshot. So after an install the library is shut
// down and built anew from disk, and only then the leader gets its answer.
//
// A crash may come anywhere in between. In the order in which things become durable:
//
//	beginInstall  what is known to be committed here (floor), and the state that is to come
//	state         it takes the old one's place in one step
//	settle        entries behind floor, of which nobody knows whether they were right, are removed; the next is the state's + 1
//
// A crash before the second step leaves the old state and a note that comes to nothing; one after it finds both, and settle
// goes on where it was.

// errCovered refuses an install of what is there already.
var errCovered = errors.New("raftlog: the log has what the snapshot stands for")

// checkpoints is the group's raft.SnapshotStore: somebody's, with a guard before installs.
type checkpoints struct {
	raft.SnapshotStore
	group *Group
	// starting: what the library opens now it restores itself, and does not send.
	starting atomic.Bool
	// installing says how far an install has come. The library carries it out on its main loop, while the relay waits for
	// the answer and keeps checkpoints from being taken.
	installing atomic.Int32
}

const (
	installNone int32 = iota
	installAsked
	installCovered   // refused, since it is not needed
	installCommitted // the state on disk is the new one, or nobody knows
)

// Create implements raft.SnapshotStore, for checkpoints and for installs.
func (c *checkpoints) Create(version raft.SnapshotVersion, index, term uint64, configuration raft.Configuration, configurationIndex uint64, transport raft.Transport) (raft.SnapshotSink, error) {
	if c.installing.Load() == installNone {
		return c.SnapshotStore.Create(version, index, term, configuration, configurationIndex, transport)
	}
	if !c.group.without.installGuard.Load() && c.group.covers(index, term) {
		c.installing.Store(installCovered)
		return nil, errCovered
	}
	sink, err := c.SnapshotStore.Create(version, index, term, configuration, configurationIndex, transport)
	if err != nil {
		return nil, err
	}
	return &installSink{SnapshotSink: sink, checkpoints: c, index: index, term: term}, nil
}

// covers says whether the log has all that a state as of an entry stands for. It is called on the library's main loop, so
// that nothing changes meanwhile.
func (g *Group) covers(index, term uint64) bool {
	if index <= g.raft.Load().AppliedIndex() {
		return true
	}
	var entry raft.Log
	err := g.entries.GetLog(index, &entry)
	return err == nil && entry.Term == term
}

// installSink is what an install writes to.
type installSink struct {
	raft.SnapshotSink
	checkpoints *checkpoints
	index, term uint64
}

// Close implements raft.SnapshotSink: the state becomes the group's.
func (s *installSink) Close() error {
	g := s.checkpoints.group
	if err := g.entries.beginInstall(g.raft.Load().AppliedIndex(), s.index, s.term); err != nil {
		return errors.Join(err, s.Cancel())
	}
	s.checkpoints.installing.Store(installCommitted)
	return s.SnapshotSink.Close()
}

// Open implements raft.SnapshotStore.
func (c *checkpoints) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, stream, err := c.SnapshotStore.Open(id)
	if err != nil {
		return nil, nil, err
	}
	return meta, &source{ReadCloser: stream, meta: meta}, nil
}

// source is an opened snapshot that knows what it stands for: the library hands Restore nothing but a stream.
type source struct {
	io.ReadCloser
	meta *raft.SnapshotMeta
}

// sourceOf finds the source in what the library has wrapped around it.
func sourceOf(stream io.ReadCloser) (*source, error) {
	for {
		switch s := stream.(type) {
		case *source:
			return s, nil
		case raft.ReadCloserWrapper:
			stream = s.WrappedReadCloser()
		default:
			return nil, fmt.Errorf("raftlog: assertion: a snapshot is restored from a %T", stream)
		}
	}
}

// install passes an install on to the library, and answers it. It is one goroutine for each, joined by Close.
func (g *Group) install(rpc raft.RPC) {
	if !g.change() {
		rpc.Respond(nil, ErrClosed)
		return
	}
	defer g.release()
	g.snapshots.installing.Store(installAsked)
	defer g.snapshots.installing.Store(installNone)
	answers := make(chan raft.RPCResponse, 1)
	select {
	case g.link.rpcs <- raft.RPC{Command: rpc.Command, Reader: rpc.Reader, RespChan: answers}:
	case <-g.stopping:
		rpc.Respond(nil, ErrClosed)
		return
	}
	answer := <-answers
	switch g.snapshots.installing.Load() {
	case installCovered:
		response, ok := answer.Response.(*raft.InstallSnapshotResponse)
		if !ok {
			break
		}
		g.log.Debug("answered an install of what is there already")
		response.Success = true
		answer = raft.RPCResponse{Response: response}
	case installCommitted:
		if g.without.rebuild.Load() {
			break
		}
		if err := g.rebuild(); err != nil && !errors.Is(err, ErrClosed) {
			// The state is another one, and the log does not fit it. A new process finds its way from here.
			g.fail(fmt.Errorf("raftlog: after an install: %w", err))
			answer.Error = err
		}
	}
	if err := g.vouch(); err != nil {
		answer.Error = err
	}
	rpc.Respond(answer.Response, answer.Error)
}
