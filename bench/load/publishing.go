package load

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/freshet-mq/freshet/client"
)

// publisher is one producer of a run, with a client of its own.
type publisher struct {
	run      *run
	index    int
	producer *client.Producer
	pacer    *pacer
}

// publish sends what the pacer says until stop ends, and waits for the answers to
// what is under way for as long as ctx allows.
func (p *publisher) publish(ctx, stop context.Context) error {
	var flights sync.WaitGroup
	errs := make([]error, p.run.Flights)
	for i := range errs {
		flights.Go(func() { errs[i] = p.fly(ctx, stop) })
	}
	flights.Wait()
	return errors.Join(errs...)
}

// fly sends one batch after the other.
func (p *publisher) fly(ctx, stop context.Context) error {
	r := p.run
	latencies := r.meter.latencies(publishing)
	events := make([]client.Event, r.Batch)
	data := make([]byte, 0, r.Batch*r.EventBytes)
	for {
		f, ok := p.pacer.take(stop)
		if !ok {
			return nil
		}
		// The bytes of the last batch are ours again: its outcome is known.
		data = data[:0]
		for i := range f.count {
			from := len(data)
			data = r.shape.appendTo(data, p.index, f.first+uint64(i), f.moment(i))
			events[i] = client.Event{Data: data[from:len(data):len(data)], Source: shapeSource, DetailType: shapeType}
		}
		results, err := p.producer.PublishBatch(ctx, events[:f.count])
		p.note(f, results, latencies)
		if err != nil {
			return fmt.Errorf("producer %d: %w", p.index+1, err)
		}
	}
}

// note takes down what became of a batch, by runs of what was stored.
func (p *publisher) note(f flight, results []client.Result, latencies *latencies) {
	r := p.run
	now := r.meter.now()
	stored := func(from, to int) {
		if from < to {
			r.ledger.stored(p.index, f.first+uint64(from), to-from)
			r.meter.published.Add(int64(to - from))
		}
	}
	from := 0
	for i := range results {
		if results[i].Err == nil {
			continue
		}
		stored(from, i)
		from = i + 1
		if errors.Is(results[i].Err, client.ErrUnknownOutcome) {
			r.meter.unknown.Add(1)
		} else {
			r.meter.failed.Add(1)
		}
	}
	stored(from, len(results))
	if r.Rate == 0 {
		r.meter.record(latencies, f.at, now, f.count)
		return
	}
	for i := range f.count {
		r.meter.record(latencies, f.moment(i), now, 1)
	}
}
