package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-mq/freshet/client"
)

// publisher publishes a feed from one end to the other, as fast as it is let, and
// tells the ledger.
//
//	send ── Sent ──► PublishAsync ──► futures ──► collect ── Stored, Unknown
//	  waits at the gate                              opens half
type publisher struct {
	feed     Feed
	readers  []reader
	ledger   *Ledger
	witness  *witness
	producer *client.Producer
	// half is closed when half of the events are confirmed.
	half chan struct{}
	// gate is closed by whoever kills the node. The last quarter waits for it,
	// so that the kill falls into the publishing however fast that is.
	gate chan struct{}

	mu struct {
		sync.Mutex
		confirmed int
		last      time.Time // when the last event was confirmed
		killed    time.Time
		gap       time.Duration
		refused   int
		refusal   error // the first
	}
}

// publishesMax bounds the events that are sent and not confirmed.
const publishesMax = 2048

// published is an event on its way.
type publishing struct {
	event  int
	future *client.Future
}

func newPublisher(feed Feed, readers []reader, ledger *Ledger, seen *witness, producer *client.Producer) *publisher {
	return &publisher{feed: feed, readers: readers, ledger: ledger, witness: seen, producer: producer, half: make(chan struct{}), gate: make(chan struct{})}
}

// run returns when every event is confirmed or refused, or ctx has ended.
func (p *publisher) run(ctx context.Context) error {
	// In flight there may be at most an eighth, so that the gate holds some back.
	futures := make(chan publishing, min(publishesMax, p.feed.Len()/8))
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error {
		defer close(futures)
		return p.send(ctx, futures)
	})
	both.Go(func() error {
		p.collect(ctx, futures)
		return nil
	})
	return both.Wait()
}

func (p *publisher) send(ctx context.Context, futures chan<- publishing) error {
	for position := range p.feed.Len() {
		if position == p.feed.Len()*3/4 {
			select {
			case <-p.gate:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		event, wanted := p.feed.Event(position)
		published := client.EventFromJSON(event)
		published.Key = p.feed.Key(position)
		readers, digest := readersWanting(wanted, p.readers), DigestOf(event)
		p.ledger.Sent(position, readers, digest)
		p.witness.sent(position, readers, digest, published.Key)
		future := p.producer.PublishAsync(ctx, published)
		select {
		case futures <- publishing{event: position, future: future}:
		case <-ctx.Done():
			p.ledger.Unknown(position)
			return context.Cause(ctx)
		}
	}
	return nil
}

// collect waits for each event's outcome in the order in which they were sent.
func (p *publisher) collect(ctx context.Context, futures <-chan publishing) {
	for sent := range futures {
		receipt, err := sent.future.Wait(ctx)
		if err != nil {
			p.failed(ctx, sent.event, err)
			continue
		}
		at := Place{Partition: receipt.Partition, Offset: receipt.Offset}
		p.ledger.Stored(sent.event, at)
		p.witness.answered(sent.event, at, nil)
		p.confirmed()
	}
}

func (p *publisher) failed(ctx context.Context, event int, err error) {
	if ctx.Err() != nil {
		p.ledger.Unknown(event) // nobody waited for its answer
		return                  // which is what the witness takes it for
	}
	p.witness.answered(event, Place{}, err)
	if errors.Is(err, client.ErrUnknownOutcome) {
		p.ledger.Unknown(event)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.refused++
	if p.mu.refusal == nil {
		p.mu.refusal = fmt.Errorf("%s: %w", p.feed.Describe(event), err)
	}
}

func (p *publisher) confirmed() {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.mu.killed.IsZero() && !p.mu.last.IsZero() {
		p.mu.gap = max(p.mu.gap, now.Sub(p.mu.last))
	}
	p.mu.last = now
	p.mu.confirmed++
	if p.mu.confirmed == p.feed.Len()/2 {
		close(p.half)
	}
}

// nodeKilled opens the gate, and begins to look for the gap that the kill leaves
// in what is confirmed.
func (p *publisher) nodeKilled() {
	p.mu.Lock()
	p.mu.killed = time.Now()
	p.mu.Unlock()
	close(p.gate)
}

// gap is the longest time without a confirmed publish since the node was killed.
func (p *publisher) gap() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.gap
}

// refusal is nil, or says how many events were not stored, and why the first was
// not.
func (p *publisher) refusal() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.refused == 0 {
		return nil
	}
	return fmt.Errorf("%s could not be published; the first: %w", counted(p.mu.refused, "event"), p.mu.refusal)
}

// counted is "1 event", "2,000 events" or "2 deliveries".
func counted(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "y"):
		return thousands(n) + " " + strings.TrimSuffix(noun, "y") + "ies"
	}
	return thousands(n) + " " + noun + "s"
}
