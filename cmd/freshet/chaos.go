package main

import (
	"context"
	"errors"
	"time"

	"github.com/freshet-mq/freshet/bench/chaos"
	"github.com/freshet-mq/freshet/bench/trial"
)

// chaosCommand breaks clusters and checks what comes of it. It is for freshet's own
// people and hidden from others: it wants root, and proves something about a
// commit, not about a machine. It is a command, and no test, because nodes are
// processes of the very binary that is shipped.
type chaosCommand struct {
	Rounds   count    `default:"5" help:"How many rounds; default 5." placeholder:"N"`
	Seed     uint64   `default:"1" help:"Which faults, and whom they hit; default 1." placeholder:"N"`
	First    int      `default:"1" help:"Number of the first round." placeholder:"N"`
	Only     string   `help:"Begin every round with this fault." placeholder:"FAULT"`
	Rate     count    `default:"600" help:"Events published a second; default 600." placeholder:"N"`
	Patience duration `default:"45s" help:"How long drain and agreement may take; default 45s." placeholder:"TIME"`
	Dir      string   `help:"Where nodes have their data; default /dev/shm." placeholder:"DIR"`
	Commit   string   `help:"What this program was built from, for --runs." placeholder:"COMMIT"`
	Runs     string   `help:"Append the summary to this file." placeholder:"FILE"`
}

// Help tells more.
func (*chaosCommand) Help() string {
	return `
Each round starts three nodes, each a process of this program with a network and a disk of its own
where there is root for it, and breaks them while clients publish and consume: one to four faults,
half of them aimed at leaders. When all faults are over everything has to drain, replicas have to agree,
and what clients were told is checked. A round is made from the seed and its number. A round that
proves nothing is void and says why; one that finds something keeps its files and says where.

  freshet chaos --rounds 20 --seed 7
  freshet chaos --rounds 1 --seed 7 --first 13
  freshet chaos --only power-all
`
}

func (*chaosCommand) uses() everyday { return usesOutput }

func (c *chaosCommand) run(ctx context.Context, call *invocation) error {
	program, err := ownProgram()
	if err != nil {
		return err
	}
	summary, err := chaos.Run(ctx, chaos.Options{
		Rounds: int(c.Rounds), Seed: c.Seed, First: c.First, Only: c.Only, Rate: int(c.Rate), Patience: time.Duration(c.Patience), Dir: c.Dir,
		Program: program, Progress: call.stderr,
	})
	if summary == nil || summary.Rounds == 0 {
		return err
	}
	summary.Commit = c.Commit
	if c.Runs != "" {
		err = errors.Join(err, trial.Append(c.Runs, summary))
	}
	if call.out.structured() {
		call.out.object(summary)
	} else {
		call.out.linef("%s", summary)
	}
	if err == nil && !summary.OK() {
		return errors.Join(call.out.err, errAnswerIsNo)
	}
	return err
}
