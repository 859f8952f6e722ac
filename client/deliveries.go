package client

import (
	"context"
	"errors"
	"iter"
	"slices"
)

var (
	// errUndecided is why an event goes back that a loop left undecided.
	errUndecided = errors.New("the loop left it undecided")
	// errNotBegun is what a loop's handler returns for an event that the body never saw: it goes back uncounted.
	errNotBegun = errors.New("the loop ended before its turn came")
)

// Deliveries yields the queue's events one by one, for programs that would rather loop than be called. It consumes as Consume does, with one handler: the
// loop's body. So its lease is extended while the body runs, for WithHandlerTimeout at most, and WithConcurrency is of no consequence; WithWindow says how many
// more are held ready meanwhile. Several loops over one queue compete.
//
// The body decides what becomes of an event: Ack, Release or Reject. What it leaves undecided when it goes on, or breaks off, is released: an attempt, with
// the delay that an error of a Handler has. A body isn't told when a lease is lost; deciding then says ErrLeaseLost.
//
// The loop ends without an error when ctx ends or the client is shut down. An error is the last thing it yields, with no delivery; Consume says which there
// are. When the loop has ended, in whatever way, what it didn't come to is given back, uncounted, and nothing runs any more.
func (q *Queue) Deliveries(ctx context.Context, opts ...ConsumeOption) iter.Seq2[*Delivery, error] {
	return deliveries(ctx, q.Consume, opts)
}

// Deliveries is as Queue.Deliveries, for the member.
func (f *Fanout) Deliveries(ctx context.Context, opts ...ConsumeOption) iter.Seq2[*Delivery, error] {
	return deliveries(ctx, f.Consume, opts)
}

// handed is an event on its way from a handler to the loop's body, which closes over when it is done with it.
type handed struct {
	delivery *Delivery
	over     chan struct{}
}

func deliveries(ctx context.Context, consume func(context.Context, Handler, ...ConsumeOption) error, opts []ConsumeOption) iter.Seq2[*Delivery, error] {
	return func(yield func(*Delivery, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		next, ended := make(chan handed), make(chan error, 1)
		go func() {
			ended <- consume(ctx, handTo(ctx, next), append(slices.Clip(opts), WithConcurrency(1))...)
		}()
		joined := false
		defer func() { // also when the body panics
			cancel()
			if !joined {
				if err := <-ended; err != nil { // the body has heard of its own decisions
					return
				}
			}
		}()
		for {
			select {
			case err := <-ended:
				joined = true
				if err != nil {
					yield(nil, err)
				}
				return
			case h := <-next:
				if !h.give(yield) {
					return
				}
			}
		}
	}
}

// give has the loop's body work on the event.
func (h handed) give(yield func(*Delivery, error) bool) bool {
	defer close(h.over)
	return yield(h.delivery, nil)
}

// handTo is the handler that a loop has: it returns when the body has. loop ends with the loop.
func handTo(loop context.Context, next chan<- handed) Handler {
	return func(_ context.Context, d *Delivery) error {
		h := handed{d, make(chan struct{})}
		if loop.Err() != nil {
			return errNotBegun
		}
		select {
		case next <- h:
			<-h.over // the body is the handler, whatever becomes of the lease
			return errUndecided
		case <-loop.Done():
			return errNotBegun
		}
	}
}
