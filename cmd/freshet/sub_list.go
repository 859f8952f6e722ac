package main

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/freshet-mq/freshet/client"
)

// subListCommand lists subscriptions.
type subListCommand struct {
	Topic string `arg:"" help:"Only this topic's; default: every topic's." optional:""`
}

// Help tells more.
func (*subListCommand) Help() string {
	return `
All subscriptions by name, and what they hold: events that are ready to be leased, leased, delayed
until a later try or their time, dead letters, and how many consumers are attached. Of an ordered
queue those that wait for an earlier event of their key aren't ready but blocked. On a terminal long
patterns are cut; --json has them whole.

  freshet sub list
  freshet sub ls orders --json
`
}

func (*subListCommand) uses() everyday { return usesServer | usesOutput }

// subscriptionsAnswer is what sub list says to programs.
type subscriptionsAnswer struct {
	Subscriptions []subscriptionAnswer `json:"subscriptions"`
}

// subscriptionAnswer is a subscription for programs.
type subscriptionAnswer struct {
	Name         string          `json:"name"` // topic/subscription
	ID           uint64          `json:"id"`
	Kind         string          `json:"kind"`
	Pattern      json.RawMessage `json:"pattern,omitempty"` // absent: every event
	VisibilityMS int64           `json:"visibility_ms"`
	Attempts     int             `json:"attempts"`
	Ordered      bool            `json:"ordered,omitempty"`
	Members      []string        `json:"members,omitempty"`
	Created      time.Time       `json:"created"`
	Ready        uint64          `json:"ready"`
	Leased       uint64          `json:"leased"`
	Delayed      uint64          `json:"delayed"`
	Dead         uint64          `json:"dead"`
	Sessions     int             `json:"sessions"`
	// Of an ordered queue: events that wait for an earlier one of their key, and how often it found only such, as far ahead as it looks.
	Blocked uint64 `json:"blocked,omitempty"`
	Stalls  uint64 `json:"stalls,omitempty"`
}

func subscriptionAnswerOf(s *client.Subscription) subscriptionAnswer {
	return subscriptionAnswer{
		Name: s.Name, ID: s.ID, Kind: s.Kind.String(), Pattern: json.RawMessage(s.Pattern),
		VisibilityMS: s.Visibility.Milliseconds(), Attempts: s.Attempts, Ordered: s.Ordered, Members: s.Members, Created: s.Created,
		Ready: s.Counts.Ready, Leased: s.Counts.Leased, Delayed: s.Counts.Delayed, Dead: s.Counts.Dead, Sessions: s.Counts.Sessions,
		Blocked: s.Counts.Blocked, Stalls: s.Counts.Stalls,
	}
}

func (s *subListCommand) run(ctx context.Context, call *invocation) error {
	return call.withClient(ctx, func(c *client.Client) error {
		ctx, cancel := call.within(ctx)
		defer cancel()
		subscriptions, err := subscriptionsOf(ctx, c.Admin(), s.Topic)
		if err != nil {
			return err
		}
		if call.out.structured() {
			answer := subscriptionsAnswer{Subscriptions: []subscriptionAnswer{}}
			for _, subscription := range subscriptions {
				answer.Subscriptions = append(answer.Subscriptions, subscriptionAnswerOf(subscription))
			}
			call.out.object(answer)
			return nil
		}
		if len(subscriptions) == 0 {
			call.notef("there are no subscriptions; try: freshet sub create orders billing")
			return nil
		}
		call.out.table(subscriptionTable(subscriptions))
		return nil
	})
}

// subscriptionsOf lists a topic's subscriptions, or every topic's.
func subscriptionsOf(ctx context.Context, admin *client.Admin, topic string) ([]*client.Subscription, error) {
	topics := []string{topic}
	if topic == "" {
		topics = nil
		for t, err := range admin.Topics(ctx) {
			if err != nil {
				return nil, err
			}
			topics = append(topics, t.Name)
		}
	}
	var found []*client.Subscription
	for _, topic := range topics {
		for subscription, err := range admin.Subscriptions(ctx, topic) {
			if err != nil {
				return nil, err
			}
			found = append(found, subscription)
		}
	}
	return found, nil
}

func subscriptionTable(subscriptions []*client.Subscription) table {
	ordered := slices.ContainsFunc(subscriptions, func(s *client.Subscription) bool { return s.Ordered })
	written := table{columns: []column{{name: "SUBSCRIPTION"}, {name: "KIND"}, {name: "READY", right: true}}}
	if ordered {
		written.columns = append(written.columns, column{name: "BLOCKED", right: true})
	}
	written.columns = append(written.columns, column{name: "LEASED", right: true}, column{name: "DELAYED", right: true},
		column{name: "DEAD", right: true}, column{name: "SESSIONS", right: true}, column{name: "PATTERN", shrinks: true})
	number := func(n uint64) string { return thousands(int64(n)) }
	for _, s := range subscriptions {
		cells := []string{s.Name, kindOf(s), number(s.Counts.Ready)}
		if ordered {
			cells = append(cells, number(s.Counts.Blocked))
		}
		written.row(append(cells, number(s.Counts.Leased), number(s.Counts.Delayed),
			number(s.Counts.Dead), strconv.Itoa(s.Counts.Sessions), onOneLine(s.Pattern))...)
	}
	return written
}

// kindOf is a subscription's kind, as people say it.
func kindOf(s *client.Subscription) string {
	if s.Ordered {
		return "ordered " + s.Kind.String()
	}
	return s.Kind.String()
}

// onOneLine is a pattern for a table.
func onOneLine(pattern string) string {
	if pattern == "" {
		return "(every event)"
	}
	var compact bytes.Buffer
	if json.Compact(&compact, []byte(pattern)) != nil {
		return printable(pattern) // not JSON, which a node wouldn't have taken
	}
	return printable(compact.String())
}
