package main

import (
	"context"
	"fmt"

	"github.com/freshet-mq/freshet/client"
)

// deadRedriveCommand makes dead letters ready again.
type deadRedriveCommand struct {
	Subscription string  `arg:"" help:"The subscription, TOPIC/NAME."`
	Events       []place `arg:"" help:"Only these, PARTITION@OFFSET; default: all that the flags mean." optional:""`
	deadFlags

	Number count `help:"At most this many, the first ones; default: all." placeholder:"N" short:"n"`
	Rate   count `help:"So many events a second; default: as fast as it goes." placeholder:"N"`
	DryRun bool  `help:"Only say how many it would be."`
}

// Help tells more.
func (*deadRedriveCommand) Help() string {
	return `
They are ready again, in the order in which they were published, and their attempts begin anew. What
isn't a dead letter any more is passed over, so that asking twice does it once. --timeout bounds the
whole of it; what was redriven before stays so.

  freshet dead redrive orders/billing --dry-run
  freshet dead redrive orders/billing --reason released --rate 100 --timeout 10m
  freshet dead redrive orders/billing --pattern '{"detail":{"country":["AU"]}}' -n 10
  freshet dead redrive orders/billing 0@17 0@19
`
}

func (*deadRedriveCommand) uses() everyday { return usesServer | usesOutput }

// redrivenAnswer is what dead redrive says to programs.
type redrivenAnswer struct {
	Redriven int  `json:"redriven"`
	DryRun   bool `json:"dry_run"`
}

func (d *deadRedriveCommand) run(ctx context.Context, call *invocation) error {
	name, err := nameOf("dead redrive", d.Subscription, "")
	if err != nil {
		return err
	}
	options, err := d.options(call)
	if err != nil {
		return err
	}
	options = append(options, client.WithDeadMost(int(d.Number)), client.WithDeadRate(float64(d.Rate)))
	if d.DryRun {
		options = append(options, client.WithDeadDryRun())
	}
	for _, p := range d.Events {
		options = append(options, client.WithDeadOffsets(p.partition, p.offset))
	}
	redriven := 0
	err = call.withClient(ctx, func(c *client.Client) (err error) {
		ctx, cancel := call.within(ctx)
		defer cancel()
		redriven, err = c.Admin().Redrive(ctx, name.String(), d.Member, options...)
		return err
	})
	switch {
	case err != nil && redriven > 0:
		return &failure{
			code: codePartlyDone, what: fmt.Sprintf("redriven %s, and not the rest", events(redriven)),
			seen: []string{printable(err.Error())}, cause: err,
		}
	case err != nil:
		return d.memberFailure(err, name)
	case call.out.structured():
		call.out.object(redrivenAnswer{Redriven: redriven, DryRun: d.DryRun})
	case d.DryRun:
		call.out.linef("would redrive %s of %s", events(redriven), name)
	default:
		call.out.linef("redriven %s of %s", events(redriven), name)
	}
	return nil
}
