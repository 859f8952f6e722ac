package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/freshet-mq/freshet/broker"
)

// devCommand runs a playground.
type devCommand struct {
	Data    string `help:"Keep the data in this directory; without it they are removed at the end." placeholder:"DIR"`
	Port    port   `default:"7600" help:"Port to listen on, on loopback; 0 takes a free one; default 7600." placeholder:"PORT"`
	LogSize size   `default:"2GiB" help:"Bytes that the log may hold; as much has to be free on the disk; default 2GiB." placeholder:"SIZE"`
	Nodes   count  `default:"1" help:"Number of nodes. This release has one." placeholder:"N"`
}

// Help tells more.
func (*devCommand) Help() string {
	return `
A real node, with the log on this machine's disk, that only this machine can reach. It runs until
Ctrl-C. Leave it running, and talk to it from another terminal.

  freshet dev
  freshet dev --data ./playground
  freshet dev --port 7700 --log-size 256MiB
`
}

func (*devCommand) uses() everyday { return 0 }

// devStateRoom is what a node writes besides its log: state, snapshots.
const devStateRoom = 64 << 20

func (d *devCommand) run(ctx context.Context, call *invocation) (err error) {
	if d.Nodes != 1 {
		return &failure{code: codeUnsupported, what: fmt.Sprintf("--nodes %d isn't in this release", d.Nodes), seen: []string{"a node has no peers yet, so a playground is one node"}, try: []string{"freshet dev"}}
	}
	dir, remove, err := d.directory()
	if err != nil {
		return err
	}
	// C5: whatever happens from here on, what was made is removed.
	defer func() { err = errors.Join(err, remove()) }()
	options := broker.Options{
		Node: "n1", Cluster: "dev", Dir: dir, LogBytesMax: int64(d.LogSize), Logger: newLogger(call, "warn", "text"),
	}
	if options.Listener, options.Admin, err = d.listen(ctx); err != nil {
		return err
	}
	address := options.Listener.Addr().String()
	if err := runNode(ctx, options, func(*broker.Node) { call.welcome(address, dir, d.Data == "") }); err != nil {
		return err
	}
	call.notef("")
	if d.Data == "" {
		call.notef("stopped; removing %s", dir)
	} else {
		call.notef("stopped; the data are in %s", dir)
	}
	return nil
}

// adminPortAbove is where the admin listener stands, counted from the port for
// clients: 7602 above 7600.
const adminPortAbove = 2

// listen takes the ports, or says who has them and what to do.
func (d *devCommand) listen(ctx context.Context) (api, admin net.Listener, err error) {
	if api, err = listenOn(ctx, loopback(d.Port)); err != nil {
		return nil, nil, d.portTaken(err)
	}
	if d.Port == 0 || d.Port > math.MaxUint16-adminPortAbove {
		return api, nil, nil // no port that anybody could guess: nobody would find it
	}
	if admin, err = listenOn(ctx, loopback(d.Port+adminPortAbove)); err != nil {
		return nil, nil, errors.Join(d.portTaken(err), api.Close())
	}
	return api, admin, nil
}

func loopback(p port) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(p))) }

// portTaken adds what to do about it.
func (d *devCommand) portTaken(err error) error {
	refused := failureOf(err, nil)
	if strings.Contains(refused.what, "by freshet,") {
		refused.seen = append(refused.seen, "that may well be a playground already: talk to it, or end it")
		refused.try = append(refused.try, "freshet topic list --server "+loopback(d.Port))
	}
	return refused.trying("freshet dev --port 0")
}

// directory finds room for the data, and says how to remove it again.
func (d *devCommand) directory() (dir string, remove func() error, err error) {
	parent := d.Data
	if parent == "" {
		parent = os.TempDir()
	}
	if err := needRoom(parent, d.LogSize+devStateRoom); err != nil {
		return "", nil, failureOf(err, nil).trying("freshet dev --log-size 256MiB", "freshet dev --data DIR")
	}
	if d.Data != "" {
		return d.Data, func() error { return nil }, nil
	}
	dir, err = os.MkdirTemp("", "freshet-dev-")
	if err != nil {
		return "", nil, fileFailure("a directory for the data", err)
	}
	return dir, func() error { return os.RemoveAll(dir) }, nil
}

// welcome says what there is, and what to paste.
func (c *invocation) welcome(address, dir string, removed bool) {
	keeping := "kept"
	if removed {
		keeping = "removed at the end"
	}
	c.out.linef("a node listens on %s; its data are in %s (%s)", address, dir, keeping)
	c.out.linef("")
	c.out.linef("in another terminal:")
	if address != defaultServer {
		c.out.linef("  export FRESHET_SERVER=%s", address)
	}
	for _, command := range welcomeCommands {
		c.out.linef("  %s", command)
	}
	c.out.linef("")
	c.out.linef("Ctrl-C ends it")
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
