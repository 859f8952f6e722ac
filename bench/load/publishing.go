package load

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/freshet-mq/freshet/client"
)

// publisher is one account of a run: a producer, or with keys one of its flights.
type publisher struct {
	run     *run
	account int
	// producers are those of its client, one a topic.
	producers []*client.Producer
	pacer     *pacer
	flights   int
	latencies *latencies
	// late is how late events are handed over.
	late *latencies
}

// publish sends what the pacer says until stop ends, and waits for the answers to
// what is under way for as long as ctx allows.
func (p *publisher) publish(ctx, stop context.Context) error {
	if p.run.Send == SendEach {
		return p.sendEach(ctx, stop)
	}
	var flights sync.WaitGroup
	errs := make([]error, p.flights)
	for i := range errs {
		flights.Go(func() { errs[i] = p.fly(ctx, stop) })
	}
	flights.Wait()
	return errors.Join(errs...)
}

// fly sends one batch after the other.
func (p *publisher) fly(ctx, stop context.Context) error {
	r := p.run
	events := make([]client.Event, r.Batch)
	for i := range events {
		events[i] = r.shape.template
	}
	data := make([]byte, 0, r.Batch*r.EventBytes)
	for {
		if !p.run.awaitConsumers(stop) {
			return nil
		}
		f, ok := p.pacer.take(stop)
		if !ok {
			return nil
		}
		// The bytes of the last batch are ours again: its outcome is known.
		data = data[:0]
		for i := range f.count {
			from, number := len(data), f.first+uint64(i)
			data = r.shape.appendTo(data, p.account, number, f.moment(i))
			events[i].Data, events[i].Key = data[from:len(data):len(data)], r.keys.of(p.account, number)
		}
		p.handOver(&f)
		topic := p.topic(f)
		results, err := p.producers[topic].PublishBatch(ctx, events[:f.count])
		p.note(&f, topic, results)
		if err != nil {
			return fmt.Errorf("producer %d: %w", p.account/r.accountsPerProducer()+1, err)
		}
		r.meter.bytes.Add(int64(len(data)))
	}
}

// awaitConsumers waits while consumers are too far behind, or tells that ctx has ended.
func (r *run) awaitConsumers(ctx context.Context) bool {
	for r.Ahead > 0 && r.meter.published.Load()*int64(r.copies())-r.meter.delivered.Load() > int64(r.Ahead) {
		if !await(ctx, tick) {
			return false
		}
	}
	return true
}

// handOver takes down how late a flight is.
func (p *publisher) handOver(f *flight) {
	if p.run.Rate == 0 {
		return
	}
	now := p.run.meter.now()
	for i := range f.count {
		p.late.record(f.moment(i), now, 1)
	}
}

// topic is where a flight goes. A key stays with a topic, as its order is kept there alone.
func (p *publisher) topic(f flight) int {
	if p.run.Keys > 0 {
		return p.account % p.run.Topics
	}
	return f.turn % p.run.Topics
}

// note takes down what became of a batch, by runs of what was stored.
func (p *publisher) note(f *flight, topic int, results []client.Result) {
	r := p.run
	now := r.meter.now()
	stored := func(from, to int) {
		if from < to {
			r.ledger.stored(p.account, f.first+uint64(from), to-from)
			r.meter.published.Add(int64(to - from))
		}
	}
	from := 0
	for i := range results {
		if results[i].Err == nil {
			r.published.note(results[i].Receipt.Partition, now)
			continue
		}
		stored(from, i)
		from = i + 1
		r.refused(results[i].Err)
	}
	stored(from, len(results))
	r.offsets.noteAll(topic, results)
	if r.Rate == 0 {
		p.latencies.record(f.at, now, f.count)
		return
	}
	for i := range f.count {
		p.latencies.record(f.moment(i), now, 1)
	}
}

// refused counts an event that may not be stored.
func (r *run) refused(err error) {
	if errors.Is(err, client.ErrUnknownOutcome) {
		r.meter.unknown.Add(1)
	} else {
		r.meter.failed.Add(1)
	}
}

// sendEach hands over each event in its moment, and has somebody wait for its outcome. What is under
// way is bounded by the producer's buffer: beyond it handing over waits, and latencies tell.
func (p *publisher) sendEach(ctx, stop context.Context) error {
	r := p.run
	var waiting sync.WaitGroup
	defer waiting.Wait()
	for {
		if !r.awaitConsumers(stop) {
			return nil
		}
		f, ok := p.pacer.take(stop)
		if !ok {
			return nil
		}
		p.handOver(&f)
		topic := p.topic(f)
		for i := range f.count {
			number, at := f.first+uint64(i), f.moment(i)
			// Its bytes are the producer's until the outcome is known, so each has its own.
			data := r.shape.appendTo(make([]byte, 0, r.EventBytes), p.account, number, at)
			future := p.producers[topic].PublishAsync(ctx, r.shape.event(data, r.keys.of(p.account, number)))
			waiting.Go(func() { p.noteOne(ctx, future, topic, number, at, len(data)) })
		}
	}
}

// noteOne waits for the outcome of an event, and takes it down.
func (p *publisher) noteOne(ctx context.Context, future *client.Future, topic int, number uint64, at int64, bytes int) {
	r := p.run
	receipt, err := future.Wait(ctx)
	if err != nil {
		r.refused(err)
		r.end(fmt.Errorf("producer %d: %w", p.account/r.accountsPerProducer()+1, err))
		return
	}
	now := r.meter.now()
	r.stored(p.account, number, topic, receipt.Partition, receipt.Offset, bytes, now)
	p.latencies.record(at, now, 1)
}

// stored takes down one event that is stored.
func (r *run) stored(account int, number uint64, topic int, partition uint32, offset uint64, bytes int, now int64) {
	r.published.note(partition, now)
	r.offsets.stored(topic, partition, offset, 1)
	r.ledger.stored(account, number, 1)
	r.meter.published.Add(1)
	r.meter.bytes.Add(int64(bytes))
}
