package main

import (
	"context"
	"fmt"
	"time"

	"github.com/freshet-mq/freshet/bench/match"
)

// benchMatchCommand measures the matcher.
type benchMatchCommand struct {
	Rules      count  `default:"1000" help:"Number of rules, up to 1,000,000; default 1000." placeholder:"N"`
	EventBytes count  `default:"380"  help:"About how long the events are, 380 bytes or more; default 380." placeholder:"N"`
	Seed       uint64 `default:"1"    help:"Which rules and events are made; default 1." placeholder:"N"`
}

// Help tells more.
func (*benchMatchCommand) Help() string {
	return `
Puts blocks of events to a set of rules, on one core, and in turn reads the same events with
Go's encoding/json.Valid, so that figures of different machines can be compared. For at most two
seconds it also asks the plain evaluator, and compares what the two say. Of the rules, 60 % are
about source and detail-type, the others about numbers, prefixes and more; half of those that
name an event's source match it. It takes some seconds.

  freshet bench match
  freshet bench match --rules 100000 --event-bytes 2048 --json
`
}

func (*benchMatchCommand) uses() everyday { return usesOutput }

func (c *benchMatchCommand) run(ctx context.Context, call *invocation) error {
	options := match.Options{Rules: int(c.Rules), EventBytes: int(c.EventBytes), Seed: c.Seed}
	if err := options.Validate(); err != nil {
		return usageFailure(err.Error()).trying("freshet bench match --help")
	}
	figures, err := match.Run(ctx, options)
	if err != nil {
		return err
	}
	if call.out.structured() {
		call.out.object(figures)
		return nil
	}
	t := table{columns: []column{
		{name: "RULES", right: true}, {name: "BYTES", right: true}, {name: "MATCHES", right: true}, {name: "EVENTS/S", right: true},
		{name: "MB/S", right: true}, {name: "NS", right: true}, {name: "ALLOCS", right: true}, {name: "JSON.VALID/S", right: true},
		{name: "RATIO", right: true}, {name: "PLAIN/S", right: true},
	}}
	t.row(thousands(int64(figures.Rules)), thousands(int64(figures.EventBytes)), fmt.Sprintf("%.1f", figures.MatchesPerEvent),
		thousands(int64(figures.EventsPerSecond)), fmt.Sprintf("%.0f", figures.MegabytesPerSecond()), fmt.Sprintf("%.0f", figures.NanosecondsPerEvent),
		fmt.Sprintf("%.2f", figures.AllocsPerEvent), thousands(int64(figures.JSONValidPerSecond)), fmt.Sprintf("%.2f", figures.Ratio()),
		thousands(int64(figures.PlainPerSecond)))
	call.out.table(t)
	call.out.linef("")
	call.out.linef("rules   added in %.1f ms, %.0f bytes each; one more in %s, one less in %s",
		figures.AddMilliseconds, figures.BytesPerRule, figures.AddOne.Round(100*time.Nanosecond), figures.RemoveOne.Round(100*time.Nanosecond))
	return nil
}
