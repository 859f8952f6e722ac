package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/freshet-mq/freshet/client"
	"github.com/freshet-mq/freshet/matcher"
)

// topicExplanation is what explain --topic says to programs.
type topicExplanation struct {
	Topic string `json:"topic"`
	// Subscriptions are in the order told to people: matches, then the nearest
	// misses.
	Subscriptions []subscriptionExplanation `json:"subscriptions"`
}

// subscriptionExplanation is one subscription's verdict on an event.
type subscriptionExplanation struct {
	Subscription string `json:"subscription"`
	matcher.Explanation
}

func (e *explainCommand) explainTopic(ctx context.Context, call *invocation, event matcher.Event) error {
	answer := topicExplanation{Topic: e.Topic, Subscriptions: []subscriptionExplanation{}}
	parsed := matcher.ParseEvent(event)
	err := call.withClient(ctx, func(c *client.Client) error {
		ctx, cancel := call.within(ctx)
		defer cancel()
		subscriptions, err := subscriptionsOf(ctx, c.Admin(), e.Topic)
		for _, s := range subscriptions {
			var pattern *matcher.Pattern // none: every event
			if s.Pattern != "" {
				if pattern, err = matcher.Parse([]byte(s.Pattern)); err != nil {
					return err // the node took it, so this program is older than the node
				}
			}
			answer.Subscriptions = append(answer.Subscriptions, subscriptionExplanation{s.Name, pattern.ExplainParsed(parsed)})
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(answer.Subscriptions, func(a, b subscriptionExplanation) int {
		return cmp.Compare(misses(a.Explanation), misses(b.Explanation))
	})
	switch {
	case call.out.structured():
		call.out.object(answer)
	case len(answer.Subscriptions) == 0:
		call.out.linef("topic %s has no subscriptions, so nobody gets any event", e.Topic)
	}
	if !call.out.structured() {
		for _, s := range answer.Subscriptions {
			call.out.linef("%s  %s", s.Subscription, strings.TrimRight(s.String(), "\n"))
		}
	}
	matched := len(answer.Subscriptions) > 0 && answer.Subscriptions[0].Matched
	if e.ExitCode && !matched {
		return errAnswerIsNo
	}
	return nil
}

// misses is how far an event is from matching: the fields that don't, in the
// nearest branch.
func misses(x matcher.Explanation) int {
	if x.Matched {
		return 0
	}
	nearest := 1 << 30
	for _, branch := range x.Branches {
		missing := 0
		for _, leaf := range branch.Leaves {
			if !leaf.Matched {
				missing++
			}
		}
		nearest = min(nearest, max(1, missing))
	}
	return nearest
}
