package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/freshet-mq/freshet/client"
)

// topicShowCommand shows a topic.
type topicShowCommand struct {
	Name string `arg:"" help:"The topic."`
}

// Help tells more.
func (*topicShowCommand) Help() string {
	return `
One topic: its settings, and its subscriptions with what they hold.

  freshet topic show orders
  freshet topic show orders --json
`
}

func (*topicShowCommand) uses() everyday { return usesServer | usesOutput }

// topicShowAnswer is what topic show says to programs.
type topicShowAnswer struct {
	Topic         topicAnswer          `json:"topic"`
	Subscriptions []subscriptionAnswer `json:"subscriptions"`
}

func (t *topicShowCommand) run(ctx context.Context, call *invocation) error {
	return call.withClient(ctx, func(c *client.Client) error {
		ctx, cancel := call.within(ctx)
		defer cancel()
		subscriptions, err := subscriptionsOf(ctx, c.Admin(), t.Name) // refuses a topic that isn't there
		if err != nil {
			return err
		}
		topic, err := topicNamed(ctx, c.Admin(), t.Name)
		if err != nil {
			return err
		}
		if call.out.structured() {
			answer := topicShowAnswer{Topic: topicAnswerOf(topic), Subscriptions: []subscriptionAnswer{}}
			for _, s := range subscriptions {
				answer.Subscriptions = append(answer.Subscriptions, subscriptionAnswerOf(s))
			}
			call.out.object(answer)
			return nil
		}
		call.out.settings([][2]string{
			{"topic", topic.Name},
			{"partitions", strconv.Itoa(topic.Partitions)},
			{"largest event", size(topic.EventBytesMax).String()},
			{"keeps", retentionText(topic.Retention)},
			{"created", clock(topic.Created)},
		})
		call.out.linef("")
		if len(subscriptions) == 0 {
			call.notef("it has no subscriptions; try: freshet sub create %s billing", shellQuote(topic.Name))
			return nil
		}
		call.out.table(subscriptionTable(subscriptions))
		return nil
	})
}

// topicNamed finds a topic, which was there a moment ago.
func topicNamed(ctx context.Context, admin *client.Admin, name string) (*client.Topic, error) {
	for topic, err := range admin.Topics(ctx) {
		if err != nil {
			return nil, err
		}
		if topic.Name == name {
			return topic, nil
		}
	}
	return nil, &failure{code: codeArgument, what: fmt.Sprintf("topic %q was deleted meanwhile", name), try: []string{"freshet topic list"}}
}

// subShowCommand shows a subscription.
type subShowCommand struct {
	Subscription string `arg:"" help:"The subscription, TOPIC/NAME, or TOPIC NAME."`
	Name         string `arg:"" help:"The subscription's name, where TOPIC is given by itself." optional:""`
}

// Help tells more.
func (*subShowCommand) Help() string {
	return `
One subscription: its settings, its pattern whole, and what it holds (freshet sub list --help).

  freshet sub show orders/billing
  freshet sub show orders billing --json
`
}

func (*subShowCommand) uses() everyday { return usesServer | usesOutput }

func (s *subShowCommand) run(ctx context.Context, call *invocation) error {
	name, err := nameOf("sub show", s.Subscription, s.Name)
	if err != nil {
		return err
	}
	return call.withClient(ctx, func(c *client.Client) error {
		ctx, cancel := call.within(ctx)
		defer cancel()
		found, err := subscriptionNamed(ctx, c.Admin(), name)
		if err != nil {
			return err
		}
		if call.out.structured() {
			call.out.object(subscriptionAnswerOf(found))
			return nil
		}
		rows := [][2]string{
			{"subscription", found.Name},
			{"kind", kindOf(found)},
			{"pattern", onOneLine(found.Pattern)},
			{"visibility", found.Visibility.String()},
			{"attempts", strconv.Itoa(found.Attempts)},
			{"from", found.From.String()},
			{"created", clock(found.Created)},
		}
		if len(found.Members) > 0 {
			rows = append(rows, [2]string{"members", strings.Join(found.Members, ", ")})
		}
		call.out.settings(rows)
		call.out.linef("")
		call.out.table(subscriptionTable([]*client.Subscription{found}))
		return nil
	})
}

// subscriptionNamed finds a subscription.
func subscriptionNamed(ctx context.Context, admin *client.Admin, name subscriptionName) (*client.Subscription, error) {
	subscriptions, err := subscriptionsOf(ctx, admin, name.topic)
	if err != nil {
		return nil, err
	}
	for _, s := range subscriptions {
		if s.Name == name.String() {
			return s, nil
		}
	}
	// The node says best what there is instead: ask it for something of the subscription.
	for _, err := range admin.DeadLetters(ctx, name.String(), "", client.WithDeadMost(1)) {
		if err != nil {
			return nil, err
		}
	}
	return nil, &failure{code: codeArgument, what: fmt.Sprintf("subscription %q was made or deleted meanwhile", name), try: []string{"freshet sub list " + shellQuote(name.topic)}}
}

// settings writes names and values, a line each.
func (o *output) settings(rows [][2]string) {
	width := 0
	for _, row := range rows {
		width = max(width, len(row[0]))
	}
	for _, row := range rows {
		o.linef("%-*s  %s", width, row[0], row[1])
	}
}
