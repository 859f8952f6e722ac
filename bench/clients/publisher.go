package clients

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

const (
	// publishEvery is about how often each publisher publishes.
	publishEvery = 60 * time.Millisecond
	// outstandingMax bounds what a publisher hasn't been answered.
	outstandingMax = 1_000
	// impatient and patient are how long publishers wait for an answer.
	impatient = 1500 * time.Millisecond
	patient   = 30 * time.Second
)

// tell makes the next event and writes down that it is sent.
func (c *Clients) tell(producer uint32) (client.Event, int32, error) {
	m, e, key := messageOf(c.messages.Add(1), c.keys())
	number, err := c.recorder.Invoke(history.Publish{
		Message: history.Message(m.Detail.Message), Digest: digestOf(&e), Key: key, Producer: producer, Matches: matching(c.readers, m),
	})
	return e, number, err
}

// answer writes down what became of one. Only what the client says was not done, and will not be, is a Fail (H2).
func (c *Clients) answer(number int32, r client.Receipt, err error) {
	switch {
	case err == nil:
		c.recorder.Answer(number, history.OK, history.Place{Partition: r.Partition, Offset: r.Offset})
	case errors.Is(err, client.ErrUnknownOutcome):
		c.recorder.Answer(number, history.Unknown, history.Place{})
	default:
		c.recorder.Answer(number, history.Fail, history.Place{})
	}
}

// newSlots are what a publisher may have on its way, numbered from 1 on. A slot is free again when its event is answered, so that what is sent in one
// is in order; what is on its way in two is not, whichever call came first.
func newSlots() chan uint32 {
	slots := make(chan uint32, outstandingMax)
	for number := range uint32(outstandingMax) {
		slots <- number + 1
	}
	return slots
}

// publish publishes until ctx ends, and waits for all answers. way is how: without waiting, event by event with little patience, or in batches.
func (c *Clients) publish(ctx context.Context, by *client.Client, way uint32, random *rand.Rand) error {
	producer, err := by.Producer(c.Topic)
	if err != nil {
		return err
	}
	var waiting sync.WaitGroup
	defer waiting.Wait()
	slots := newSlots()
	each := max(1, c.Rate/publishingWays*int(publishEvery)/int(time.Second))
	// Who publishes goes on waiting for answers when no more is to be published.
	answers := context.WithoutCancel(ctx)
	for Pause(ctx, publishEvery/2+time.Duration(random.Int64N(int64(publishEvery)))) {
		count := 1 + random.IntN(2*each)
		switch way {
		case 0:
			err = c.async(answers, producer, way, count, slots, &waiting)
		case 1:
			err = c.oneByOne(answers, producer, way, count, slots, &waiting)
		default:
			err = c.batch(answers, producer, way, count)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Clients) async(ctx context.Context, producer *client.Producer, way uint32, count int, slots chan uint32, waiting *sync.WaitGroup) error {
	for range count {
		slot := <-slots // answers make room
		e, number, err := c.tell(way)
		if err != nil {
			return err
		}
		bounded, cancel := context.WithTimeout(ctx, patient)
		future := producer.PublishAsync(bounded, e)
		waiting.Go(func() {
			defer cancel()
			<-future.Done() // at the latest when the client is shut down
			receipt, err := future.Wait(ctx)
			c.answer(number, receipt, err)
			slots <- slot
		})
	}
	return nil
}

func (c *Clients) oneByOne(ctx context.Context, producer *client.Producer, way uint32, count int, slots chan uint32, waiting *sync.WaitGroup) error {
	for range count {
		var slot uint32
		select {
		case slot = <-slots:
		default:
			return nil // it is slow
		}
		e, number, err := c.tell(way + publishingWays*slot) // who is beside whom has no order
		if err != nil {
			return err
		}
		waiting.Go(func() {
			bounded, cancel := context.WithTimeout(ctx, impatient)
			defer cancel()
			receipt, err := producer.Publish(bounded, e)
			c.answer(number, receipt, err)
			slots <- slot
		})
	}
	return nil
}

func (c *Clients) batch(ctx context.Context, producer *client.Producer, way uint32, count int) error {
	events, numbers := make([]client.Event, count), make([]int32, count)
	for i := range events {
		var err error
		if events[i], numbers[i], err = c.tell(way); err != nil {
			return err
		}
	}
	bounded, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	// The first error is one of the results'.
	results, _ := producer.PublishBatch(bounded, events)
	for i, r := range results {
		c.answer(numbers[i], r.Receipt, r.Err)
	}
	return nil
}
