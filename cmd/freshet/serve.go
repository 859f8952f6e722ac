package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/freshet-mq/freshet/broker"
	"github.com/freshet-mq/freshet/raftlog/transport"
)

// serveCommand runs a production node.
type serveCommand struct {
	Config      string      `help:"Configuration file; env FRESHET_CONFIG." placeholder:"FILE"`
	PrintConfig bool        `help:"Print each value and where it is from, and end."`
	Inherit     inheritance `help:"Serve on listeners that the parent process has left open, and end with it." hidden:"" placeholder:"LISTENER=FD,..."`
	config
}

// Help tells more.
func (*serveCommand) Help() string {
	return `
A value is taken from its flag, else from its environment variable (FRESHET_ and the key, such as
FRESHET_LISTEN_API), else from the file, else it is the default. A key that isn't known ends it.
SIGTERM and SIGINT stop the node in order: it answers what it has taken on, hands on what it leads,
and closes its log. A node of several serves once a majority of them is there.

  freshet serve --data /var/lib/freshet
  freshet serve --config /etc/freshet/freshet.yaml
  freshet serve --config /etc/freshet/freshet.yaml --print-config
  freshet serve --config /etc/freshet/cluster.yaml --node n2 --listen-api 10.0.0.2:7600
`
}

func (*serveCommand) uses() everyday { return usesOutput }

func (s *serveCommand) run(ctx context.Context, call *invocation) error {
	path := s.Config
	if path == "" {
		path, _ = call.lookup("FRESHET_CONFIG")
	}
	loaded, all, err := loadConfig(path, &s.config, call.given, call.surroundings)
	if err != nil {
		return err
	}
	if s.PrintConfig {
		return printConfig(call.out, all)
	}
	options := loaded.options(call)
	reached := func() (listeners, error) { return loaded.listen(ctx) }
	if s.Inherit.given() {
		var cancel context.CancelFunc
		ctx, cancel = untilOrphaned(ctx, call.stdin)
		defer cancel()
		reached = s.Inherit.listen
	}
	opened, err := reached()
	if err != nil {
		return err
	}
	options.Listener, options.Admin = opened.api, opened.admin
	if opened.peer != nil {
		options.PeerStreams = transport.OverTCP(opened.peer)
	}
	err = runNode(ctx, options, func(node *broker.Node) {
		if s.Inherit.given() {
			call.sayReady(options.Node, node.Addr())
			return
		}
		call.out.linef("freshet %s serves on %s", options.Node, node.Addr())
	})
	if refused, ok := errors.AsType[*failure](err); ok {
		data := all[slices.IndexFunc(all, func(one *setting) bool { return one.key == "data" })]
		refused.seen = append(refused.seen, fmt.Sprintf("data is %s, from %s", data.text(), data.origin))
	}
	return err
}

// options is the configuration as a node wants it, but for where it is reached.
func (c *config) options(call *invocation) broker.Options {
	return broker.Options{
		Node: c.Node, Dir: c.Data, Cluster: c.Cluster.Name, Advertise: c.Advertise.API, LogBytesMax: int64(c.Log.Size),
		LogSegmentBytes: int64(c.Log.Segment),
		Peers:           c.Cluster.Peers, Partitions: int(c.Cluster.Partitions),
		Defaults: broker.Defaults{
			Visibility: time.Duration(c.Defaults.Visibility), Attempts: int(c.Defaults.Attempts), EventBytesMax: int(c.Defaults.EventBytesMax),
			Retention: broker.Retention{Age: time.Duration(c.Defaults.Retention.age), Bytes: int64(c.Defaults.Retention.bytes)},
		},
		Limits: broker.Limits{Connections: int(c.Limits.Connections), Memory: int64(c.Limits.Memory)},
		Logger: newLogger(call, c.Telemetry.Log, c.Telemetry.LogFormat),
	}
}
