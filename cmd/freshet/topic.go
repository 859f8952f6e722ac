package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/freshet-mq/freshet/client"
)

// topicCreateCommand makes a topic.
type topicCreateCommand struct {
	Name       string    `arg:"" help:"The topic: 1 to 128 of A-Z a-z 0-9 . _ -, a letter or a digit first."`
	Partitions count     `default:"1" help:"On how many of the cluster's partitions it is: each is led by one node, and what is ordered is ordered within one; default 1." placeholder:"N"`
	Retain     retention `help:"What it keeps of events that every subscription has settled: a time such as 168h, a size on each partition such as 10GiB, both with a comma, or settled, which is nothing; default: what the node says, settled if nothing else." placeholder:"WHAT"`
	Drop       bool      `help:"With --retain: what is older, or beyond the size, goes although it isn't settled."`
	EventBytes size      `help:"Largest event that it takes, 1B to 1MiB; default: what the node says, 1MiB if nothing else." placeholder:"SIZE"`
}

// Help tells more.
func (*topicCreateCommand) Help() string {
	return `
An event is kept until every subscription has settled it; one that no subscription wants is kept for
nobody. --retain keeps events that are settled as well, for those who read again and for subscriptions
that begin at the earliest. With --drop it is a limit too: what it doesn't keep goes, settled or not.
All of it takes room in the log, and a log that is full takes no more events.

A topic that is there already with the same settings is left as it is, so that a script may run
twice; with other settings the command ends with exit code 4.

  freshet topic create orders
  freshet topic create clicks --partitions 4
  freshet topic create audit.trail --event-bytes 64KiB --retain 168h
  freshet topic create prices --retain 10m,256MiB --drop
`
}

func (*topicCreateCommand) uses() everyday { return usesServer | usesOutput }

// topicAnswer is a topic for programs.
type topicAnswer struct {
	Name          string    `json:"name"`
	ID            uint64    `json:"id"`
	EventBytesMax int       `json:"event_bytes_max"`
	Created       time.Time `json:"created"`
	Subscriptions int       `json:"subscriptions"`
	Partitions    int       `json:"partitions"`
	// Absent: what is settled isn't kept.
	Retention *retentionAnswer `json:"retention,omitempty"`
}

func topicAnswerOf(t *client.Topic) topicAnswer {
	return topicAnswer{
		Name: t.Name, ID: t.ID, EventBytesMax: t.EventBytesMax, Created: t.Created, Subscriptions: t.Subscriptions, Partitions: t.Partitions,
		Retention: retentionAnswerOf(t.Retention),
	}
}

// topicMadeAnswer is what topic create says to programs.
type topicMadeAnswer struct {
	Made  bool        `json:"made"` // false: it was there already
	Topic topicAnswer `json:"topic"`
}

func (t *topicCreateCommand) run(ctx context.Context, call *invocation) error {
	if t.EventBytes > eventBytesMax || call.given["event-bytes"] && t.EventBytes == 0 {
		return usageFailure(fmt.Sprintf("--event-bytes wants 1B to 1MiB, got %s", t.EventBytes))
	}
	if t.Drop && t.Retain == (retention{}) {
		return usageFailure("--drop drops what --retain doesn't keep, and --retain isn't given").
			trying(fmt.Sprintf("freshet topic create %s --retain 168h --drop", shellQuote(t.Name)))
	}
	return call.withClient(ctx, func(c *client.Client) error {
		ctx, cancel := call.within(ctx)
		defer cancel()
		topic, made, err := c.Admin().CreateTopic(ctx, client.TopicConfig{
			Name: t.Name, EventBytesMax: int(t.EventBytes), Partitions: int(t.Partitions),
			Retention: client.Retention{
				Age: time.Duration(t.Retain.age), Bytes: int64(t.Retain.bytes), Drop: t.Drop, Settled: call.given["retain"] && t.Retain == (retention{}),
			},
		})
		switch {
		case err != nil:
			return err
		case call.out.structured():
			call.out.object(topicMadeAnswer{Made: made, Topic: topicAnswerOf(topic)})
		case made:
			call.out.linef("created topic %s", topic.Name)
		default:
			call.out.linef("topic %s is there already, with these settings", topic.Name)
		}
		return nil
	})
}

// topicListCommand lists topics.
type topicListCommand struct{}

// Help tells more.
func (*topicListCommand) Help() string {
	return `
All topics by name: how many subscriptions each has, on how many partitions it is, the largest event
that it takes, what it keeps (freshet topic create --help), and when it was made.

  freshet topic list
  freshet topic ls --json
`
}

func (*topicListCommand) uses() everyday { return usesServer | usesOutput }

// topicsAnswer is what topic list says to programs.
type topicsAnswer struct {
	Topics []topicAnswer `json:"topics"`
}

func (*topicListCommand) run(ctx context.Context, call *invocation) error {
	return call.withClient(ctx, func(c *client.Client) error {
		ctx, cancel := call.within(ctx)
		defer cancel()
		answer := topicsAnswer{Topics: []topicAnswer{}}
		written := table{columns: []column{{name: "TOPIC"}, {name: "SUBSCRIPTIONS", right: true}, {name: "PARTITIONS", right: true}, {name: "EVENT MAX", right: true}, {name: "KEEPS"}, {name: "CREATED"}}}
		for topic, err := range c.Admin().Topics(ctx) {
			if err != nil {
				return err
			}
			answer.Topics = append(answer.Topics, topicAnswerOf(topic))
			written.row(topic.Name, strconv.Itoa(topic.Subscriptions), strconv.Itoa(topic.Partitions), size(topic.EventBytesMax).String(), retentionText(topic.Retention), clock(topic.Created))
		}
		switch {
		case call.out.structured():
			call.out.object(answer)
		case len(answer.Topics) == 0:
			call.notef("there are no topics; try: freshet topic create orders")
		default:
			call.out.table(written)
		}
		return nil
	})
}

// clock is a time for people, in their zone.
func clock(t time.Time) string { return t.Local().Format(time.DateTime) }
