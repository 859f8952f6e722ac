package main

import (
	"context"
	"errors"
	"time"

	"github.com/freshet-mq/freshet/broker"
)

// serveCommand runs a production node.
type serveCommand struct {
	Config      string `help:"Configuration file; env FRESHET_CONFIG." placeholder:"FILE"`
	PrintConfig bool   `help:"Print each value and where it is from, and end."`
	config
}

// Help tells more.
func (*serveCommand) Help() string {
	return `
A value is taken from its flag, else from its environment variable (FRESHET_ and the key, such as
FRESHET_LISTEN_API), else from the file, else it is the default. A key that isn't known ends it.
SIGTERM and SIGINT stop the node in order: it answers what it has taken on, and closes its log.

  freshet serve --data /var/lib/freshet
  freshet serve --config /etc/freshet/freshet.yaml
  freshet serve --config /etc/freshet/freshet.yaml --print-config
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
	options, err := loaded.options(ctx, call)
	if err != nil {
		return err
	}
	return runNode(ctx, options, func(node *broker.Node) {
		call.out.linef("freshet %s serves on %s", options.Node, node.Addr())
	})
}

// options opens the listeners and puts the rest of the configuration beside them.
func (c *config) options(ctx context.Context, call *invocation) (broker.Options, error) {
	options := broker.Options{
		Node: c.Node, Dir: c.Data, Cluster: c.Cluster.Name, Advertise: c.Advertise.API, LogBytesMax: int64(c.Log.Size),
		Defaults: broker.Defaults{
			Visibility: time.Duration(c.Defaults.Visibility), Attempts: int(c.Defaults.Attempts), EventBytesMax: int(c.Defaults.EventBytesMax),
		},
		Limits: broker.Limits{Connections: int(c.Limits.Connections)},
		Logger: newLogger(call, c.Telemetry.Log, c.Telemetry.LogFormat),
	}
	var err error
	if options.Listener, err = listenOn(ctx, c.Listen.API); err != nil {
		return options, err
	}
	if c.Listen.Admin == adminOff {
		return options, nil
	}
	if options.Admin, err = listenOn(ctx, c.Listen.Admin); err != nil {
		return options, errors.Join(err, options.Listener.Close())
	}
	return options, nil
}
