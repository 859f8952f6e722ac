package client

import (
	"context"
	"errors"
	"testing"
)

type contextKey struct{}

// TestHandlerContext wants it to be as context.WithCancelCause's is, whether it was asked before its end or after.
func TestHandlerContext(t *testing.T) {
	for name, asked := range map[string]bool{"asked before": true, "asked after": false} {
		t.Run(name, func(t *testing.T) {
			work, stop := context.WithCancelCause(context.WithValue(t.Context(), contextKey{}, "carried"))
			defer stop(nil)
			h := &handlerContext{work: work}
			var made context.Context
			var cancel context.CancelFunc
			if asked {
				if h.Err() != nil || h.Value(contextKey{}) != "carried" {
					t.Errorf("%v, %v", h.Err(), h.Value(contextKey{}))
				}
				made, cancel = context.WithCancel(h)
				defer cancel()
			}
			h.end(ErrLeaseLost)
			h.end(context.Canceled) // who is first says why
			<-h.Done()
			if !errors.Is(h.Err(), context.Canceled) || !errors.Is(context.Cause(h), ErrLeaseLost) {
				t.Errorf("%v, because of %v", h.Err(), context.Cause(h))
			}
			if !asked {
				made, cancel = context.WithCancel(h)
				defer cancel()
			}
			<-made.Done()
			if !errors.Is(context.Cause(made), ErrLeaseLost) {
				t.Errorf("what was made of it ends because of %v", context.Cause(made))
			}
			if work.Err() != nil {
				t.Error("the work has ended with it")
			}
		})
	}
	work, stop := context.WithCancelCause(t.Context())
	h := &handlerContext{work: work}
	stop(ErrDraining)
	if <-h.Done(); !errors.Is(context.Cause(h), ErrDraining) {
		t.Errorf("the work's end is %v", context.Cause(h))
	}
}

// TestHandlerContextUnasked: nothing is made for a handler that doesn't ask.
func TestHandlerContextUnasked(t *testing.T) {
	h := &handlerContext{work: t.Context()}
	h.end(context.Canceled)
	if h.behind != nil {
		t.Error("a context was made for nobody")
	}
}
