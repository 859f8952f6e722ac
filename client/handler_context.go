package client

import (
	"context"
	"sync"
	"time"
)

// handlerContext is what a handler gets: the consumer's work with an end of its own. Most handlers never ask it anything, or pass it on to what doesn't, so the
// context behind it is only made when somebody does: making one, and ending it, costs more than all else that is done for an event.
//
// It stands in for the one behind it in whatever can be asked, so that context.Cause and contexts made of it find that one.
type handlerContext struct {
	work context.Context //nolint:containedctx // what it is made of

	mu sync.Mutex
	// behind is nil until it is asked for, cancel ends it.
	behind context.Context //nolint:containedctx // it is a context
	cancel context.CancelCauseFunc
	// ended is the cause of the end; nil before.
	ended error
}

var _ context.Context = (*handlerContext)(nil)

// end ends the context, if it hasn't.
func (h *handlerContext) end(cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended != nil {
		return
	}
	h.ended = cause
	if h.cancel != nil {
		h.cancel(cause)
	}
}

func (h *handlerContext) made() context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.behind == nil {
		h.behind, h.cancel = context.WithCancelCause(h.work)
		if h.ended != nil {
			h.cancel(h.ended)
		}
	}
	return h.behind
}

// Deadline is the work's, which has none unless the caller of Consume gave it one.
func (h *handlerContext) Deadline() (time.Time, bool) { return h.work.Deadline() }

// Done is closed when the handler has to end, or has.
func (h *handlerContext) Done() <-chan struct{} { return h.made().Done() }

// Err says whether Done is closed.
func (h *handlerContext) Err() error { return h.made().Err() }

// Value is what Consume's context carries.
func (h *handlerContext) Value(key any) any { return h.made().Value(key) }
