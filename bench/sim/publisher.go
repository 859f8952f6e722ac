package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

// publishers are a run's producers, one for each way to publish.
type publishers struct {
	world *world
	next  atomic.Uint64 // message
}

const (
	publishingWays = 3
	// publishEvery is about how often each producer publishes.
	publishEvery = 60 * time.Millisecond
	// outstandingMax bounds what a producer hasn't been answered.
	outstandingMax = 500
	// impatient and patient are how long producers wait for an answer.
	impatient = 1500 * time.Millisecond
	patient   = 30 * time.Second
)

// tell makes the next event and writes down that it is sent.
func (p *publishers) tell(producer uint32) (client.Event, int32, error) {
	m, e, key := messageOf(p.next.Add(1))
	number, err := p.world.recorder.Invoke(history.Publish{
		Message: history.Message(m.Detail.Message), Digest: digestOf(&e), Key: key, Producer: producer, Matches: matching(p.world.readers, m),
	})
	return e, number, err
}

// answer writes down what became of one. Only what the client says was not done, and will not be, is a Fail.
func (p *publishers) answer(number int32, r client.Receipt, err error) {
	switch {
	case err == nil:
		p.world.recorder.Answer(number, history.OK, history.Place{Partition: r.Partition, Offset: r.Offset})
	case errors.Is(err, client.ErrUnknownOutcome):
		p.world.recorder.Answer(number, history.Unknown, history.Place{})
	default:
		p.world.recorder.Answer(number, history.Fail, history.Place{})
	}
}

// run publishes until ctx ends, and waits for all answers. way is how: without waiting, event by event with little patience, or in batches.
func (p *publishers) run(ctx context.Context, c *client.Client, way uint32, random *rand.Rand) error {
	producer, err := c.Producer(topic)
	if err != nil {
		return err
	}
	var waiting sync.WaitGroup
	defer waiting.Wait()
	room := make(chan struct{}, outstandingMax)
	each := max(1, p.world.Rate/publishingWays*int(publishEvery)/int(time.Second))
	// Who publishes goes on waiting for answers when no more is to be published.
	answers := context.WithoutCancel(ctx)
	for pause(ctx, publishEvery/2+time.Duration(random.Int64N(int64(publishEvery)))) {
		count := 1 + random.IntN(2*each)
		switch way {
		case 0:
			err = p.async(answers, producer, way, count, room, &waiting)
		case 1:
			err = p.oneByOne(answers, producer, way, count, room, &waiting)
		default:
			err = p.batch(answers, producer, way, count)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *publishers) async(ctx context.Context, producer *client.Producer, way uint32, count int, room chan struct{}, waiting *sync.WaitGroup) error {
	for range count {
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

func (p *publishers) oneByOne(ctx context.Context, producer *client.Producer, way uint32, count int, room chan struct{}, waiting *sync.WaitGroup) error {
	for range count {
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

func (p *publishers) batch(ctx context.Context, producer *client.Producer, way uint32, count int) error {
	events, numbers := make([]client.Event, count), make([]int32, count)
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
