package raftlog

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// Applied says what became of a command.
type Applied struct {
	// Index and Term of its entry.
	Index, Term uint64
	// Result is what Machine.Apply returned for it.
	Result any
}

// Future is the answer to a proposal, once there is one.
type Future struct {
	done    chan struct{}
	applied Applied
	err     error
}

// refused returns a future that has its answer already.
func refused(err error) *Future {
	future := &Future{done: make(chan struct{}), err: err}
	close(future.done)
	return future
}

// Done is closed when Wait will not block any more. Every future gets there while its group lives, and before the
// group's Close returns.
func (f *Future) Done() <-chan struct{} { return f.done }

// Wait returns what became of the command. Errors are ErrNotLeader, ErrClosed, ErrTooLarge and ErrFull, after each of
// which nothing was appended, and ErrOutcomeUnknown. When ctx ends first, that is an unknown outcome too; Wait may be
// called again.
func (f *Future) Wait(ctx context.Context) (Applied, error) {
	select {
	case <-f.done:
		return f.applied, f.err
	default:
	}
	select {
	case <-f.done:
		return f.applied, f.err
	case <-ctx.Done():
		return Applied{}, fmt.Errorf("%w: %w", ErrOutcomeUnknown, context.Cause(ctx))
	}
}

// pending pairs a future with the library's, which can only be waited for by a goroutine of its own.
type pending struct {
	future  *Future
	library raft.Future
	data    []byte // what was proposed
}

// settle waits for the library's answer and passes it on. What was not given to the machine has no answer.
func (p *pending) settle(withheld *atomic.Bool) {
	p.future.err = outcome(p.library.Error())
	if p.future.err == nil && withheld.Load() {
		p.future.err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, errWithheld)
	}
	if entry, ok := p.library.(raft.ApplyFuture); ok && p.future.err == nil {
		// A barrier has no result: its zero Applied stays.
		p.future.applied, _ = entry.Response().(Applied)
	}
	close(p.future.done)
}
