package main

import (
	"context"
	"fmt"

	"github.com/freshet-mq/freshet/client"
)

// deleteFlags are of commands that destroy something.
type deleteFlags struct {
	Yes bool `help:"Do it: what is deleted doesn't come back." short:"y"`
}

// sure refuses to go on unless --yes was given. what is destroyed, and line the command line without --yes.
func (f *deleteFlags) sure(what, line string) error {
	if f.Yes {
		return nil
	}
	return usageFailure(what, "nothing was done; --yes does it").trying(line + " --yes")
}

// deletedAnswer is what topic delete and sub delete say to programs.
type deletedAnswer struct {
	Deleted string `json:"deleted"`
}

// topicDeleteCommand removes a topic.
type topicDeleteCommand struct {
	Name string `arg:"" help:"The topic."`
	deleteFlags
}

// Help tells more.
func (*topicDeleteCommand) Help() string {
	return `
The topic goes with its subscriptions and all that they hold, dead letters too. Producers, consumers
and readers are told that it is gone. A topic made again under the name is another one.

  freshet topic delete orders --yes
`
}

func (*topicDeleteCommand) uses() everyday { return usesServer | usesOutput }

func (t *topicDeleteCommand) run(ctx context.Context, call *invocation) error {
	if err := t.sure(fmt.Sprintf("this deletes topic %q, its subscriptions, and every event in them", t.Name),
		"freshet topic delete "+shellQuote(t.Name)); err != nil {
		return err
	}
	return call.withClient(ctx, func(c *client.Client) error {
		ctx, cancel := call.within(ctx)
		defer cancel()
		if err := c.Admin().DeleteTopic(ctx, t.Name); err != nil {
			return err
		}
		call.deleted("topic", t.Name)
		return nil
	})
}

func (c *invocation) deleted(kind, name string) {
	if c.out.structured() {
		c.out.object(deletedAnswer{Deleted: name})
		return
	}
	c.out.linef("deleted %s %s", kind, name)
}

// subDeleteCommand removes a subscription, or a member.
type subDeleteCommand struct {
	Topic  string `arg:"" help:"The topic, or TOPIC/NAME in one word."`
	Name   string `arg:"" help:"The subscription." optional:""`
	Member string `help:"Only this member of a fanout." placeholder:"NAME" short:"m"`
	deleteFlags
}

// Help tells more.
func (*subDeleteCommand) Help() string {
	return `
The subscription goes with all that it holds, dead letters too, and its consumers are told. With
--member only that member of a fanout goes; should it consume again, it is there again, from then on.

  freshet sub delete orders billing --yes
  freshet sub delete orders/caches --member web-1 --yes
`
}

func (*subDeleteCommand) uses() everyday { return usesServer | usesOutput }

func (s *subDeleteCommand) run(ctx context.Context, call *invocation) error {
	name, err := nameOf("sub delete", s.Topic, s.Name)
	if err != nil {
		return err
	}
	what, line := fmt.Sprintf("this deletes subscription %q, and every event in it", name), "freshet sub delete "+shellQuote(name.String())
	if s.Member != "" {
		what, line = fmt.Sprintf("this deletes member %q of %q, and every event in it", s.Member, name), line+" --member "+shellQuote(s.Member)
	}
	if err := s.sure(what, line); err != nil {
		return err
	}
	return call.withClient(ctx, func(c *client.Client) error {
		ctx, cancel := call.within(ctx)
		defer cancel()
		if s.Member == "" {
			if err := c.Admin().DeleteSubscription(ctx, name.String()); err != nil {
				return err
			}
			call.deleted("subscription", name.String())
			return nil
		}
		if err := c.Admin().DeleteMember(ctx, name.String(), s.Member); err != nil {
			flags := deadFlags{Member: s.Member}
			return flags.memberFailure(err, name)
		}
		call.deleted("member", name.String()+"/"+s.Member)
		return nil
	})
}
