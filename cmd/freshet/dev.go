package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/bench/cluster"
)

// devCommand runs a playground.
type devCommand struct {
	Nodes   count  `default:"1" help:"Number of nodes: 1, 3 or 5; default 1." placeholder:"N"`
	Data    string `help:"Keep the data in this directory; without it they are removed at the end." placeholder:"DIR"`
	Port    port   `default:"7600" help:"Port of n1 for clients, on loopback; the next nodes have 10 more each; 0 takes free ones; default 7600." placeholder:"PORT"`
	LogSize size   `default:"2GiB" help:"Bytes that a node's log may hold; as much has to be free on the disk for each; default 2GiB." placeholder:"SIZE"`
}

// Help tells more.
func (*devCommand) Help() string {
	return `
Real nodes, each a process, with their logs on this machine's disk, that only this machine can reach.
They run until Ctrl-C. Leave them running, and talk to them from another terminal. n1 listens on 7600
for clients, 7601 for other nodes, 7602 for health and profiles; n2 on 7610 to 7612, and so on.

From another terminal a node can be killed, paused and started again: freshet dev kill n2.

  freshet dev
  freshet dev --nodes 3
  freshet dev --nodes 3 --data ./playground
  freshet dev --port 7700 --log-size 256MiB
`
}

func (*devCommand) uses() everyday { return 0 }

const (
	// devStateRoom is what a node writes besides its log: state, snapshots.
	devStateRoom = 64 << 20
	// devDirectories is what a playground's own directory is called.
	devDirectories = "freshet-dev-"
	// devStartTimeout is how long the nodes may take until all partitions have
	// a leader.
	devStartTimeout = time.Minute
)

// nodesFailure refuses a number of nodes that no cluster has.
func nodesFailure(nodes count) error {
	if nodes == 1 || nodes == 3 || nodes == 5 {
		return nil
	}
	return usageFailure(fmt.Sprintf("--nodes wants 1, 3 or 5, got %d", nodes), "a majority of an even number survives no more losses than that of one fewer")
}

func (d *devCommand) run(ctx context.Context, call *invocation) (err error) {
	if err := nodesFailure(d.Nodes); err != nil {
		return err
	}
	dir, remove, err := d.directory()
	if err != nil {
		return err
	}
	// C5: whatever happens from here on, what was made is removed.
	defer func() { err = errors.Join(err, remove()) }()
	program, err := ownProgram()
	if err != nil {
		return err
	}
	ground := &playground{call: call}
	ground.cluster, err = cluster.New(ctx, cluster.Options{
		Nodes: int(d.Nodes), Name: "dev", Dir: dir, Program: program, Port: int(d.Port), LogBytes: int64(d.LogSize), Died: ground.died,
	})
	if err != nil {
		return d.refused(err)
	}
	defer func() { err = errors.Join(err, ground.cluster.Close()) }()
	if err := ground.begin(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // it was told to end before it had begun
		}
		return err
	}
	stop, err := ground.takeOrders(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	ground.welcome(dir, d.Data == "")
	<-ctx.Done()
	call.notef("")
	if d.Data == "" {
		call.notef("stopping; %s is removed", dir)
	} else {
		call.notef("stopping; the data are in %s", dir)
	}
	return nil
}

// refused says who has a port, and what to do about it.
func (d *devCommand) refused(err error) error {
	taken, ok := errors.AsType[*cluster.PortError](err)
	if !ok {
		return &failure{code: codeArgument, what: err.Error(), try: []string{"freshet dev --help"}, cause: err}
	}
	refused := portFailure(taken.Address, taken.Err)
	refused.seen = append(refused.seen, fmt.Sprintf("it is the port of %s for %s", taken.Node, taken.For))
	if strings.Contains(refused.what, "by freshet,") {
		refused.seen = append(refused.seen, "that may well be a playground already: talk to it, or end it")
		refused.try = append(refused.try, "freshet topic list")
	}
	return refused.trying("freshet dev --port 0")
}

// ownProgram is this program's own file, to run nodes from.
func ownProgram() ([]string, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, &failure{code: codeCommand, what: "can't find this program's own file to run nodes from: " + err.Error(), cause: err}
	}
	return []string{program}, nil
}

// directory finds room for the data, and says how to remove it again.
func (d *devCommand) directory() (dir string, remove func() error, err error) {
	parent := d.Data
	if parent == "" {
		parent = os.TempDir()
	}
	if err := needRoom(parent, size(d.Nodes)*(d.LogSize+devStateRoom)); err != nil {
		return "", nil, failureOf(err, nil).trying("freshet dev --log-size 256MiB", "freshet dev --data DIR")
	}
	if d.Data != "" {
		dir, err := filepath.Abs(d.Data)
		if err == nil {
			err = os.MkdirAll(dir, 0o700)
		}
		if err != nil {
			return "", nil, fileFailure("the directory for the data", err)
		}
		return dir, func() error { return nil }, nil
	}
	dir, err = os.MkdirTemp("", devDirectories)
	if err != nil {
		return "", nil, fileFailure("a directory for the data", err)
	}
	return dir, func() error { return os.RemoveAll(dir) }, nil
}

// playground is a dev under way.
type playground struct {
	call    *invocation
	cluster *cluster.Cluster
	speaker sync.Mutex // who writes a note
}

// begin starts the nodes, and waits until every partition has a leader.
func (g *playground) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, devStartTimeout, errTimeout)
	defer cancel()
	if err := g.cluster.Start(ctx); err != nil {
		return &failure{code: codeFile, what: "a node can't start", seen: strings.Split(err.Error(), "\n"), cause: err}
	}
	if err := g.cluster.Await(ctx); err != nil {
		return &failure{code: codeUnavailable, what: err.Error(), cause: err}
	}
	return nil
}

// died says that a node has ended by itself. The others go on.
func (g *playground) died(node *cluster.Node, err error) {
	g.notef("%v\nits log is %s\ntry: freshet dev start %s", err, node.Log(), node.Name())
}

func (g *playground) notef(format string, args ...any) {
	g.speaker.Lock()
	defer g.speaker.Unlock()
	g.call.notef(format, args...)
}

// welcome says what there is, and what to paste.
func (g *playground) welcome(dir string, removed bool) {
	out, nodes := g.call.out, g.cluster.Nodes()
	keeping := "kept"
	if removed {
		keeping = "removed at the end"
	}
	is := "a node listens on " + nodes[0].API()
	if len(nodes) > 1 {
		is = fmt.Sprintf("%d nodes listen on %s", len(nodes), g.cluster.Target())
	}
	out.linef("%s; data and logs are in %s (%s)", is, dir, keeping)
	for _, n := range nodes {
		out.linef("  %s  %s  health and profiles on http://%s  log %s", n.Name(), n.API(), n.Admin(), n.Log())
	}
	out.linef("")
	out.linef("in another terminal:")
	if target := g.cluster.Target(); target != defaultServer {
		out.linef("  export FRESHET_SERVER=%s", target)
	}
	for _, command := range welcomeCommands {
		out.linef("  %s", command)
	}
	if len(nodes) > 1 {
		out.linef("")
		out.linef("and to see how it does without one of them:")
		for _, command := range drillCommands {
			out.linef("  %s", command)
		}
	}
	out.linef("")
	out.linef("Ctrl-C ends it")
}

// welcomeCommands are the first five minutes; README and docs have the same.
var welcomeCommands = []string{
	`freshet topic create orders`,
	`freshet sub create orders billing  --pattern '{"detail-type":["Order Placed"],"detail":{"amount":[{"numeric":[">",100]}]}}'`,
	`freshet sub create orders shipping --pattern '{"detail":{"country":["AU","NZ"]}}'`,
	`freshet send orders -s shop -t "Order Placed" '{"amount": 250, "country": "AU"}'`,
	`freshet take orders/billing --ack`,
	`freshet tail orders --from earliest`,
}

// drillCommands take a node away and bring it back.
var drillCommands = []string{
	`freshet cluster status`,
	`freshet dev kill n1`,
	`freshet send orders -s shop -t "Order Placed" '{"amount": 310, "country": "NZ"}'`,
	`freshet dev start n1`,
}
