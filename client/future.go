package client

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/freshet-mq/freshet/proto/block"
)

// Receipt says where an event is stored: on disk, on a majority of the partition's replicas.
type Receipt struct {
	// Partition holds the event, at Offset of the topic's stream there. Topic, partition and offset name an event for good.
	Partition uint32
	Offset    uint64
	// Duplicate says that an earlier try, whose answer was lost, had stored it. Matched is empty then, whatever matched.
	Duplicate bool
	// Repeat says that an event with the same DedupID was published before: it is at Offset, and nobody gets this one. Matched is empty then.
	Repeat bool
	// Matched, with WithMatches, names the subscriptions that get the event, in the node's order.
	Matched []string
}

// Result is what became of one event of several.
type Result struct {
	Receipt Receipt
	// Err is nil when the event is stored; otherwise Receipt is empty.
	Err error
}

// Future is an event that is being published.
type Future struct {
	pending    pending
	completion completion
	result     Result
}

// init makes the future that of one event.
func (f *Future) init() {
	f.completion.init(1)
	f.pending.completion, f.pending.result = &f.completion, &f.result
}

// Done is closed when the outcome is known.
func (f *Future) Done() <-chan struct{} { return f.completion.done }

// Wait waits for the outcome, or for ctx to end: its error is returned then, and the event goes on.
func (f *Future) Wait(ctx context.Context) (Receipt, error) {
	select {
	case <-f.completion.done:
		return f.result.Receipt, f.result.Err
	case <-ctx.Done():
		return Receipt{}, fmt.Errorf("freshet: waiting for an answer: %w", ctx.Err())
	}
}

// completion is what a publisher waits for: the end of one event or of several.
type completion struct {
	left atomic.Int64
	done chan struct{}
}

func (c *completion) init(events int) {
	c.left.Store(int64(events))
	c.done = make(chan struct{})
}

func (c *completion) finish(events int) {
	if c.left.Add(-int64(events)) == 0 {
		close(c.done)
	}
}

// pending is an event that a producer holds, from when it was accepted until its outcome is known. Producer.mu guards it; the result can
// be read without once the completion is done, and nobody but the publisher refers to the pending then.
//
//	accept            seal             answer
//	------> gathered ------> sealed -----------> finished
//	         |    ^            |                    ^
//	         |    +------------+                    |
//	         |     slots moved                      |
//	         +-------------- abandon ---------------+
type pending struct {
	record record // empty while sealed
	size   int    // bytes of its record, for the buffer's bound
	number uint64 // in the order of acceptance, from 1
	slot   eventSlot
	sender *sender // whose it is; nil while its partition isn't known

	state      pendingState
	prev, next *pending // while gathered

	result     *Result // the publisher's, who reads it once the completion is done
	completion *completion
}

// record is what stands in a block for an event. Most events have nothing but what is here, and take a third of the room so.
type record struct {
	data               []byte
	source, detailType string
	more               *block.Event // all of it, of an event that has more; otherwise nil
}

// recordOf is the record of an event that is in a block, or is to be.
func recordOf(e block.Event) record {
	if !plain(&e) {
		return record{more: &e}
	}
	return record{data: e.Data, source: e.Source, detailType: e.DetailType}
}

// put makes e, which has nothing else, the event.
func (r *record) put(e *block.Event) *block.Event {
	if r.more != nil {
		return r.more
	}
	e.Data, e.Source, e.DetailType = r.data, r.source, r.detailType
	return e
}

type pendingState uint8

const (
	gathered pendingState = iota
	sealed
	finished
)
