package raftlog

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// newsDelay is how long news of a commit wait for entries that bring them along.
	newsDelay = 2 * time.Millisecond
	// repeatAfter is how often a follower is told again what it was told before.
	repeatAfter = 5 * time.Second
)

// A follower learns that an entry is committed with the leader's next message. Where no entry follows, the library sends one after
// commitTimeout, which is long, since it does so for ever in a group that nobody writes to. So who waits for a follower to apply
// something, as whoever creates a topic does at a node that doesn't lead, waited for a quarter of a second, or half, for each step.
//
// A leader therefore says so itself: once something was applied and nothing is on its way that would say it, it sends each follower
// an empty message, once for each lull; an idle group sends nothing. The message is what the library would send a little later, in its own
// pipeline and in order: it names the last entry that was sent there before, so it is refused only where that is, and
// the library takes the answer for one to its own.
//
// What the library says every commitTimeout is then nothing new, nearly always: such messages are left out (repeats), all but one now and
// then, for a follower whose library was built anew and has forgotten what it was told.
type news struct {
	committed chan struct{} // something was applied, and it was the last there is; holds one
	mu        struct {
		sync.Mutex
		pipelines map[*linkedPipeline]struct{}
	}
}

func (n *news) add(p *linkedPipeline) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.pipelines[p] = struct{}{}
}

func (n *news) remove(p *linkedPipeline) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.mu.pipelines, p)
}

func (n *news) open() []*linkedPipeline {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []*linkedPipeline
	for p := range n.mu.pipelines {
		list = append(list, p)
	}
	return list
}

// lull is told, on the library's apply goroutine, what was applied. Under load something more is on its way all the time.
func (g *Group) lull(index uint64) {
	if g.link.term.Load() == 0 {
		return
	}
	if library := g.raft.Load(); library != nil && library.LastIndex() == index {
		tell(g.link.news.committed)
	}
}

// spread tells followers of commits until the group closes.
func (g *Group) spread() {
	for {
		select {
		case <-g.link.news.committed:
		case <-g.stopping:
			return
		}
		delay := time.NewTimer(newsDelay)
		select {
		case <-delay.C:
		case <-g.stopping:
			delay.Stop()
			return
		}
		commit := g.entries.synced(g.raft.Load().CommitIndex())
		for _, p := range g.link.news.open() {
			p.tellOf(commit)
		}
	}
}

// said is what a pipeline has sent last.
type said struct {
	request     raft.AppendEntriesRequest // without entries: header, term, commit
	index, term uint64                    // of the last entry
	at          time.Time
}

// note keeps what is needed to say more. The caller has the pipeline's turn to send.
func (s *said) note(request *raft.AppendEntriesRequest) {
	s.request = *request
	s.request.Entries = nil
	s.at = time.Now()
	s.index, s.term = request.PrevLogEntry, request.PrevLogTerm
	if n := len(request.Entries); n > 0 {
		s.index, s.term = request.Entries[n-1].Index, request.Entries[n-1].Term
	}
}

// tellOf sends a follower a commit that it has not been told of, if that is of the last entry sent: later ones bring it along.
func (p *linkedPipeline) tellOf(commit uint64) {
	select {
	case p.sending <- struct{}{}:
	default:
		return // something is being sent
	}
	defer func() { <-p.sending }()
	request := p.said.request
	if p.said.index != commit || request.LeaderCommitIndex >= commit || p.link.term.Load() != request.Term {
		return
	}
	request.PrevLogEntry, request.PrevLogTerm, request.LeaderCommitIndex = p.said.index, p.said.term, commit
	if _, err := p.AppendPipeline.AppendEntries(&request, new(raft.AppendEntriesResponse)); err == nil {
		p.said.note(&request)
	}
	// An error is the pipeline's end, which the library hears of too, and follows with messages that say the same.
}

// mortal is a pipeline that says whether it has ended.
type mortal interface{ Err() error }

// repeats says whether a request tells a follower nothing that it was not told a short while ago, over a connection that is there still. The
// caller has the pipeline's turn to send. A pipeline that has ended takes any request, since that is how the library hears of it.
func (p *linkedPipeline) repeats(request *raft.AppendEntriesRequest) bool {
	last := &p.said
	if len(request.Entries) > 0 || request.Term != last.request.Term || request.LeaderCommitIndex != last.request.LeaderCommitIndex ||
		request.PrevLogEntry != last.index || request.PrevLogTerm != last.term || time.Since(last.at) >= repeatAfter {
		return false
	}
	pipeline, ok := p.AppendPipeline.(mortal)
	return ok && pipeline.Err() == nil
}

// repeatRest is what a repetition takes that comes right after another.
const repeatRest = time.Millisecond

// hasty says whether the library repeats itself without a pause: while it hands on its leadership it does, until the successor has answered the
// last entry, as fast as its messages are taken. Where they are left out that would be all that the processor does, so it is made to
// wait. The caller has the pipeline's turn to send.
func (p *linkedPipeline) hasty() bool {
	now := time.Now()
	hasty := now.Sub(p.left) < repeatRest
	if p.left = now; hasty {
		p.left = now.Add(repeatRest) // when it returns
	}
	return hasty
}

// untold is the future of a request that was left out. The library looks at futures that a pipeline's Consumer hands out, which this one never
// is: no follower has answered.
type untold struct {
	request  *raft.AppendEntriesRequest
	response *raft.AppendEntriesResponse
	start    time.Time
}

// Error implements raft.Future.
func (*untold) Error() error { return nil }

// Start implements raft.AppendFuture.
func (u *untold) Start() time.Time { return u.start }

// Request implements raft.AppendFuture.
func (u *untold) Request() *raft.AppendEntriesRequest { return u.request }

// Response implements raft.AppendFuture.
func (u *untold) Response() *raft.AppendEntriesResponse { return u.response }
