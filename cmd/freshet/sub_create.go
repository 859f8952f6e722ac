package main

import (
	"context"
	"fmt"
	"time"

	"github.com/freshet-mq/freshet/client"
)

// subCreateCommand makes a subscription.
type subCreateCommand struct {
	Topic string `arg:"" help:"The topic, or TOPIC/NAME in one word."`
	Name  string `arg:"" help:"The subscription: 1 to 128 of A-Z a-z 0-9 . _ -, a letter or a digit first." optional:""`
	patternFlags

	Kind       string   `default:"queue" enum:"queue,fanout" help:"queue: consumers compete. fanout: every member gets every event. Default queue." placeholder:"KIND"`
	Ordered    bool     `help:"A queue hands out events of one key one after the other, in the order in which they were stored."`
	Member     []string `help:"A member of a fanout that is there from the start; may be repeated." placeholder:"NAME" sep:"none" short:"m"`
	Visibility duration `help:"How long a lease lasts, 1s to 12h; default: what the node says, 30s if nothing else." placeholder:"TIME"`
	From       string   `default:"latest" enum:"latest,earliest" help:"Where it begins: latest, with what is published from now on, or earliest, with what the topic still holds; default latest." placeholder:"PLACE"`
	Attempts   count    `help:"How often an event is tried before it is a dead letter, 1 to 1,000; default: what the node says, 5 if nothing else." placeholder:"N"`
}

// Help tells more.
func (*subCreateCommand) Help() string {
	return `
When it returns, whatever is published from then on is routed by it; with --from earliest it gets what
the topic still holds, too (freshet topic create --help says what that is). Members of a fanout that
come later begin likewise. Without a pattern it gets every event. The pattern is read here first, so
that a mistake is shown with its place. A subscription that is there already with the same settings is
left as it is; with other settings the command ends with exit code 4.

  freshet sub create orders billing --pattern '{"detail":{"amount":[{"numeric":[">",100]}]}}'
  freshet sub create orders/audit --visibility 5m --attempts 10
  freshet sub create orders accounts --ordered
  freshet sub create orders reports --from earliest
  freshet sub create orders caches --kind fanout --member web-1 --member web-2
`
}

func (*subCreateCommand) uses() everyday { return usesServer | usesOutput }

// attemptsMax is how often a subscription may try an event.
const attemptsMax = 1000

// subscriptionMadeAnswer is what sub create says to programs.
type subscriptionMadeAnswer struct {
	Made         bool               `json:"made"` // false: it was there already
	Subscription subscriptionAnswer `json:"subscription"`
}

func (s *subCreateCommand) run(ctx context.Context, call *invocation) error {
	name, err := nameOf("sub create", s.Topic, s.Name)
	if err != nil {
		return err
	}
	config := client.SubscriptionConfig{
		Name: name.String(), Kind: client.KindQueue, Visibility: time.Duration(s.Visibility), Attempts: int(s.Attempts), Members: s.Member,
		Ordered: s.Ordered, From: client.Latest,
	}
	if s.From == "earliest" {
		config.From = client.Earliest
	}
	if s.Kind == "fanout" {
		config.Kind = client.KindFanout
	} else if len(s.Member) > 0 {
		return usageFailure("a queue has no members, its consumers compete", "--member is for --kind fanout")
	}
	switch {
	case s.Ordered && config.Kind == client.KindFanout:
		return usageFailure("only a queue can be ordered", "each member of a fanout gets events in order; its consumers compete")
	case call.given["visibility"] && (config.Visibility < time.Second || config.Visibility > 12*time.Hour):
		return usageFailure(fmt.Sprintf("--visibility wants 1s to 12h, got %s", s.Visibility))
	case s.Attempts > attemptsMax:
		return usageFailure(fmt.Sprintf("--attempts wants 1 to %d, got %d", attemptsMax, s.Attempts))
	}
	if config.Pattern, err = s.checked(call); err != nil {
		return err
	}
	return call.withClient(ctx, func(c *client.Client) error {
		ctx, cancel := call.within(ctx)
		defer cancel()
		subscription, made, err := c.Admin().CreateSubscription(ctx, config)
		switch {
		case err != nil:
			return err
		case call.out.structured():
			call.out.object(subscriptionMadeAnswer{Made: made, Subscription: subscriptionAnswerOf(subscription)})
		case made:
			call.out.linef("created %s %s", kindOf(subscription), subscription.Name)
		default:
			call.out.linef("%s %s is there already, with these settings", kindOf(subscription), subscription.Name)
		}
		return nil
	})
}
