package chaos

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

// publishers are a round's producers, one for each way to publish.
type publishers struct {
	recorder *history.Recorder
	readers  []reader
	next     atomic.Uint64 // message
	rate     int           // of each
}

const (
	// publishTick is how often each producer publishes.
	publishTick = 20 * time.Millisecond
	// outstandingMax bounds what a producer hasn't been answered.
	outstandingMax = 1_000
	// impatient and patient are how long producers wait for an answer.
	impatient = 1500 * time.Millisecond
	patient   = 30 * time.Second
)

// tell makes the next event and writes down that it is sent.
func (p *publishers) tell(producer uint32) (client.Event, int32, error) {
	m, e, key := messageOf(p.next.Add(1))
	number, err := p.recorder.Invoke(history.Publish{
		Message: history.Message(m.Detail.Message), Digest: digestOf(&e), Key: key, Producer: producer, Matches: matching(p.readers, m),
	})
	return e, number, err
}

// answer writes down what became of one. Only what the client says was not done, and
// will not be, is a Fail (H2).
func (p *publishers) answer(number int32, r client.Receipt, err error) {
	switch {
	case err == nil:
		p.recorder.Answer(number, history.OK, history.Place{Partition: r.Partition, Offset: r.Offset})
	case errors.Is(err, client.ErrUnknownOutcome):
		p.recorder.Answer(number, history.Unknown, history.Place{})
	default:
		p.recorder.Answer(number, history.Fail, history.Place{})
	}
}

// run publishes with a producer until ctx ends, and waits for all answers. way is how:
// without waiting, event by event with little patience, or in batches.
func (p *publishers) run(ctx context.Context, c *client.Client, way uint32) error {
	producer, err := c.Producer(topic)
	if err != nil {
		return err
	}
	var waiting sync.WaitGroup
	defer waiting.Wait()
	ticker := time.NewTicker(publishTick)
	defer ticker.Stop()
	room := make(chan struct{}, outstandingMax)
	each := max(1, p.rate*int(publishTick)/int(time.Second))
	// Who publishes goes on waiting for answers when no more is to be published.
	answers := context.WithoutCancel(ctx)
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		switch way % 3 {
		case 0:
			err = p.async(answers, producer, way, each, room, &waiting)
		case 1:
			err = p.oneByOne(answers, producer, way, each, room, &waiting)
		default:
			err = p.batch(answers, producer, way, each)
		}
		if err != nil {
			return err
		}
	}
}

func (p *publishers) async(ctx context.Context, producer *client.Producer, way uint32, each int, room chan struct{}, waiting *sync.WaitGroup) error {
	for range each {
		room <- struct{}{} // answers make room
		e, number, err := p.tell(way)
		if err != nil {
			return err
		}
		bounded, cancel := context.WithTimeout(ctx, patient)
		future := producer.PublishAsync(bounded, e)
		waiting.Go(func() {
			defer cancel()
			<-future.Done() // at the latest when the client is shut down
			receipt, err := future.Wait(ctx)
			p.answer(number, receipt, err)
			<-room
		})
	}
	return nil
}

func (p *publishers) oneByOne(ctx context.Context, producer *client.Producer, way uint32, each int, room chan struct{}, waiting *sync.WaitGroup) error {
	for range each {
		select {
		case room <- struct{}{}:
		default:
			return nil // it is slow
		}
		e, number, err := p.tell(way + 100*uint32(len(room))) // who is beside whom has no order
		if err != nil {
			return err
		}
		waiting.Go(func() {
			bounded, cancel := context.WithTimeout(ctx, impatient)
			defer cancel()
			receipt, err := producer.Publish(bounded, e)
			p.answer(number, receipt, err)
			<-room
		})
	}
	return nil
}

func (p *publishers) batch(ctx context.Context, producer *client.Producer, way uint32, each int) error {
	events, numbers := make([]client.Event, each), make([]int32, each)
	for i := range events {
		var err error
		if events[i], numbers[i], err = p.tell(way); err != nil {
			return err
		}
	}
	bounded, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	// The first error is one of the results'.
	results, _ := producer.PublishBatch(bounded, events)
	for i, r := range results {
		p.answer(numbers[i], r.Receipt, r.Err)
	}
	return nil
}
