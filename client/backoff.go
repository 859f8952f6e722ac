package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// Bounds of the pause between two tries.
const (
	backoffMin = 10 * time.Millisecond
	backoffMax = time.Second
)

// retry makes the pauses between tries: 10 ms at first, twice as long each time up to 1 s, and of that a random half to whole, so that
// many clients of a node that comes back don't all come at once. The zero retry is ready.
type retry struct{ tries int }

// next returns the next pause.
func (r *retry) next() time.Duration {
	d := min(backoffMin<<min(r.tries, 10), backoffMax)
	r.tries++
	return d/2 + rand.N(d/2+1) //nolint:gosec // jitter keeps no secret
}

// reset begins again with the shortest pause: something went well.
func (r *retry) reset() { r.tries = 0 }

// pause waits for the next pause, or returns ctx's error.
func (r *retry) pause(ctx context.Context) error { return pauseFor(ctx, r.next()) }

// pauseFor waits so long, or returns ctx's error.
func pauseFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
