package broker

import (
	"context"
	"sync"
	"time"
)

// newcomers are the connections on which no call has been answered yet. A client makes a call as soon as it can, so all clients of a large cluster may come at once, when another node
// is gone. Connections that are opened and closed, or left alone, come to nothing: one costs the node 100 us of a processor, and thousands a second are all of it. So there may be
// newcomersBurst of them at once, and newcomersPerSecond more; the next then wait in the system's queue, and their machines stop sending when that is full.
//
// It is a bucket of tokens: each connection takes one, and the first answer to a call of it gives that back. (x/time/rate takes nothing back.)
type newcomers struct {
	mu sync.Mutex
	// tokens were there at a time.
	tokens float64
	at     time.Time
}

const (
	newcomersBurst     = 250
	newcomersPerSecond = 1_000
)

func newNewcomers(now time.Time) *newcomers { return &newcomers{tokens: newcomersBurst, at: now} }

// wait waits until one more may come, or the context ends. It tells whether it had to.
func (n *newcomers) wait(ctx context.Context) (waited bool, err error) {
	for {
		left := n.untilNext(time.Now())
		if left <= 0 {
			return waited, nil
		}
		waited = true
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return waited, context.Cause(ctx)
		}
	}
}

// untilNext is how long it is until one more may come.
func (n *newcomers) untilNext(now time.Time) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fillLocked(now)
	if n.tokens >= 1 {
		return 0
	}
	return max(time.Duration((1-n.tokens)/newcomersPerSecond*float64(time.Second)), time.Microsecond)
}

// came notes a connection.
func (n *newcomers) came(now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fillLocked(now)
	n.tokens--
}

// isKnown notes that a call was answered on a connection that came.
func (n *newcomers) isKnown() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tokens = min(n.tokens+1, newcomersBurst)
}

func (n *newcomers) fillLocked(now time.Time) {
	n.tokens = min(n.tokens+now.Sub(n.at).Seconds()*newcomersPerSecond, newcomersBurst)
	n.at = now
}
