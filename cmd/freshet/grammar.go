package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/alecthomas/kong"
)

// grammar is every command at a glance: freshet <noun> <verb> [name] [--flags],
// everyday verbs at the top.
type grammar struct {
	Help helpFlag `group:"Everywhere" help:"Print this."                short:"h"`
	everydayFlags

	Demo demoCommand `cmd:"" group:"Start here" help:"The main job, checked: publish, consume, kill a leader half way, and count."`
	Dev  struct {
		Run    devCommand       `cmd:"" default:"withargs" help:"A playground: real nodes on this machine, for as long as you look."`
		Kill   devKillCommand   `cmd:"" help:"Kill a node of the playground (kill -9)."`
		Empty  devEmptyCommand  `cmd:"" help:"Start a node of the playground with an empty data directory, as after a lost disk."`
		Start  devStartCommand  `cmd:"" help:"Start a node of the playground again."`
		Pause  devPauseCommand  `cmd:"" help:"Hold a node of the playground in its tracks."`
		Resume devResumeCommand `cmd:"" help:"Let a paused node of the playground go on."`
	} `cmd:"" group:"Start here" help:"A playground: real nodes on this machine."`
	Send sendCommand `cmd:"" group:"Every day"  help:"Publish events, and say which subscriptions they matched."`
	Take takeCommand `cmd:"" group:"Every day"  help:"Lease events from a subscription: look at them, ack them, or run a command on each."`
	Tail tailCommand `cmd:"" group:"Every day"  help:"Follow a topic without side effects."`

	Topic struct {
		Create topicCreateCommand `cmd:""              help:"Make a topic."`
		List   topicListCommand   `aliases:"ls" cmd:"" help:"List topics."`
		Show   topicShowCommand   `cmd:""              help:"Show one, with its subscriptions."`
		Delete topicDeleteCommand `cmd:""              help:"Remove a topic, and all that is in it."`
	} `cmd:"" group:"Topics and subscriptions" help:"Where events are published."`
	Sub struct {
		Create subCreateCommand `cmd:""              help:"Make a subscription."`
		List   subListCommand   `aliases:"ls" cmd:"" help:"List subscriptions, and what they hold."`
		Show   subShowCommand   `cmd:""              help:"Show one, with its pattern whole."`
		Delete subDeleteCommand `cmd:""              help:"Remove a subscription, or a member, and all that it holds."`
	} `cmd:"" group:"Topics and subscriptions" help:"Who wants which events."`

	Dead struct {
		List    deadListCommand    `aliases:"ls" cmd:"" help:"List dead letters, by reason, pattern or key."`
		Show    deadShowCommand    `cmd:""              help:"Show one, whole."`
		Redrive deadRedriveCommand `cmd:""              help:"Give dead letters another life."`
	} `cmd:"" group:"Topics and subscriptions" help:"What subscriptions gave up."`

	Explain explainCommand `cmd:"" group:"Patterns" help:"Say why an event does or doesn't match, leaf by leaf."`
	Pattern struct {
		Check patternCheckCommand `cmd:"" help:"Say whether a pattern is valid, and where it isn't."`
		Test  patternTestCommand  `cmd:"" help:"Run events against a pattern, or a corpus of cases against the matcher."`
		Lint  patternLintCommand  `cmd:"" help:"Find what is valid in a pattern and probably not meant."`
	} `cmd:"" group:"Patterns" help:"Event patterns, without a server."`

	Bench struct {
		Match    benchMatchCommand    `cmd:"" help:"Measure the matcher: events against many rules, on one core."`
		Queue    benchQueueCommand    `cmd:"" help:"Measure the whole way of events through a queue: published, delivered, acked, and checked."`
		Publish  benchPublishCommand  `cmd:"" help:"Measure publishing alone."`
		Fanout   benchFanoutCommand   `cmd:"" help:"Measure events that go to several subscriptions each."`
		Route    benchRouteCommand    `cmd:"" help:"Measure events that are routed by many patterns."`
		Latency  benchLatencyCommand  `cmd:"" help:"Measure how long events take at a modest rate."`
		Series   benchSeriesCommand   `cmd:"" help:"Measure several works, or one as something grows, in one table."`
		Failover benchFailoverCommand `cmd:"" help:"Measure what it costs that a leader is killed or paused."`
	} `cmd:"" group:"Measuring" help:"Figures of this machine."`
	Chaos chaosCommand `cmd:"" group:"Measuring" help:"Break clusters while clients use them, and check what they were told." hidden:""`

	Serve   serveCommand `cmd:"" group:"Servers" help:"Run a production node."`
	Cluster struct {
		Status  clusterStatusCommand  `cmd:"" help:"Show nodes and partitions: who leads, and who is behind."`
		Replace clusterReplaceCommand `cmd:"" help:"Let a node in anew whose data directory is gone for good."`
	} `cmd:"" group:"Servers" help:"Nodes and partitions."`
	Version versionCommand `cmd:"" group:"Servers" help:"Say which release this is."`
}

// everydayFlags stand behind most commands and mean the same everywhere.
type everydayFlags struct {
	Server  string       `group:"Everywhere" help:"The node to talk to, or several with commas between: any that answers will do; env FRESHET_SERVER; default ${server}." placeholder:"HOST:PORT"`
	Timeout duration     `default:"10s"      group:"Everywhere"                                                       help:"How long to wait for the node's answer; default 10s." placeholder:"TIME"`
	Output  outputFormat `default:"table"    enum:"table,json,yaml"                                                   group:"Everywhere"                                          help:"How to write the answer: table, json or yaml; default table." placeholder:"FORMAT" short:"o"`
	JSON    bool         `group:"Everywhere" help:"The same as -o json: the answer is one object, one line, the last." name:"json"`
}

// everyday says which of the everyday flags a command listens to.
type everyday uint8

const (
	usesServer everyday = 1 << iota // --server and --timeout
	usesOutput                      // --output and --json
)

// everydayOf tells which use a flag belongs to; other flags are in no use.
var everydayOf = map[string]everyday{
	"server": usesServer, "timeout": usesServer, "output": usesOutput, "json": usesOutput,
}

// command is what stands behind a verb.
type command interface {
	// Help is the long text: what it does, then examples, which a test parses.
	Help() string
	// uses says which everyday flags have a meaning for it.
	uses() everyday
	// run does it. Answers go to call.out.
	run(ctx context.Context, call *invocation) error
}

// invocation is one run of a command.
type invocation struct {
	surroundings
	everydayFlags
	out   *output
	given map[string]bool // flags that stand on the command line, by name
}

// errTimeout is what a context of within ends with.
var errTimeout = errors.New("no answer in time")

// within bounds a call to a node by --timeout.
func (c *invocation) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, time.Duration(c.Timeout), errTimeout)
}

// notef writes a remark that isn't part of the answer. Standard error that can't
// be written to changes nothing about the answer.
func (c *invocation) notef(format string, args ...any) {
	_, _ = fmt.Fprintf(c.stderr, format+"\n", args...)
}

// defaultServer is where freshet dev listens.
const defaultServer = "127.0.0.1:7600"

// newParser builds kong's model of the grammar.
func newParser(grammar *grammar, around surroundings) (*kong.Kong, error) {
	return kong.New(grammar,
		kong.Name("freshet"),
		kong.Vars{"server": defaultServer},
		kong.NoDefaultHelp(),
		kong.Writers(around.stdout, around.stderr),
		kong.Exit(func(int) {}),
		kong.Bind(around),
	)
}

// parse turns arguments into something to run; nil when there is nothing left
// to do, since help was asked for and printed.
func parse(args []string, around surroundings) (func(context.Context) error, error) {
	var words grammar
	parser, err := newParser(&words, around)
	if err != nil {
		return nil, err
	}
	args = otherSpellings(args)
	parsed, err := parser.Parse(args)
	if errors.Is(err, errHelpPrinted) {
		return nil, nil
	}
	if err != nil {
		return nil, usageOf(parser.Model, args, err)
	}
	chosen, ok := reflect.TypeAssert[command](parsed.Selected().Target.Addr())
	if !ok {
		return nil, fmt.Errorf("%s is no command", parsed.Selected().FullPath())
	}
	call := &invocation{surroundings: around, everydayFlags: words.everydayFlags, given: map[string]bool{}}
	for _, element := range parsed.Path {
		if element.Flag == nil {
			continue
		}
		call.given[element.Flag.Name] = true
		if use, ok := everydayOf[element.Flag.Name]; ok && chosen.uses()&use == 0 {
			return nil, usageFailure(fmt.Sprintf("%s has no use for --%s", pathOf(parsed.Selected()), element.Flag.Name)).
				trying(pathOf(parsed.Selected()) + " --help")
		}
	}
	if call.JSON {
		if call.given["output"] && call.Output != formatJSON {
			return nil, usageFailure(fmt.Sprintf("--json and --output %s contradict each other", call.Output))
		}
		call.Output = formatJSON
	}
	call.out = &output{w: around.stdout, format: call.Output, terminal: around.terminal, width: around.width}
	if call.Server == "" {
		if server, ok := around.lookup("FRESHET_SERVER"); ok && server != "" {
			call.Server = server
		} else {
			call.Server = defaultServer
		}
	}
	return func(ctx context.Context) error {
		if err := chosen.run(ctx, call); err != nil {
			return err
		}
		return call.out.err
	}, nil
}

// otherSpellings takes what people type out of habit: no argument at all,
// "freshet help topic create" and "freshet --version".
func otherSpellings(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(args[1:len(args):len(args)], "--help")
	case len(args) == 1 && args[0] == "--version":
		return []string{"version"}
	}
	return args
}
