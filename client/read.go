package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Stored is an event as it lies in a topic's log.
type Stored struct {
	// Event is the event, a copy that is the receiver's.
	Event Event
	// Partition holds it, at Offset of the topic's stream there.
	Partition uint32
	Offset    uint64
	// StoredAt is when it was stored, to the millisecond.
	StoredAt time.Time
}

// TruncatedError says that events before an offset were to be read and are no longer held. Reading goes on behind it.
type TruncatedError struct {
	Partition uint32
	// Before is the first offset that is still held.
	Before uint64
}

func (e *TruncatedError) Error() string {
	return fmt.Sprintf("freshet: truncated: what was before offset %d of partition %d is no longer held", e.Before, e.Partition)
}

// Read yields what a topic's log holds, in order, without leases and without side effects: from the next event on, or as FromEarliest,
// FromOffset or FromTime say, up to the log's head, or on and on with WithFollow. When ctx ends, so does a Read that follows, without
// an error. Broken connections are hidden: it goes on behind the last event.
//
// A *TruncatedError tells of what is missing, and reading goes on; any other error is the last.
func (c *Client) Read(ctx context.Context, topic string, opts ...ReadOption) iter.Seq2[*Stored, error] {
	return func(yield func(*Stored, error) bool) {
		r := reader{client: c, request: &freshetv1.ReadRequest{Topic: topic}, yield: yield}
		if err := checkName("topic", topic); err != nil {
			yield(nil, err)
			return
		}
		r.configure(opts)
		r.run(ctx)
	}
}

// reader is one Read.
type reader struct {
	client  *Client
	request *freshetv1.ReadRequest
	yield   func(*Stored, error) bool
	blocks  block.Reader
	retry   retry
	// fixed says that the request names a place: reading can go on there with nothing missed.
	fixed bool
}

func (r *reader) configure(opts []ReadOption) {
	var o readOptions
	for _, option := range opts {
		option(&o)
	}
	r.request.Pattern, r.request.Follow = o.pattern, o.follow
	switch {
	case o.earliest:
		r.request.From = &freshetv1.ReadRequest_Earliest{Earliest: true}
	case o.offset != nil:
		r.request.From = &freshetv1.ReadRequest_Offset{Offset: *o.offset}
	case !o.time.IsZero():
		r.request.From = &freshetv1.ReadRequest_TimeMs{TimeMs: o.time.UnixMilli()}
	}
	r.fixed = r.request.From != nil
}

// errStopped means that the caller wants no more.
var errStopped = errors.New("stopped")

// run reads stream after stream.
func (r *reader) run(ctx context.Context) {
	for {
		err := r.stream(ctx)
		if err == nil || errors.Is(err, errStopped) {
			return
		}
		if ctx.Err() != nil {
			if !r.request.GetFollow() {
				r.yield(nil, errorOf(ctx, err))
			}
			return
		}
		if err := errorOf(ctx, err); definite(err) || !r.fixed || r.client.context.Err() != nil {
			r.yield(nil, err)
			return
		}
		r.client.options.logger.Debug("reading again after a pause", "topic", r.request.GetTopic(), "error", err)
		if r.retry.pause(ctx) != nil {
			if !r.request.GetFollow() {
				r.yield(nil, fmt.Errorf("freshet: read: %w", ctx.Err()))
			}
			return
		}
	}
}

// stream reads until the node ends the stream, which is nil, or it breaks.
func (r *reader) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := r.client.consume.Read(ctx, r.request)
	if err != nil {
		return err
	}
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		r.retry.reset()
		if before := response.GetTruncatedBefore(); before > 0 {
			r.goOn(before)
			if !r.yield(nil, &TruncatedError{Partition: response.GetPartition(), Before: before}) {
				return errStopped
			}
		}
		if len(response.GetBlock()) > 0 {
			if err := r.events(response); err != nil {
				return err
			}
		}
	}
}

// goOn has the next stream begin at an offset.
func (r *reader) goOn(offset uint64) {
	r.request.From = &freshetv1.ReadRequest_Offset{Offset: offset}
	r.fixed = true
}

// events yields what a response holds.
func (r *reader) events(response *freshetv1.ReadResponse) error {
	offsets := offsetsOf(response.GetEvents())
	b, err := block.Open(response.GetBlock())
	if err != nil {
		return corruptError(response.GetEvents()[0].GetFirst(), err)
	}
	if b.Len() != offsets.count() {
		return &Error{Code: CodeInternal, Message: fmt.Sprintf("the node sent a block of %d events for %d offsets", b.Len(), offsets.count())}
	}
	for r.blocks.Reset(&b); r.blocks.Next(); {
		offset := offsets.next()
		r.goOn(offset + 1)
		stored := &Stored{
			Event: eventOf(r.blocks.Event()), Partition: response.GetPartition(), Offset: offset,
			StoredAt: time.UnixMilli(response.GetStoredMs()).UTC(),
		}
		if !r.yield(stored, nil) {
			return errStopped
		}
	}
	if err := r.blocks.Err(); err != nil {
		return corruptError(offsets.at, err)
	}
	return nil
}

// offsetRuns walks the offsets of runs.
type offsetRuns struct {
	runs []*freshetv1.OffsetRun
	at   uint64 // the last one given
	used uint32 // of the first run
}

func offsetsOf(runs []*freshetv1.OffsetRun) offsetRuns { return offsetRuns{runs: runs} }

func (o *offsetRuns) count() int {
	n := 0
	for _, r := range o.runs {
		n += int(r.GetCount())
	}
	return n
}

// next returns the next offset; there are count of them.
func (o *offsetRuns) next() uint64 {
	for o.used == o.runs[0].GetCount() {
		o.runs, o.used = o.runs[1:], 0
	}
	o.at = o.runs[0].GetFirst() + uint64(o.used)
	o.used++
	return o.at
}
