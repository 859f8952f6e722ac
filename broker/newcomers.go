package broker

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// newcomers are the connections on which no call has been answered yet. A client makes a call as soon as it can, so all clients of a large cluster may come at once, when another node
// is gone. Connections that are opened and closed, or left alone, come to nothing: one costs the node 100 us of a processor, and thousands a second are all of it. So there may be
// newcomersBurst of them at once, and newcomersPerSecond more; the next then wait in the system's queue, and their machines stop sending when that is full.
//
// It is a bucket of tokens: each connection takes one, and the first answer to a call of it gives that back. (x/time/rate takes nothing back.) One that is closed at
// once, since its client is gone when its turn comes, or as many are open as may be, takes turnedAwayCost: so a queue full of them is soon empty, and who still waits in it served.
//
// Those that leave without having made a call cost as much again, so they leave one after the other, too, until life ends: that of the listener.
type newcomers struct {
	life    context.Context //nolint:containedctx // the listener's
	leaving *rate.Limiter

	mu sync.Mutex
	// tokens were there at a time.
	tokens float64
	at     time.Time
}

const (
	newcomersBurst     = 100
	newcomersPerSecond = 400
	// turnedAwayCost is what accepting and closing costs of what all of a connection does.
	turnedAwayCost = 0.5
	// leaversPerSecond is more, so that they don't become ever more.
	leaversBurst     = 50
	leaversPerSecond = 1_000
)

func newNewcomers(life context.Context, now time.Time) *newcomers {
	return &newcomers{life: life, leaving: rate.NewLimiter(leaversPerSecond, leaversBurst), tokens: newcomersBurst, at: now}
}

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
func (n *newcomers) came(now time.Time) { n.take(now, 1) }

// turnedAway notes one that was closed at once.
func (n *newcomers) turnedAway(now time.Time) { n.take(now, turnedAwayCost) }

func (n *newcomers) take(now time.Time, tokens float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fillLocked(now)
	n.tokens -= tokens
}

// leave waits until one more may leave, or the connection's context ends.
func (n *newcomers) leave(ctx context.Context) {
	turn := n.leaving.Reserve()
	timer := time.NewTimer(turn.Delay())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-n.life.Done():
	}
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
