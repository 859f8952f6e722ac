package main

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
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
queue those that wait for an earlier event of their key aren't ready but blocked. Where a subscription
has yet to look at stored events these are unread, and whether they match isn't known; what the topic's
retention dropped is lost. On a terminal long patterns are cut; --json has them whole.

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
	From         string          `json:"from"`
	Created      time.Time       `json:"created"`
	Ready        uint64          `json:"ready"`
	Leased       uint64          `json:"leased"`
	Delayed      uint64          `json:"delayed"`
	Dead         uint64          `json:"dead"`
	Sessions     int             `json:"sessions"`
	// Of an ordered queue: events that wait for an earlier one of their key, and how often it found only such, as far ahead as it looks.
	Blocked uint64 `json:"blocked,omitempty"`
	Stalls  uint64 `json:"stalls,omitempty"`
	// Stored and not looked at yet; dropped by the topic's retention while they waited, and before anybody looked whether they match.
	Unread  uint64 `json:"unread,omitempty"`
	Dropped uint64 `json:"dropped,omitempty"`
	Skipped uint64 `json:"skipped,omitempty"`
}

func subscriptionAnswerOf(s *client.Subscription) subscriptionAnswer {
	return subscriptionAnswer{
		Name: s.Name, ID: s.ID, Kind: s.Kind.String(), Pattern: json.RawMessage(s.Pattern),
		VisibilityMS: s.Visibility.Milliseconds(), Attempts: s.Attempts, Ordered: s.Ordered, Members: s.Members, From: s.From.String(), Created: s.Created,
		Ready: s.Counts.Ready, Leased: s.Counts.Leased, Delayed: s.Counts.Delayed, Dead: s.Counts.Dead, Sessions: s.Counts.Sessions,
		Blocked: s.Counts.Blocked, Stalls: s.Counts.Stalls, Unread: s.Counts.Unread, Dropped: s.Counts.Dropped, Skipped: s.Counts.Skipped,
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
	numbers := []struct {
		name   string
		always bool // also where every subscription has none of it
		of     func(*client.Subscription) uint64
	}{
		{"READY", true, func(s *client.Subscription) uint64 { return s.Counts.Ready }},
		{"UNREAD", false, func(s *client.Subscription) uint64 { return s.Counts.Unread }},
		{"BLOCKED", false, func(s *client.Subscription) uint64 { return s.Counts.Blocked }},
		{"LEASED", true, func(s *client.Subscription) uint64 { return s.Counts.Leased }},
		{"DELAYED", true, func(s *client.Subscription) uint64 { return s.Counts.Delayed }},
		{"DEAD", true, func(s *client.Subscription) uint64 { return s.Counts.Dead }},
		{"LOST", false, func(s *client.Subscription) uint64 { return s.Counts.Dropped + s.Counts.Skipped }},
		{"SESSIONS", true, func(s *client.Subscription) uint64 { return uint64(s.Counts.Sessions) }},
	}
	written := table{columns: []column{{name: "SUBSCRIPTION"}, {name: "KIND"}}}
	rows := make([][]string, len(subscriptions))
	for i, s := range subscriptions {
		rows[i] = []string{s.Name, kindOf(s)}
	}
	for _, number := range numbers {
		some := func(s *client.Subscription) bool { return number.of(s) > 0 || number.name == "BLOCKED" && s.Ordered }
		if !number.always && !slices.ContainsFunc(subscriptions, some) {
			continue
		}
		written.columns = append(written.columns, column{name: number.name, right: true})
		for i, s := range subscriptions {
			rows[i] = append(rows[i], thousands(int64(number.of(s))))
		}
	}
	written.columns = append(written.columns, column{name: "PATTERN", shrinks: true})
	for i, s := range subscriptions {
		written.row(append(rows[i], onOneLine(s.Pattern))...)
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
