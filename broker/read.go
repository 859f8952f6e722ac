package broker

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/freshet-mq/freshet/matcher"
	"github.com/freshet-mq/freshet/partition"
	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Read streams what a topic's log holds. A reader that doesn't keep up is held back by the stream; what is removed meanwhile it is told as
// a gap.
func (s *consumeService) Read(req *freshetv1.ReadRequest, stream freshetv1.ConsumeService_ReadServer) error {
	ctx, release := s.life.bind(stream.Context())
	defer release()
	topic, err := s.topic(ctx, actionRead, req.GetTopic())
	if err != nil {
		return err
	}
	at, err := s.partitionOf(topic, req.Partition)
	if err != nil {
		return err
	}
	r := &reading{at: at, id: partition.StreamID(topic.ID), stream: stream}
	if text := req.GetPattern(); text != "" {
		if r.pattern, err = parsePattern("pattern", text); err != nil {
			return err
		}
	}
	to, err := s.lead(ctx, at)
	if err != nil {
		return err
	}
	if to != nil {
		return s.relayRead(ctx, stream, req, to)
	}
	if err := r.begin(ctx, req); err != nil {
		return err
	}
	return s.life.ended(ctx, r.run(ctx, req.GetFollow()))
}

// reading is one reader of a stream.
type reading struct {
	at      hosted
	id      partition.StreamID
	stream  freshetv1.ConsumeService_ReadServer
	pattern *matcher.Pattern
	// next is the offset to be read next.
	next partition.Offset

	reader   block.Reader
	selector block.Selector
}

// begin finds where to begin, and tells of a gap before that.
func (r *reading) begin(ctx context.Context, req *freshetv1.ReadRequest) (err error) {
	switch from := req.GetFrom().(type) {
	case *freshetv1.ReadRequest_Offset:
		r.next = partition.Offset(from.Offset)
		return nil
	case *freshetv1.ReadRequest_TimeMs:
		return r.beginAt(ctx, time.UnixMilli(from.TimeMs))
	case *freshetv1.ReadRequest_Earliest:
		if from.Earliest {
			return r.beginEarliest(ctx)
		}
	}
	if r.next, err = r.at.Head(r.id); err != nil {
		return err
	}
	begins := uint64(r.next)
	return r.stream.Send(&freshetv1.ReadResponse{Partition: r.at.number, Begins: &begins})
}

// beginEarliest begins with whatever is still there, and tells of what isn't.
func (r *reading) beginEarliest(ctx context.Context) (err error) {
	if r.next, err = r.at.Held(r.id); err != nil {
		return err
	}
	// The partition may know the places of blocks that the log has let go of since.
	stored, err := r.at.Next(ctx, r.id, r.next, false)
	switch {
	case errors.Is(err, io.EOF):
	case err != nil:
		return err
	default:
		r.next = max(r.next, stored.First)
	}
	if r.next == 0 {
		return nil
	}
	return r.gap(r.next)
}

// beginAt begins with the first event stored at a time or later. When the log doesn't reach back that far, what is gone may have been
// stored since, and the reader is told.
func (r *reading) beginAt(ctx context.Context, at time.Time) error {
	held, err := r.at.Held(r.id)
	if err != nil {
		return err
	}
	if r.next, err = r.at.OffsetAt(r.id, at); err != nil || held == 0 || r.next != held {
		return err
	}
	stored, err := r.at.Next(ctx, r.id, held, false)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err == nil && !stored.StoredAt.After(at) {
		return nil
	}
	return r.gap(held)
}

// gap tells that what lies before an offset is no longer held.
func (r *reading) gap(before partition.Offset) error {
	return r.stream.Send(&freshetv1.ReadResponse{Partition: r.at.number, TruncatedBefore: uint64(before)})
}

// run sends block after block until the head, or for good.
func (r *reading) run(ctx context.Context, follow bool) error {
	for {
		stored, err := r.at.Next(ctx, r.id, r.next, follow)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if stored.First > r.next {
			if err := r.gap(stored.First); err != nil {
				return err
			}
			r.next = stored.First
		}
		if err := r.send(&stored); err != nil {
			return err
		}
		r.next = stored.First + partition.Offset(stored.Count)
	}
}

// send sends the block's events that are to be read and match.
func (r *reading) send(stored *partition.Stored) error {
	b, err := block.Open(stored.Block)
	if err != nil {
		return err
	}
	runs, err := r.matching(&b, int(r.next-stored.First))
	runs = without(runs, stored.Repeats)
	if err != nil || len(runs) == 0 {
		return err
	}
	res := &freshetv1.ReadResponse{Partition: r.at.number, StoredMs: stored.StoredAt.UnixMilli()}
	for _, run := range runs {
		res.Events = append(res.Events, &freshetv1.OffsetRun{First: uint64(stored.First) + uint64(run.From), Count: uint32(run.To - run.From)})
	}
	// Also a whole block is selected: the producer's identity stays here (B5).
	if res.Block, err = r.selector.Select(nil, &b, runs); err != nil {
		return err
	}
	return r.stream.Send(res)
}

// matching returns the events from an index on that match.
func (r *reading) matching(b *block.Block, from int) (runs []block.Run, err error) {
	if r.pattern == nil {
		return []block.Run{{From: from, To: b.Len()}}, nil
	}
	r.reader.Reset(b)
	r.reader.Seek(from)
	for r.reader.Next() {
		i := r.reader.Index()
		if !r.pattern.Match(matchable(r.reader.View())) {
			continue
		}
		if n := len(runs); n > 0 && runs[n-1].To == i {
			runs[n-1].To++
		} else {
			runs = append(runs, block.Run{From: i, To: i + 1})
		}
	}
	return runs, r.reader.Err()
}

// without takes positions out of runs; both ascend.
func without(runs []block.Run, positions []uint32) (rest []block.Run) {
	if len(positions) == 0 {
		return runs
	}
	for _, run := range runs {
		for len(positions) > 0 && int(positions[0]) < run.To {
			if at := int(positions[0]); at >= run.From {
				if run.From < at {
					rest = append(rest, block.Run{From: run.From, To: at})
				}
				run.From = at + 1
			}
			positions = positions[1:]
		}
		if run.From < run.To {
			rest = append(rest, run)
		}
	}
	return rest
}

// matchable is an event as patterns see it: its JSON, or else its attributes.
func matchable(v *block.View) matcher.Event {
	if v.IsJSON() {
		return matcher.Event{JSON: v.Data()}
	}
	var e matcher.Event
	for name, value := range v.Attributes() {
		e.Attributes = append(e.Attributes, matcher.Attribute{Name: string(name), Value: string(value)})
	}
	return e
}

// parsePattern reads an event pattern that a request gave in the field.
func parsePattern(field, text string) (*matcher.Pattern, error) {
	if len(text) > matcher.PatternBytesMax {
		return nil, limitExceeded(field, matcher.PatternBytesMax, int64(len(text)), "bytes")
	}
	p, err := matcher.Parse([]byte(text))
	if refused, ok := errors.AsType[*matcher.PatternError](err); ok {
		return nil, patternFault(field, refused)
	}
	return p, err
}
