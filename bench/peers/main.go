package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
)

// loadGCPercent is GOGC of the load unless somebody chose one, as in freshet's bench.
const loadGCPercent = 400

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) //nolint:forbidigo // this is main
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1) //nolint:forbidigo // likewise
	}
}

// options are the flags.
type options struct {
	freshet, nats, works, systems, json string
	rounds                              int
	times                               times
}

func parse(arguments []string, out io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&o.freshet, "freshet", "bin/freshet", "the freshet `program`")
	flags.StringVar(&o.nats, "nats-server", "bin/nats-server", "the nats-server `program`")
	flags.StringVar(&o.works, "works", "", "the works to measure, with commas between: "+workNames()+" (default all)")
	flags.StringVar(&o.systems, "systems", "freshet,freshet-plain,jetstream,jetstream-synced", "what to measure, in this order; there is also jetstream-async")
	flags.StringVar(&o.json, "json", "", "write every run, the medians and the ratios into this `file`; - is standard output, in place of the table")
	flags.IntVar(&o.rounds, "rounds", 3, "how often everything is measured; figures are medians")
	flags.DurationVar(&o.times.warmUp, "warm-up", time.Second, "how long the load is on before it is measured")
	flags.DurationVar(&o.times.measured, "duration", 2*time.Second, "how long it is measured")
	flags.DurationVar(&o.times.before, "before", time.Second, "when the leader is killed")
	flags.DurationVar(&o.times.gone, "gone", 20*time.Second, "how long events may need to flow again after that")
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("what is %q? There are only flags", flags.Arg(0))
	}
	if o.rounds < 1 {
		return nil, fmt.Errorf("-rounds is %d; it wants at least 1", o.rounds)
	}
	return o, nil
}

func run(ctx context.Context, arguments []string, out, progress io.Writer) error {
	o, err := parse(arguments, progress)
	if err != nil {
		return err
	}
	chosen, err := findWorks(o.works)
	if err != nil {
		return err
	}
	all, err := o.findSystems()
	if err != nil {
		return err
	}
	versions, err := o.versions(ctx)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(loadGCPercent)
	}
	began := time.Now()
	results := takeTurns(ctx, chosen, all, o, progress)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("interrupted: %w", err)
	}
	found := &findings{
		Machine: machine(), Took: time.Since(began).Round(time.Second).String(), Rounds: o.rounds, Configurations: configurations(versions), Results: results,
	}
	found.compare(chosen, all)
	return found.write(o.json, out)
}

// system is something that does the works.
type system interface {
	name() string
	// measures tells whether a work is measured with it.
	measures(w *work) bool
	// run measures a work once, on servers of its own, which are gone when it returns.
	run(ctx context.Context, w *work, t times) (*result, error)
}

func (o *options) findSystems() ([]system, error) {
	known := []system{
		&freshet{program: o.freshet},
		&freshet{program: o.freshet, plain: true},
		&peer{title: "jetstream", program: o.nats, batched: true},
		&peer{title: "jetstream-async", program: o.nats},
		&peer{title: "jetstream-synced", program: o.nats, batched: true, synced: true},
	}
	var found []system
	for name := range strings.SplitSeq(o.systems, ",") {
		before := len(found)
		for _, s := range known {
			if s.name() == name {
				found = append(found, s)
			}
		}
		if len(found) == before {
			return nil, fmt.Errorf("there is no system %q; there are freshet, freshet-plain, jetstream, jetstream-async and jetstream-synced", name)
		}
	}
	return found, nil
}

// takeTurns measures each work with all systems in turns: what else the machine does meets all of them.
func takeTurns(ctx context.Context, chosen []work, all []system, o *options, progress io.Writer) (results []*result) {
	for i := range chosen {
		w := &chosen[i]
		for round := range o.rounds {
			for _, s := range all {
				if !s.measures(w) || ctx.Err() != nil {
					continue
				}
				average := loadAverage()
				r, err := s.run(ctx, w, o.times)
				if err != nil {
					r = &result{Faults: []string{err.Error()}}
				}
				r.System, r.Work, r.Round, r.LoadAverage = s.name(), w.name, round+1, average
				results = append(results, r)
				_, _ = fmt.Fprintf(progress, "%-9s %d/%d  %-17s %s\n", w.name, round+1, o.rounds, s.name(), r.brief(w)) // nobody may be watching
			}
		}
	}
	return results
}

// brief is a run in a line.
func (r *result) brief(w *work) string {
	if len(r.Faults) > 0 {
		return "FAILED: " + strings.Join(r.Faults, "; ")
	}
	var parts []string
	for _, m := range w.measures {
		parts = append(parts, fmt.Sprintf("%s %s", figure(m.of(r)), m.name))
	}
	return strings.Join(parts, ", ")
}

// versions are what was measured: freshet's, the server's and its client's.
func (o *options) versions(ctx context.Context) ([]string, error) {
	var found []string
	for _, command := range [][]string{{o.freshet, "version"}, {o.nats, "--version"}} {
		text, err := exec.CommandContext(ctx, command[0], command[1:]...).Output() //nolint:gosec // the programs that the user named
		if err != nil {
			return nil, fmt.Errorf("%s: %w (make bench-peers builds it)", strings.Join(command, " "), err)
		}
		line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
		found = append(found, strings.TrimPrefix(line, filepath.Base(command[0])+": "))
	}
	client := "unknown"
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, module := range build.Deps {
			if module.Path == "github.com/nats-io/nats.go" {
				client = module.Version
			}
		}
	}
	return append(found, client), nil
}

// machine is what it ran on.
func machine() string {
	model := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d processors (%s), %s, %s", runtime.NumCPU(), model, runtime.GOOS, runtime.Version())
}

// loadAverage is how many processes ran, or would have, on average over the last minute (proc(5)).
func loadAverage() float64 {
	average := -1.0
	text, err := os.ReadFile("/proc/loadavg")
	if err == nil {
		_, err = fmt.Sscan(string(text), &average)
	}
	if err != nil {
		return -1
	}
	return average
}

// write writes the table, or everything as JSON.
func (f *findings) write(file string, out io.Writer) error {
	if file != "-" {
		if _, err := io.WriteString(out, f.table()); err != nil {
			return err
		}
	}
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if file == "-" {
		_, err = out.Write(text)
		return err
	}
	return os.WriteFile(file, text, 0o600)
}
