package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/client"
)

// takeCommand leases events.
type takeCommand struct {
	Subscription string   `arg:"" help:"The subscription, TOPIC/NAME; or the topic, with NAME behind it."`
	Name         string   `arg:"" help:"The subscription's name, where TOPIC stands alone." optional:""`
	Number       count    `default:"10" help:"At most this many events, up to 1,000; default 10." name:"number" placeholder:"N" short:"n"`
	Member       string   `help:"The member of a fanout whose events are taken." placeholder:"NAME" short:"m"`
	Ack          bool     `help:"Ack them once they are printed: they don't come again." xor:"then"`
	Hold         duration `help:"Keep them leased for this long, 1s to 12h: nobody else gets them until then." placeholder:"TIME" xor:"then"`
	Exec         string   `help:"Run this command on each, with the event on its standard input: exit code 0 acks, anything else releases." placeholder:"COMMAND" xor:"then"`
	Wait         duration `default:"5s" help:"How long to wait for a first event; 0s: not at all; default 5s." placeholder:"TIME"`
}

// Help tells more.
func (*takeCommand) Help() string {
	return `
Without --ack, --hold or --exec it only looks: the events are given back at once, and looking doesn't
count as an attempt. --hold ends at once too and leaves the leases behind: when they are over, the
events come again, as a further attempt. --exec hands the command the event's bytes, and FRESHET_TOPIC,
FRESHET_SUBSCRIPTION, FRESHET_PARTITION, FRESHET_OFFSET, FRESHET_ATTEMPT and FRESHET_KEY in its
environment; leases are extended while it runs. On a terminal events are written for people, elsewhere
one JSON object a line.

  freshet take orders/billing
  freshet take orders/billing -n 1 --ack
  freshet take orders/billing --exec 'jq .detail'
  freshet take orders/caches --member web-1 --hold 5m
`
}

func (*takeCommand) uses() everyday { return usesServer | usesOutput }

func (t *takeCommand) run(ctx context.Context, call *invocation) error {
	name, err := nameOf("take", t.Subscription, t.Name)
	switch {
	case err != nil:
		return err
	case t.Number > takeMax:
		return usageFailure(fmt.Sprintf("--number wants 1 to %d, got %d", takeMax, t.Number))
	case call.given["hold"] && (time.Duration(t.Hold) < time.Second || time.Duration(t.Hold) > 12*time.Hour):
		return usageFailure(fmt.Sprintf("--hold wants 1s to 12h, got %s", t.Hold))
	case call.given["exec"] && t.Exec == "":
		return usageFailure("--exec wants a command, got nothing")
	}
	if !t.Ack && t.Hold == 0 && t.Exec == "" {
		err = t.look(ctx, call, name)
	} else {
		err = t.lease(ctx, call, name)
	}
	if refused, ok := errors.AsType[*client.Error](err); ok && strings.HasSuffix(refused.Metadata["field"], "member") {
		return t.wrongMember(ctx, call, name, err)
	}
	return err
}

// lease takes events in earnest.
func (t *takeCommand) lease(ctx context.Context, call *invocation, name subscriptionName) error {
	return call.withClient(ctx, func(c *client.Client) error {
		taken, err := t.receive(ctx, call, c, name)
		deliveries := taken.deliveries()
		switch {
		case err != nil:
			return err
		case len(deliveries) == 0:
			t.nothing(call, name)
			return nil
		case t.Exec != "":
			return t.execute(ctx, call, name, taken)
		}
		for _, d := range deliveries {
			call.writeDelivery(d)
		}
		if call.out.err != nil || t.Hold != 0 {
			return call.out.err // what wasn't written isn't acked: it comes again
		}
		return ackAll(ctx, call, taken)
	})
}

// wrongMember says what --member has to be.
func (t *takeCommand) wrongMember(ctx context.Context, call *invocation, name subscriptionName, cause error) error {
	refused := usageFailure(fmt.Sprintf("%q is a queue, which has no members", name), "leave out --member")
	refused.cause = cause
	if t.Member != "" {
		return refused.trying("freshet take " + shellQuote(name.String()))
	}
	refused.what, refused.seen = fmt.Sprintf("%q is a fanout: whose events are to be taken is said with --member", name), nil
	err := call.withClient(ctx, func(c *client.Client) error {
		ctx, cancel := call.within(ctx)
		defer cancel()
		for subscription, err := range c.Admin().Subscriptions(ctx, name.topic) {
			if err != nil {
				return err
			}
			if subscription.Name == name.String() && len(subscription.Members) > 0 {
				refused.seen = []string{"members: " + printable(strings.Join(subscription.Members, ", "))}
				refused.try = []string{fmt.Sprintf("freshet take %s --member %s", shellQuote(name.String()), shellQuote(subscription.Members[0]))}
			}
		}
		return nil
	})
	if err != nil {
		return cause // it is as true, and the node has other worries by now
	}
	return refused
}

// takeMax is how many events one take leases.
const takeMax = 1000

// receive leases the events. One call brings what one partition has ready, so it
// asks again until there are enough, or none.
func (t *takeCommand) receive(ctx context.Context, call *invocation, c *client.Client, name subscriptionName) (leases, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(t.Wait)+time.Duration(call.Timeout), errTimeout)
	defer cancel()
	var taken leases
	wait, number, room := time.Duration(t.Wait), int(t.Number), takeBytesMax
	for number > 0 && room > 0 {
		batch, err := t.receiveOnce(ctx, c, name, number, room, wait)
		switch {
		case err != nil && len(taken) == 0:
			return nil, err
		case err != nil:
			call.notef("note: there may be more: %v", err) // what is leased is ours all the same
			return taken, nil
		case len(batch.Deliveries) == 0:
			return taken, nil
		}
		for _, d := range batch.Deliveries {
			room -= len(d.Event.Data)
		}
		taken = append(taken, batch)
		number -= len(batch.Deliveries)
		wait = 0 // only the first event is waited for
	}
	return taken, nil
}

func (t *takeCommand) receiveOnce(ctx context.Context, c *client.Client, name subscriptionName, number, room int, wait time.Duration) (*client.Batch, error) {
	options := []client.ReceiveOption{client.WithWait(wait), client.WithMaxBytes(room)}
	switch {
	case t.Hold != 0:
		options = append(options, client.WithLease(time.Duration(t.Hold)))
	case t.Exec != "":
		options = append(options, client.WithLease(execLease))
	}
	if t.Member != "" {
		return c.Fanout(name.String(), t.Member).Receive(ctx, number, options...)
	}
	return c.Queue(name.String()).Receive(ctx, number, options...)
}

// takeBytesMax bounds what one take holds in memory.
const takeBytesMax = 16 << 20

func (t *takeCommand) nothing(call *invocation, name subscriptionName) {
	if call.Output == formatTable {
		call.notef("nothing is ready in %s", name)
	}
}

// writeDelivery writes a leased event.
func (c *invocation) writeDelivery(d *client.Delivery) {
	answer := eventAnswerOf(&d.Event)
	answer.Partition, answer.Offset, answer.Attempt = d.Partition, d.Offset, d.Attempt
	c.writeEvent(&answer)
}
