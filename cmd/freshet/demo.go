package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/freshet-mq/freshet/bench/demo"
)

// demoCommand runs the main job and checks it.
type demoCommand struct {
	Data     string   `help:"Publish this file's events in place of generated ones: one a line, gzip or plain." placeholder:"FILE"`
	Repeat   count    `default:"1" help:"Go through the file so many times; default 1." placeholder:"N"`
	Events   count    `default:"30000" help:"Generate so many events, 16 to 2,000,000; default 30000." placeholder:"N"`
	Seed     uint64   `default:"1" help:"Which events are generated, and what becomes of them; default 1." placeholder:"N"`
	Nodes    count    `default:"3" help:"Number of nodes: 1, 3 or 5; default 3." placeholder:"N"`
	Deadline duration `default:"3m" help:"What has not arrived by then is lost; default 3m." placeholder:"TIME"`
	LogSize  size     `default:"2GiB" help:"Bytes that the log may hold; as much has to be free on the disk; default 2GiB." placeholder:"SIZE"`
}

// Help tells more.
func (*demoCommand) Help() string {
	return `
Starts three nodes, each a process of this program, on free ports; makes a topic on four partitions
and twelve subscriptions (queues, ordered queues and fan-outs), and publishes as fast as the nodes take
it. Competing consumers ack what they get; some of it they release, reject, or leave until the lease
runs out. When half of the events are published the leader of a partition that has deliveries in flight
is killed with SIGKILL, and started again when others have taken its place. At the end everything that
should have arrived must have, and nothing else; the node that was killed must have caught up; and all
replicas of each partition must have made the same state of the same entries. Lost, unexpected and
after_ack have to be 0, or the exit code is 1. What should arrive is decided apart from the nodes.
Nothing is left behind.

  freshet demo
  freshet demo --nodes 1
  freshet demo --events 100000 --seed 7
  freshet demo --data webhooks.jsonl.gz --repeat 20 --json
`
}

func (*demoCommand) uses() everyday { return usesOutput }

func (d *demoCommand) run(ctx context.Context, call *invocation) error {
	if err := d.check(call); err != nil {
		return err
	}
	program, err := ownProgram()
	if err != nil {
		return err
	}
	if err := needRoom(os.TempDir(), size(d.Nodes)*(d.LogSize+devStateRoom)); err != nil {
		return failureOf(err, nil).trying("freshet demo --log-size 256MiB", "TMPDIR=DIR freshet demo")
	}
	report, err := demo.Run(ctx, demo.Options{
		Nodes: int(d.Nodes), Data: d.Data, Repeat: int(d.Repeat), Events: int(d.Events), Seed: d.Seed, Deadline: time.Duration(d.Deadline),
		Program: program, LogBytes: int64(d.LogSize), Screen: call.screen(),
	})
	if refused, ok := errors.AsType[*demo.DataError](err); ok {
		return &failure{code: codeFile, what: refused.Error(), cause: err}
	}
	if ctx.Err() != nil {
		call.notef("interrupted: the nodes have ended, their data are gone")
		return errAnswerIsNo
	}
	if err != nil {
		return err
	}
	return d.answer(call, report)
}

// check refuses flags that contradict each other or can't be meant.
func (d *demoCommand) check(call *invocation) error {
	if err := nodesFailure(d.Nodes); err != nil {
		return err
	}
	switch {
	case d.Data != "" && call.given["events"]:
		return usageFailure("--events is for generated events, --data for a file's", "how many events a file makes is said with --repeat")
	case d.Data == "" && call.given["repeat"]:
		return usageFailure("--repeat is for a file's events", "say which with --data, or how many are to be generated with --events")
	case d.Data == "" && d.Events < demo.EventsMin:
		return usageFailure(fmt.Sprintf("--events wants %d or more, got %d", demo.EventsMin, d.Events), "with fewer nothing is in flight half way, when the node is killed")
	case d.Data == "" && d.Events > demo.EventsMax:
		return usageFailure(fmt.Sprintf("--events wants at most %s, got %d", thousands(demo.EventsMax), d.Events), "what was published and what arrived is kept in memory until the end")
	}
	return nil
}

// screen is standard error, as a terminal if it is one.
func (c *invocation) screen() demo.Screen {
	screen := demo.Screen{Writer: c.stderr}
	file, ok := c.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return screen
	}
	screen.Size = func() (columns, rows int) {
		columns, rows, err := term.GetSize(int(file.Fd()))
		if err != nil {
			return 80, 24
		}
		return columns, rows
	}
	noColour, _ := c.lookup("NO_COLOR") // https://no-color.org
	screen.Colour = noColour == ""
	return screen
}

// answer writes the report. It is an answer of no when anything is wrong.
func (d *demoCommand) answer(call *invocation, r *demo.Report) error {
	if call.out.structured() {
		call.out.object(r)
		for _, fault := range r.Faults {
			call.notef("%s", fault)
		}
	} else {
		call.out.table(demoTable(r))
		d.summary(call.out, r)
	}
	if !r.OK {
		return errors.Join(call.out.err, errAnswerIsNo)
	}
	return nil
}

// demoTable has a line for each subscription, and one for the sums.
func demoTable(r *demo.Report) table {
	t := table{columns: []column{
		{name: "SUBSCRIPTION"}, {name: "KIND"}, {name: "PATTERN", shrinks: true}, {name: "MATCHED", right: true}, {name: "DELIVERED", right: true},
		{name: "ACKED", right: true}, {name: "REJECTED", right: true}, {name: "CAME AGAIN", right: true}, {name: "LOST", right: true},
	}}
	row := func(name, kind, pattern string, c demo.Counts) {
		cells := []string{name, kind, pattern}
		for _, n := range []int{c.Matched, c.Delivered, c.Acked, c.Rejected, c.Redelivered, c.Lost()} {
			cells = append(cells, thousands(int64(n)))
		}
		t.row(cells...)
	}
	for _, s := range r.Rows {
		kind := "queue"
		if s.Ordered {
			kind = "ordered queue"
		}
		if s.Fanout() {
			kind = fmt.Sprintf("fan-out of %d", len(s.Members))
		}
		row(s.Name, kind, cmp.Or(s.Pattern, "every event"), s.Counts)
	}
	row("sum", "", "", demo.Counts{
		Matched: r.Matched, Delivered: r.Delivered, Acked: r.Acked, Rejected: r.Rejected, Redelivered: r.Redelivered, DeadLettered: r.DeadLettered,
	})
	return t
}

func (d *demoCommand) summary(out *output, r *demo.Report) {
	out.linef("")
	out.linef("published   %s of %s, in %.1f s with everything around it", thousands(int64(r.Published)), events(r.Planned), r.ElapsedSeconds)
	if r.LeaderKills > 0 {
		out.linef("killed -9   %s after %.1f s, with %s published and %s deliveries in flight; serving again after %.2f s,",
			r.Kill.Node, r.Kill.After.Seconds(), events(r.Kill.Published), thousands(int64(r.Kill.InFlight)), r.Kill.Away.Seconds())
		if r.Nodes > 1 {
			out.linef("            what it led (%s) led by others after %.2f s;", r.Kill.Led(), r.Kill.Succeeded.Seconds())
		}
		out.linef("            longest time without a confirmed publish %.2f s", r.GapSeconds)
	}
	out.linef("consumers   released %s, rejected %s, left %s until their leases ran out",
		thousands(int64(r.Released)), thousands(int64(r.Rejected)), thousands(int64(r.LeftToExpire)))
	out.linef("checked     %s deliveries due: %s lost  %s unexpected  %s after their ack  %s out of order  (%s came again before it, which is allowed)",
		thousands(int64(r.Matched)), thousands(int64(r.Lost)), thousands(int64(r.Unexpected)), thousands(int64(r.AfterAck)), thousands(int64(r.OutOfOrder)), thousands(int64(r.Redelivered)))
	if r.Judged > 0 {
		out.linef("            %s publishes, deliveries and answers judged one by one, by when they came", thousands(int64(r.Judged)))
	} else {
		out.linef("            by counts alone: there was more than can be judged one by one, or the run broke off")
	}
	if r.Nodes > 1 {
		agree := "the replicas of every partition agree, the killed node's too"
		if !r.ReplicasAgree {
			agree = "NOT seen to agree"
		}
		out.linef("replicas    %s", agree)
	}
	if r.OK {
		out.linef("verdict     ok")
		return
	}
	out.linef("verdict     FAILED")
	for _, fault := range r.Faults {
		out.linef("            %s", fault)
	}
}
