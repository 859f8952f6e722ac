package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
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

// TruncatedError says that events before an offset of a partition were to be read and are no longer held. Reading goes on behind it.
type TruncatedError struct {
	Partition uint32
	// Before is the first offset that is still held.
	Before uint64
}

func (e *TruncatedError) Error() string {
	return fmt.Sprintf("freshet: truncated: what was before offset %d of partition %d is no longer held", e.Before, e.Partition)
}

// Read yields what a topic's log holds, without leases and without side effects: from the next event on, or as FromEarliest, FromOffset or FromTime
// say, up to the log's head, or on and on with WithFollow. When ctx ends, so does a Read that follows, without an error. Broken connections, and
// changes of leaders, are hidden: it goes on behind the last event.
//
// The events of one partition come in their order. Those of several come as they are read, in no order among each other, so an offset means something
// only with its partition (WithPartition).
//
// A *TruncatedError tells of what is missing in one partition, and reading goes on; any other error is the last.
func (c *Client) Read(ctx context.Context, topic string, opts ...ReadOption) iter.Seq2[*Stored, error] {
	return func(yield func(*Stored, error) bool) {
		var o readOptions
		for _, option := range opts {
			option(&o)
		}
		readers, err := c.readers(ctx, topic, &o)
		switch {
		case err != nil:
			if !o.follow || ctx.Err() == nil {
				yield(nil, err)
			}
		case len(readers) == 1:
			readers[0].emit = func(s *Stored, err error) bool { return yield(s, err) }
			if err := readers[0].run(ctx); err != nil && !errors.Is(err, errStopped) {
				yield(nil, err)
			}
		default:
			merge(ctx, readers, yield)
		}
	}
}

// readers are the topic's partitions that are to be read.
func (c *Client) readers(ctx context.Context, topic string, o *readOptions) ([]*reader, error) {
	if err := checkName("topic", topic); err != nil {
		return nil, err
	}
	partitions, err := c.partitions(ctx, topic)
	switch {
	case err != nil:
		return nil, err
	case o.partition != nil && !slices.Contains(partitions, *o.partition):
		return nil, &Error{
			Code: CodePartitionNotFound, Message: fmt.Sprintf("topic %q has nothing on partition %d: it is on %v", topic, *o.partition, partitions),
			Metadata: map[string]string{"topic": topic},
		}
	case o.partition != nil:
		partitions = []uint32{*o.partition}
	case o.offset != nil && len(partitions) > 1:
		return nil, argumentError("partition", "offset %d of which partition? topic %q is on %v: name one of them", *o.offset, topic, partitions)
	}
	readers := make([]*reader, len(partitions))
	for i := range partitions {
		readers[i] = newReader(c, topic, partitions[i], o)
	}
	return readers, nil
}

// merge yields what several readers read, as it comes: each has one event in hand at most.
func merge(ctx context.Context, readers []*reader, yield func(*Stored, error) bool) {
	type item struct {
		stored *Stored
		err    error
	}
	ctx, cancel := context.WithCancel(ctx)
	items, over := make(chan item), make(chan error, len(readers))
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel() // before they are joined
	for _, r := range readers {
		r.emit = func(s *Stored, err error) bool {
			select {
			case items <- item{s, err}:
				return true
			case <-ctx.Done():
				return false
			}
		}
		reading.Go(func() {
			err := r.run(ctx)
			if errors.Is(err, errStopped) {
				err = r.ended(ctx)
			}
			over <- err
		})
	}
	for left := len(readers); left > 0; {
		select {
		case i := <-items:
			if !yield(i.stored, i.err) {
				return
			}
		case err := <-over:
			if err != nil {
				yield(nil, err)
				return
			}
			left--
		}
	}
}

// reader reads one partition.
type reader struct {
	way     way
	request *freshetv1.ReadRequest
	// emit takes an event, or a *TruncatedError. False: no more is wanted.
	emit   func(*Stored, error) bool
	blocks block.Reader
	retry  retry
}

func newReader(c *Client, topic string, partition uint32, o *readOptions) *reader {
	r := &reader{way: way{client: c, topic: topic, partition: partition}, request: &freshetv1.ReadRequest{Topic: topic, Partition: &partition, Pattern: o.pattern, Follow: o.follow}}
	switch {
	case o.earliest:
		r.request.From = &freshetv1.ReadRequest_Earliest{Earliest: true}
	case o.offset != nil:
		r.goOn(*o.offset)
	case !o.time.IsZero():
		r.request.From = &freshetv1.ReadRequest_TimeMs{TimeMs: o.time.UnixMilli()}
	}
	return r
}

// errStopped means that the caller wants no more.
var errStopped = errors.New("stopped")

// run reads stream after stream. It returns nil at the head, or when ctx ends one that follows.
func (r *reader) run(ctx context.Context) error {
	for {
		err := r.stream(ctx)
		if err == nil || errors.Is(err, errStopped) {
			return err
		}
		if ctx.Err() != nil {
			return r.ended(ctx)
		}
		err = errorOf(ctx, err)
		r.way.left(err)
		if definite(err) || r.way.client.context.Err() != nil {
			return err
		}
		r.way.client.options.logger.Debug("reading again after a pause", "topic", r.request.GetTopic(), "partition", r.request.GetPartition(), "error", err)
		if r.retry.pause(ctx) != nil {
			return r.ended(ctx)
		}
	}
}

// ended is what the end of ctx means.
func (r *reader) ended(ctx context.Context) error {
	if r.request.GetFollow() {
		return nil
	}
	return fmt.Errorf("freshet: read: %w", ctx.Err())
}

// stream reads until the node ends the stream, which is nil, or it breaks.
func (r *reader) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	node, err := r.way.node(ctx)
	if err != nil {
		return err
	}
	stream, err := node.Read(ctx, r.request)
	if err != nil {
		return err
	}
	answered := false
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		r.retry.reset()
		if !answered {
			r.way.answered()
			answered = true
		}
		if response.Begins != nil {
			r.goOn(response.GetBegins())
		}
		if before := response.GetTruncatedBefore(); before > 0 {
			r.goOn(before)
			if !r.emit(nil, &TruncatedError{Partition: response.GetPartition(), Before: before}) {
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
}

// events emits what a response holds.
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
		if !r.emit(stored, nil) {
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
