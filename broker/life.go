package broker

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/partition"
)

// life is the part of a node's life that calls take part in: whether it goes on, and who has to be waited for when it doesn't.
type life struct {
	// stopping ends when the node begins to stop: long calls and streams end with it, short ones are answered.
	stopping context.Context //nolint:containedctx // it is the node's, and outlives every call
	// readers are the goroutines that read streams. They end when their call has, and are joined after the last one.
	readers sync.WaitGroup
	clock   partition.Clock
}

// bind returns a context that also ends when the node begins to stop. release has to be called.
func (l *life) bind(ctx context.Context) (bound context.Context, release func()) {
	bound, cancel := context.WithCancelCause(ctx)
	forget := context.AfterFunc(l.stopping, func() { cancel(errStopping) })
	return bound, func() {
		forget()
		cancel(nil)
	}
}

// ended tells why a bound context ended a call, in place of an error that only says that it did.
func (l *life) ended(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errStopping) {
		return errStopping
	}
	return err
}

// within returns a context that also ends when the node's clock has gone on by d. release has to be called.
func (l *life) within(ctx context.Context, d time.Duration) (bound context.Context, release func()) {
	inner, cancel := context.WithCancel(ctx)
	if d <= 0 {
		cancel()
		return inner, cancel
	}
	timer, stop := l.clock.TimerAt(l.clock.Now().Add(d))
	joined := make(chan struct{})
	go func() {
		defer close(joined)
		select {
		case <-timer:
			cancel()
		case <-inner.Done():
			stop()
		}
	}()
	return inner, func() {
		cancel()
		<-joined
	}
}

// inbound is a stream's messages as a channel, so that a call can wait for them and for other things.
type inbound[T any] struct {
	messages chan *T
	// err says why there are no more; it is set before messages is closed.
	err error
}

// receiver is the reading half of a stream.
type receiver[T any] interface {
	Recv() (*T, error)
	Context() context.Context
}

// read begins to read a stream: one message at a time, the next when that is taken. It ends with the stream, whose call must not wait for it.
func read[T any](l *life, stream receiver[T]) *inbound[T] {
	in := &inbound[T]{messages: make(chan *T)}
	l.readers.Go(func() {
		defer close(in.messages)
		for {
			m, err := stream.Recv()
			if err != nil {
				in.err = err
				return
			}
			select {
			case in.messages <- m:
			case <-stream.Context().Done():
				in.err = stream.Context().Err()
				return
			}
		}
	})
	return in
}

// streamEnd is what a call makes of the end of its client's messages: a client that has said all it had to say is no error.
func streamEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
