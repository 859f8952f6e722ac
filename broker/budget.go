package broker

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"google.golang.org/protobuf/proto"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// budget is the memory that all clients together may make the node hold (N2). It has parts, since one that is used up must not stop what would make
// room in another: blocks are let go of once they are answered, and answers once they are read. And a fourth of what requests and blocks may have is for small
// ones (smallMax), which would else wait behind all that somebody sends as fast as the disks take it.
//
//	requests  that have come only in part (arrivals.go)                      beyond: they aren't read; who began first is cut off
//	calls     every call and stream while it goes on, and what it asks for   beyond: FR3004
//	blocks    published, and not answered yet                               beyond: FR3004; a stream isn't read until there is room
//	answers   until the client's connection has taken them                  beyond: they wait; who doesn't read is cut off
//
// What another node passes on isn't counted: it is where it came from. How long a client takes to read is measured by the machine's time, as its network does, and
// not by the node's clock.
type budget struct {
	// smallRequests is for the first smallMax of each connection; requests for the rest, and where there is no room.
	smallRequests, requests *pool
	calls                   *pool
	// smallBlocks is for blocks of at most smallMax; blocks for others, and where there is no room.
	smallBlocks, blocks *pool
	answers             *pool
	logger              *slog.Logger
	// base is what connections' contexts come from.
	base context.Context //nolint:containedctx // it is the node's own life
	// cut counts the connections that were cut off: their clients didn't read, or didn't finish their requests, or made the node work for nothing.
	cut struct{ unread, unfinished, worthless atomic.Uint64 }
	// slowed counts how often a client wasn't read for some time since it made the node work for nothing.
	slowed atomic.Uint64

	mu struct {
		sync.Mutex
		connections map[*connection]struct{}
		// cutNext is when the next whose request doesn't come to an end may be cut off.
		cutNext time.Time
	}
}

// callBytes is what a call counts for beside its request: goroutines, buffers, and messages too small to be counted.
const callBytes = 16 << 10

// smallMax is what is small of a block with its call, and of a connection's unfinished requests together.
const smallMax = 64 << 10

func newBudget(base context.Context, bytes int64, logger *slog.Logger) *budget {
	requests, blocks := bytes/8, bytes/4
	b := &budget{
		smallRequests: newPool("small_requests", requests/4), requests: newPool("requests", requests-requests/4), calls: newPool("calls", bytes/4),
		smallBlocks: newPool("small_blocks", blocks/4), blocks: newPool("blocks", blocks-blocks/4),
		answers: newPool("answers", bytes-bytes/8-2*(bytes/4)), logger: logger, base: base,
	}
	b.mu.connections = map[*connection]struct{}{}
	return b
}

// tryBlock makes room for a block, and returns the part that has it; nil: there is none.
func (b *budget) tryBlock(bytes int64) *pool {
	switch {
	case bytes <= smallMax && b.smallBlocks.try(bytes):
		return b.smallBlocks
	case b.blocks.try(bytes):
		return b.blocks
	}
	return nil
}

// waitForBlock waits for room for a block, and returns the part that has it. A small one doesn't wait behind large ones.
func (b *budget) waitForBlock(ctx context.Context, bytes int64) (*pool, error) {
	p := b.blocks
	if bytes <= smallMax {
		p = b.smallBlocks
	}
	err := p.wait(ctx, bytes)
	return p, err
}

func (b *budget) connected(c *connection) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.connections[c] = struct{}{}
}

func (b *budget) disconnected(c *connection) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.mu.connections, c)
}

// watchEvery is how often the node looks for clients that don't read.
const watchEvery = time.Second

// watch cuts off clients that don't read, until the context ends.
func (b *budget) watch(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			b.cutStalled()
		case <-ctx.Done():
			return
		}
	}
}

func (b *budget) cutStalled() {
	since, short := time.Now().Add(-stallMax), b.answers.waiting.Load() > 0
	var stalled []*connection
	b.mu.Lock()
	for c := range b.mu.connections {
		if c.stalled(since, short) {
			stalled = append(stalled, c)
		}
	}
	b.mu.Unlock()
	for _, c := range stalled {
		if n := b.cut.unread.Add(1); n&(n-1) == 0 {
			b.logger.Warn("a client that doesn't read what it asked for was cut off", "peer", addressOf(c), "after", stallMax, "in_all", n)
		}
		b.cutOff(c)
	}
}

func (b *budget) cutOff(c *connection) {
	if err := c.Close(); err != nil {
		b.logger.Debug("closing the connection of a client that was cut off", "error", err)
	}
}

const (
	// unfinishedMax is how long a request may take to come when others wait for the room that it takes.
	unfinishedMax = time.Second
	// roomAgain is how often whoever waits for such room looks whether somebody has to be cut off for it, and cutsApart how long it is between two who are, at least: who
	// is to be is looked for among all connections.
	roomAgain = 100 * time.Millisecond
	cutsApart = 5 * time.Millisecond
)

// arrived makes room for what a client has sent of requests that aren't whole; false when its connection is closed first. Meanwhile nothing is read
// of it, and its machine stops sending. Clients are cut off for it one after the other, who began its request first first: what doesn't come to an end makes room for what does.
func (b *budget) arrived(c *connection, bytes int64) bool {
	if b.requests.try(bytes) {
		return true
	}
	for c.life.Err() == nil {
		round, end := context.WithTimeout(c.life, b.cutUnfinished(time.Now()))
		err := b.requests.wait(round, bytes)
		end()
		if err == nil {
			return true
		}
	}
	return false
}

// cutUnfinished cuts off the client whose request began to come first, if that was unfinishedMax ago, of those that have some of the room. Who is cut off comes
// again, as a rule, and sends as much: so all of the room is taken from those who have it in no less than unfinishedMax, evenly. It returns how long it is until it is worth
// another look.
func (b *budget) cutUnfinished(now time.Time) (again time.Duration) {
	var first *connection
	var bytes int64
	before := now.Add(-unfinishedMax)
	b.mu.Lock()
	if again = b.mu.cutNext.Sub(now); again > 0 {
		b.mu.Unlock()
		return min(again, roomAgain)
	}
	for c := range b.mu.connections {
		if since, some := c.arriving.oldest(); some && since.Before(before) {
			if has := c.large(); has > 0 {
				first, before, bytes = c, since, has
			}
		}
	}
	again = max(time.Duration(float64(unfinishedMax)*float64(bytes)/float64(b.requests.bytes)), cutsApart)
	b.mu.cutNext = now.Add(again)
	b.mu.Unlock()
	if first == nil {
		return roomAgain
	}
	if n := b.cut.unfinished.Add(1); n&(n-1) == 0 {
		b.logger.Warn("a client was cut off whose request didn't come to an end, since there was no room for others'", "peer", addressOf(first), "after", unfinishedMax, "in_all", n)
	}
	b.cutOff(first)
	return min(again, roomAgain)
}

// answer makes room for an answer, which is given back when the connection has taken it. It waits for room, but not for long. A connection of nil is another
// node's, and has no bound here.
func (b *budget) answer(ctx context.Context, c *connection, m any) (any, error) {
	message, ok := m.(proto.Message)
	if c == nil || !ok {
		return m, nil
	}
	return b.room(ctx, c, &outgoing{message: message, size: proto.Size(message)}, m)
}

// room makes room for an answer; for a small one, which its call counts for, there is.
func (b *budget) room(ctx context.Context, c *connection, out *outgoing, small any) (any, error) {
	if out.size <= smallBytes {
		return small, nil
	}
	a := &answerHold{conn: c, bytes: int64(out.size), since: time.Now()}
	if !c.unsent.TryAcquire(a.own()) {
		bound, cancel := context.WithTimeout(ctx, stallMax)
		err := c.unsent.Acquire(bound, a.own())
		cancel()
		if err != nil {
			return nil, errUnread
		}
	}
	if !b.answers.try(a.bytes) {
		bound, cancel := context.WithTimeout(ctx, 2*stallMax) // whoever has to be cut off is by then
		err := b.answers.wait(bound, a.bytes)
		cancel()
		if err != nil {
			c.unsent.Release(a.own())
			return nil, b.answers.full()
		}
	}
	if !c.hold(a) {
		c.giveBack(a)
		return nil, errUnread
	}
	out.hold = a
	return out, nil
}

// errUnread is what calls end with whose client doesn't read. It won't read this either, as a rule.
var errUnread = faultf(freshetv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "the answers that the node holds for this connection aren't read; connect again")

// pool is a part of the budget.
type pool struct {
	name  string
	bytes int64
	room  *semaphore.Weighted
	// used is how much of it is, waiting how many wait for room, refused how often somebody was told that there is none.
	used    atomic.Int64
	waiting atomic.Int64
	refused atomic.Uint64
}

func newPool(name string, bytes int64) *pool {
	return &pool{name: name, bytes: bytes, room: semaphore.NewWeighted(bytes)}
}

// weigh is what something counts for: one that is larger than all of the pool has it alone.
func (p *pool) weigh(bytes int64) int64 { return min(bytes, p.bytes) }

func (p *pool) try(bytes int64) bool {
	ok := p.room.TryAcquire(p.weigh(bytes))
	if ok {
		p.used.Add(p.weigh(bytes))
	}
	return ok
}

func (p *pool) wait(ctx context.Context, bytes int64) error {
	if p.try(bytes) {
		return nil
	}
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	err := p.room.Acquire(ctx, p.weigh(bytes))
	if err == nil {
		p.used.Add(p.weigh(bytes))
	}
	return err
}

func (p *pool) give(bytes int64) {
	p.used.Add(-p.weigh(bytes))
	p.room.Release(p.weigh(bytes))
}

// full is the refusal of what there is no room for.
func (p *pool) full() error {
	p.refused.Add(1)
	return faultf(freshetv1.ErrorCode_ERROR_CODE_BUSY, "the %s that the node holds for all clients come to %d bytes, which is as much as it takes on; try again more slowly", p.name, p.bytes).
		with("field", p.name)
}
