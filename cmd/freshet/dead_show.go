package main

import (
	"context"
	"fmt"

	"github.com/freshet-mq/freshet/client"
)

// deadShowCommand shows a dead letter.
type deadShowCommand struct {
	Subscription string `arg:"" help:"The subscription, TOPIC/NAME."`
	Event        place  `arg:"" help:"Where the event lies, PARTITION@OFFSET, as dead list has it."`
	Member       string `help:"The member of a fanout whose dead letter it is." placeholder:"NAME" short:"m"`
}

// Help tells more.
func (*deadShowCommand) Help() string {
	return `
One dead letter: why it died, and the whole event.

  freshet dead show orders/billing 0@17
  freshet dead show orders/billing 0@17 --json
`
}

func (*deadShowCommand) uses() everyday { return usesServer | usesOutput }

func (d *deadShowCommand) run(ctx context.Context, call *invocation) error {
	name, err := nameOf("dead show", d.Subscription, "")
	if err != nil {
		return err
	}
	var found *client.DeadLetter
	err = call.withClient(ctx, func(c *client.Client) error {
		ctx, cancel := call.within(ctx)
		defer cancel()
		for letter, err := range c.Admin().DeadLetters(ctx, name.String(), d.Member, client.WithDeadFrom(d.Event.partition, d.Event.offset), client.WithDeadMost(1)) {
			if err != nil {
				return err
			}
			found = letter
		}
		return nil
	})
	switch {
	case err != nil:
		flags := deadFlags{Member: d.Member}
		return flags.memberFailure(err, name)
	case found == nil || found.Offset != d.Event.offset || found.Partition != d.Event.partition:
		return &failure{
			code: codeNoDeadLetter, what: fmt.Sprintf("%s has no dead letter at %s", name, d.Event),
			try: []string{"freshet dead list " + shellQuote(name.String())},
		}
	}
	answer := deadAnswerOf(found)
	if call.out.structured() {
		call.out.object(answer)
		return nil
	}
	call.out.linef("died %s  %s, attempts: %d  %s", clock(answer.Died), answer.Reason, answer.Attempts, printable(answer.Detail))
	call.out.write([]byte(answer.readable(0)))
	return nil
}
