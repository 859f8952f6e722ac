package raftlog

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// errNotLeading fails a message of a leadership that has ended.
var errNotLeading = errors.New("raftlog: this node does not lead in that term any more")

// GroupTransport carries the messages of one group. SetHeartbeatHandler must not make heartbeats bypass Consumer.
type GroupTransport interface {
	raft.Transport
	raft.WithPreVote
	raft.WithClose
}

// link stands between the library and the group's transport. The library comes and goes (rebuild), the link stays.
//
//	transport.Consumer ──▶ relay ──▶ link.rpcs ──▶ library
//	transport ◀──── link: only in the term that it leads ◀──── library's replication
//
// It doesn't implement raft.WithClose: the library would close the transport with itself.
type link struct {
	raft.Transport
	preVotes raft.WithPreVote
	rpcs     chan raft.RPC
	// scanned is called when a new library has read the log, before anything of it runs.
	scanned func()
	// term is the one in which this node leads, 0 when it doesn't. Entries read for replication are lent by the log while it
	// leads; those read by a replicator that has not noticed the end of its leadership are not, and must not be sent: the
	// log may use their memory again.
	term atomic.Uint64
	news news
	// synced is the log's.
	synced func(index uint64) uint64
	// failed is closed when the log has failed.
	failed <-chan struct{}
}

var (
	_ raft.Transport   = (*link)(nil)
	_ raft.WithPreVote = (*link)(nil)
)

func newLink(to GroupTransport) *link {
	l := &link{Transport: to, preVotes: to, rpcs: make(chan raft.RPC), synced: func(index uint64) uint64 { return index }}
	l.news.committed, l.news.mu.pipelines = make(chan struct{}, 1), map[*linkedPipeline]struct{}{}
	return l
}

// Consumer implements raft.Transport. The channel has no buffer: what is taken from it is worked on at once.
func (l *link) Consumer() <-chan raft.RPC { return l.rpcs }

// SetHeartbeatHandler implements raft.Transport. Heartbeats that bypass the library's main loop can break safety (raft issue
// 695), so the handler is not passed on. The library calls this between reading its log and starting its goroutines.
func (l *link) SetHeartbeatHandler(func(raft.RPC)) { l.scanned() }

// RequestPreVote implements raft.WithPreVote.
func (l *link) RequestPreVote(id raft.ServerID, target raft.ServerAddress, request *raft.RequestPreVoteRequest, response *raft.RequestPreVoteResponse) error {
	return l.preVotes.RequestPreVote(id, target, request, response)
}

// AppendEntries implements raft.Transport.
func (l *link) AppendEntries(id raft.ServerID, target raft.ServerAddress, request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) error {
	if err := l.check(request); err != nil {
		return err
	}
	l.clamp(request)
	return l.Transport.AppendEntries(id, target, request, response)
}

// check refuses entries that can't be sent any more: the log may have used their memory again, or could not be read (view.GetLog).
func (l *link) check(request *raft.AppendEntriesRequest) error {
	if len(request.Entries) == 0 {
		return nil
	}
	select {
	case <-l.failed:
		return errNotLeading
	default:
	}
	if l.term.Load() != request.Term {
		return errNotLeading
	}
	return nil
}

// clamp lets a message say nothing to be committed that this node's own disk lacks (ahead.go). The library has read its commit index before,
// so what it was computed from was in the log before.
func (l *link) clamp(request *raft.AppendEntriesRequest) {
	request.LeaderCommitIndex = l.synced(request.LeaderCommitIndex)
}

// AppendEntriesPipeline implements raft.Transport.
func (l *link) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	p, err := l.Transport.AppendEntriesPipeline(id, target)
	if err != nil {
		return nil, err
	}
	linked := &linkedPipeline{AppendPipeline: p, link: l, sending: make(chan struct{}, 1)}
	l.news.add(linked)
	return linked, nil
}

type linkedPipeline struct {
	raft.AppendPipeline
	link    *link
	sending chan struct{} // holds one, who sends, so that what is noted has been sent; a mutex would hold up virtual time
	said    said
	left    time.Time // until when the last repetition took that was left out; of who sends
}

// AppendEntries implements raft.AppendPipeline.
func (p *linkedPipeline) AppendEntries(request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	if err := p.link.check(request); err != nil {
		return nil, err
	}
	p.link.clamp(request)
	p.sending <- struct{}{} // the other who sends is let go with the pipeline's end at the latest
	if p.repeats(request) {
		hasty := p.hasty()
		<-p.sending
		if hasty {
			<-time.After(repeatRest)
		}
		return &untold{request, response, time.Now()}, nil
	}
	defer func() { <-p.sending }()
	future, err := p.AppendPipeline.AppendEntries(request, response)
	if err == nil {
		p.said.note(request)
	}
	return future, err
}

// Close implements raft.AppendPipeline.
func (p *linkedPipeline) Close() error {
	p.link.news.remove(p)
	return p.AppendPipeline.Close()
}
