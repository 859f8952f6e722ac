package transport

import (
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// answersReady is how many answers of a pipeline wait for the library before a goroutine waits with them.
const answersReady = 64

// pipeline implements raft.AppendPipeline over one connection. Requests go out and are answered in order.
//
// The library takes what comes out of Consumer as a word from the follower, whatever it says, and does not look at the future's
// error (pipelineDecode in its replication.go). So what a follower's group has answered comes out, also its errors; a request
// that it has not answered ends the pipeline, and the library notices when it sends the next.
//
// Entries beyond Options.AppendBytes are sent in several messages, each following the last: cut down, as AppendEntries does, the
// rest would wait for the next proposal or for CommitTimeout, since the library's pipeline sends once for each wake-up.
// The future is answered when all are: with the first answer that is no success, or with the last.
type pipeline struct {
	group    *GroupTransport
	caller   *caller
	sending  sync.Mutex                 // one request after the other
	message  raft.AppendEntriesRequest  // what is being sent; sending's
	response raft.AppendEntriesResponse // what was answered last; of the goroutine that reads answers
	consumer chan raft.AppendFuture
	room     chan struct{} // holds one: a future was answered
	ended    chan struct{}

	mu struct {
		sync.Mutex
		futures  []*future // sent and not delivered, in order
		draining bool      // a goroutine delivers
		err      error     // why it has ended
	}
}

// AppendEntriesPipeline implements raft.Transport.
func (g *GroupTransport) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	c, err := g.t.reach(id, target, laneData, g.closed)
	if err != nil {
		return nil, err
	}
	p := &pipeline{
		group: g, caller: c, consumer: make(chan raft.AppendFuture, answersReady),
		room: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	if !g.hold(p) {
		return nil, ErrClosed
	}
	return p, nil
}

// AppendEntries implements raft.AppendPipeline. It returns when the request was sent and there is room for another: so the
// library puts together the next one as late as can be, and finds more entries for it.
func (p *pipeline) AppendEntries(args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	p.sending.Lock()
	defer p.sending.Unlock()
	if err := p.group.mayspeak(); err != nil {
		return nil, err
	}
	f := &future{pipeline: p, start: time.Now(), request: args, response: resp}
	f.done.Add(1)
	if err := p.add(f); err != nil {
		return nil, err
	}
	if err := p.sendParts(f); err != nil {
		p.end(err) // if it has not ended already, and that is why
		_, err = p.isFull()
		return nil, err
	}
	for {
		full, err := p.isFull()
		if err != nil {
			return nil, err
		}
		if !full {
			return f, nil
		}
		select {
		case <-p.room:
		case <-p.ended:
		}
	}
}

func (p *pipeline) add(f *future) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.err != nil {
		return p.mu.err
	}
	p.mu.futures = append(p.mu.futures, f)
	return nil
}

func (p *pipeline) isFull() (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.mu.futures) >= p.group.t.options.PipelineDepth, p.mu.err
}

// sendParts sends a request in as many messages as it takes.
func (p *pipeline) sendParts(f *future) error {
	p.message = *f.request
	defer func() { p.message.Entries = nil }()
	rest := f.request.Entries
	for parts := 1; ; parts++ {
		count, bytes, err := p.group.takeRoom(p.caller, rest, p.ended)
		if err != nil {
			return err
		}
		p.message.Entries, rest = rest[:count], rest[count:]
		if parts == 2 {
			p.group.t.counters.split.Add(1)
		}
		part := &part{future: f, last: len(rest) == 0}
		part.exchange = exchange{group: p.group.number, kind: kindAppend, bytes: bytes, waiting: part}
		frame, err := appendFrame(&p.group.t.buffers, &p.message, p.group.sums.Load())
		if err != nil {
			p.caller.window.give(p.group.number, bytes)
			return err
		}
		if err := p.caller.submit(frame, &part.exchange); err != nil {
			return err
		}
		if len(rest) == 0 {
			return nil
		}
		last := p.message.Entries[count-1]
		p.message.PrevLogEntry, p.message.PrevLogTerm = last.Index, last.Term
	}
}

// Consumer implements raft.AppendPipeline.
func (p *pipeline) Consumer() <-chan raft.AppendFuture { return p.consumer }

// Err returns why the next request will fail, nil while nothing is known against it.
func (p *pipeline) Err() error {
	if _, err := p.isFull(); err != nil {
		return err
	}
	return p.caller.err()
}

// Close implements raft.AppendPipeline: requests on their way fail.
func (p *pipeline) Close() error {
	p.end(raft.ErrPipelineShutdown)
	p.group.letGo(p)
	return nil
}

// end fails all that was not answered.
func (p *pipeline) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.err != nil {
		return
	}
	p.mu.err = err
	for _, f := range p.mu.futures {
		if !f.settled {
			f.settled, f.err = true, err
		}
		f.finish()
	}
	p.mu.futures = nil
	close(p.ended)
}

// part is one message of a request.
type part struct {
	exchange exchange
	future   *future
	last     bool
}

// answer implements awaiting.
func (a *part) answer(payload []byte, n *names, err error) error {
	p, f := a.future.pipeline, a.future
	if err == nil {
		p.response = raft.AppendEntriesResponse{}
		err = decodeAnswer(payload, &p.response, n)
	}
	var remote *RemoteError
	if err != nil && !errors.As(err, &remote) {
		p.end(err)
		if errors.Is(err, ErrCorrupt) {
			return err
		}
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.err != nil || f.settled {
		return nil
	}
	if err != nil || !p.response.Success || a.last {
		f.settled, f.result, f.err = true, p.response, err
		p.deliverLocked()
	}
	return nil
}

// deliverLocked hands over what is answered, in order. It does not block: the goroutine that reads from the connection must
// not wait for the library.
func (p *pipeline) deliverLocked() {
	for !p.mu.draining && len(p.mu.futures) > 0 && p.mu.futures[0].settled {
		f := p.mu.futures[0]
		f.finish()
		select {
		case p.consumer <- f:
			p.popLocked()
		default:
			p.mu.draining = true
			p.group.calls.Go(p.drain)
		}
	}
}

func (p *pipeline) popLocked() {
	left := copy(p.mu.futures, p.mu.futures[1:])
	p.mu.futures[left] = nil
	p.mu.futures = p.mu.futures[:left]
	tell(p.room)
}

// drain waits until the library takes an answer.
func (p *pipeline) drain() {
	p.mu.Lock()
	var f *future
	if len(p.mu.futures) > 0 {
		f = p.mu.futures[0]
	}
	p.mu.Unlock()
	if f == nil {
		return // the pipeline has ended
	}
	select {
	case p.consumer <- f:
	case <-p.ended:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.draining = false
	if len(p.mu.futures) > 0 {
		p.popLocked()
		p.deliverLocked()
	}
}

// future implements raft.AppendFuture.
type future struct {
	pipeline *pipeline
	start    time.Time
	request  *raft.AppendEntriesRequest
	response *raft.AppendEntriesResponse
	done     sync.WaitGroup
	err      error

	// The pipeline's: what it was answered with, before its turn has come.
	settled, finished bool
	result            raft.AppendEntriesResponse
}

// finish lets the future's owner see the result.
func (f *future) finish() {
	if !f.finished {
		f.finished = true
		*f.response = f.result
		f.done.Done()
	}
}

// Error implements raft.Future.
func (f *future) Error() error {
	f.done.Wait()
	return f.err
}

// Start implements raft.AppendFuture.
func (f *future) Start() time.Time { return f.start }

// Request implements raft.AppendFuture.
func (f *future) Request() *raft.AppendEntriesRequest { return f.request }

// Response implements raft.AppendFuture.
func (f *future) Response() *raft.AppendEntriesResponse { return f.response }
