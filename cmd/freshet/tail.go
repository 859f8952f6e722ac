package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-mq/freshet/client"
)

// tailCommand follows a topic.
type tailCommand struct {
	Topic string `arg:"" help:"The topic."`
	patternFlags

	From     moment `help:"Where to begin: now, earliest, -10m, @OFFSET, or a time such as 2026-01-31T08:00:00Z; default now." placeholder:"PLACE"`
	Number   count  `help:"End after this many events." name:"number" placeholder:"N" short:"n"`
	NoFollow bool   `help:"End at the topic's last event instead of waiting for more."`
}

// Help tells more.
func (*tailCommand) Help() string {
	return `
Reads what the topic still holds, and what is published from then on, until Ctrl-C. Nobody's events
are touched: no leases, no acks, no attempts. What every subscription has settled is no longer held;
if the place to begin lies before that, a note says so. On a terminal events are written for people,
elsewhere one JSON object a line.

  freshet tail orders
  freshet tail orders --from -10m --pattern '{"detail-type":["Order Placed"]}'
  freshet tail orders --from earliest --no-follow --json
`
}

func (*tailCommand) uses() everyday { return usesServer | usesOutput }

func (t *tailCommand) run(ctx context.Context, call *invocation) error {
	pattern, err := t.checked(call)
	if err != nil {
		return err
	}
	options := []client.ReadOption{client.WithPattern(pattern)}
	if !t.NoFollow {
		options = append(options, client.WithFollow())
	}
	switch t.From.kind {
	case momentNow:
		if t.NoFollow {
			return usageFailure("--no-follow reads what is there already, and nothing is there from now on", "say where to begin with --from").
				trying(fmt.Sprintf("freshet tail %s --from earliest --no-follow", shellQuote(t.Topic)))
		}
	case momentEarliest:
		options = append(options, client.FromEarliest())
	case momentOffset:
		options = append(options, client.FromOffset(t.From.offset))
	case momentTime:
		options = append(options, client.FromTime(t.From.at))
	case momentAgo:
		options = append(options, client.FromTime(time.Now().Add(-t.From.ago)))
	}
	return call.withClient(ctx, func(c *client.Client) error { return t.follow(ctx, call, c, options) })
}

// follow writes events until there are enough, or no more, or somebody ends it.
func (t *tailCommand) follow(ctx context.Context, call *invocation, c *client.Client, options []client.ReadOption) error {
	written := count(0)
	for stored, err := range c.Read(ctx, t.Topic, options...) {
		if gap, ok := errors.AsType[*client.TruncatedError](err); ok {
			call.notef("note: what was before %d@%d is no longer held", gap.Partition, gap.Before)
			continue
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil // Ctrl-C is how it is meant to end
			}
			return err
		}
		answer := eventAnswerOf(&stored.Event)
		answer.Partition, answer.Offset, answer.Stored = stored.Partition, stored.Offset, &stored.StoredAt
		call.writeEvent(&answer)
		if call.out.err != nil {
			return call.out.err
		}
		if written++; t.Number != 0 && written == t.Number {
			return nil
		}
	}
	return nil
}
