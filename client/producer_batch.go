package client

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
)

// waiting is the events of a PublishBatch, in memory that is used again.
type waiting struct {
	events     []pending
	completion *completion
}

// waitings are those that nobody refers to any more.
var waitings = sync.Pool{New: func() any { return new(waiting) }}

// waitingKept is the largest batch whose memory is kept: 2 MiB.
const waitingKept = 16_384

// waitingFor returns what waits for as many events as there are results.
func waitingFor(results []Result) *waiting {
	w := waitings.Get().(*waiting) //nolint:forcetypeassert // the pool holds nothing else
	w.events = slices.Grow(w.events[:0], len(results))[:len(results)]
	w.completion = &completion{}
	w.completion.init(len(results))
	for i := range w.events {
		w.events[i].completion, w.events[i].result = w.completion, &results[i]
	}
	return w
}

// release gives the memory back. All events are finished.
func (w *waiting) release() {
	clear(w.events)
	w.completion = nil
	if cap(w.events) <= waitingKept {
		waitings.Put(w)
	}
}

// Bounds of a block. Larger blocks cost latency and gain little: compression works on frames of 16 KiB.
const (
	blockBytesMax       = 256 << 10
	blockEventsMax      = block.EventsMax
	blockEventsMatching = 1_024 // with report_matches (publish.proto)
)

// eventsMax is how many events a block of this producer has at most.
func (p *Producer) eventsMax() int {
	if p.options.matches {
		return blockEventsMatching
	}
	return blockEventsMax
}

// gathering is the events that wait to be made into blocks, in the order of their acceptance. It is a list, because an event whose
// publisher gives up is taken out again.
type gathering struct {
	first, last *pending
	events      int
	bytes       int
	since       time.Time // when it last began to be not empty
}

// add appends an event, and reports whether the sender has to look: at the first event, and when a block is full.
func (g *gathering) add(w *pending, eventsMax int) (wake bool) {
	w.prev, w.next = g.last, nil
	if g.last == nil {
		g.first, g.since = w, time.Now()
	} else {
		g.last.next = w
	}
	g.last = w
	full := g.full(eventsMax)
	g.events++
	g.bytes += w.size
	return g.events == 1 || !full && g.full(eventsMax)
}

// full says that there is enough for a block.
func (g *gathering) full(eventsMax int) bool {
	return g.events >= eventsMax || g.bytes >= blockBytesMax
}

// remove takes an event out.
func (g *gathering) remove(w *pending) {
	if w.prev == nil {
		g.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		g.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
	g.events--
	g.bytes -= w.size
}

// take takes out the next block's events: at least one, and more while they fit.
func (g *gathering) take(eventsMax int) []*pending {
	taken := make([]*pending, 0, min(g.events, eventsMax))
	bytes := 0
	for g.first != nil && len(taken) < eventsMax {
		w := g.first
		if bytes += w.size; bytes > blockBytesMax && len(taken) > 0 {
			break
		}
		g.remove(w)
		taken = append(taken, w)
	}
	return taken
}

// takeAll takes out everything.
func (g *gathering) takeAll() []*pending {
	all := make([]*pending, 0, g.events)
	for g.first != nil {
		w := g.first
		g.remove(w)
		all = append(all, w)
	}
	return all
}

// checkers are Writers that only measure.
var checkers = sync.Pool{New: func() any { return new(block.Writer) }}

// checkRecord holds an event against the format's limits, and returns the bytes of its record. It has the block's Writer judge everything
// but the data, which is only measured.
func checkRecord(e *block.Event) (size int, err error) {
	if err := checkData(len(e.Data)); err != nil {
		return 0, err
	}
	if plain(e) {
		return plainSize(len(e.Data)), nil // nothing else that could be over a limit
	}
	w := checkers.Get().(*block.Writer) //nolint:forcetypeassert // the pool holds nothing else
	defer checkers.Put(w)
	if err := w.Reset(block.Options{}); err != nil {
		return 0, recordError(err)
	}
	properties := *e
	properties.Data, properties.Source, properties.DetailType = nil, "", ""
	if err := w.Append(&properties); err != nil {
		return 0, recordError(err)
	}
	return w.Size() + len(e.Data), nil
}

// checkData holds an event's data against its limit.
func checkData(bytes int) error {
	if bytes > block.DataBytesMax {
		return recordError(&block.LimitError{Field: "data", Limit: block.DataBytesMax, Got: int64(bytes)})
	}
	return nil
}

// plainSize is the bytes of the record of an event that has data alone.
func plainSize(data int) int { return 1 + data }

// plain says that an event has data alone.
func plain(e *block.Event) bool {
	return e.ContentType == "" && e.Key == "" && e.DedupID == "" && e.DeliverAtMillis == 0 && e.CorrelationID == "" && e.CausationID == "" &&
		e.TraceParent == "" && e.TraceState == "" && e.Schema == "" && len(e.Attributes) == 0
}

// recordError is what the format refuses, as a node would say it.
func recordError(err error) error {
	if limit, ok := errors.AsType[*block.LimitError](err); ok {
		return limitError(limit.Field, limit.Limit, limit.Got, limitMessage(limit))
	}
	if field, ok := errors.AsType[*block.FieldError](err); ok {
		return argumentError(field.Field, "%s %s", field.Field, field.Reason)
	}
	return &Error{Code: CodeInternal, Message: "the event can't be put into a block: " + err.Error()}
}

func limitMessage(e *block.LimitError) string {
	unit := "bytes"
	switch e.Field {
	case "attributes":
		unit = "of them"
	case "deliver_at_ms":
		unit = "ms since 1970"
	}
	return fmt.Sprintf("%s is %d %s, at most %d are possible", e.Field, e.Got, unit, e.Limit)
}
