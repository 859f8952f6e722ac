package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Run runs rounds, one after the other, each on a cluster of its own. An error means that
// they couldn't be run, or that ctx ended: then the summary is of those that were.
func Run(ctx context.Context, o Options) (_ *Summary, err error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Dir == "" {
		if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
			o.Dir = "/dev/shm"
		}
	}
	dir, err := os.MkdirTemp(o.Dir, "freshet-chaos-")
	if err != nil {
		return nil, fmt.Errorf("no directory for the nodes' data: %w", err)
	}
	told := func(format string, arguments ...any) {
		_, _ = fmt.Fprintf(o.Progress, format+"\n", arguments...) // who looks on changes nothing
	}
	can := lookAround(ctx, dir)
	s := newSummary(&o, can)
	for _, missing := range s.LeftOut {
		told("left out: %s", missing)
	}
	for number := o.First; number < o.First+o.Rounds && ctx.Err() == nil; number++ {
		if err := o.one(ctx, number, dir, can, s, told); err != nil {
			if ctx.Err() != nil {
				break // half a round is none
			}
			return s, fmt.Errorf("round %d: %w (its files are in %s)", number, err, roundDir(dir, number))
		}
	}
	if len(s.Kept) > 0 {
		return s, ctx.Err() // what was found is looked at later (X2)
	}
	return s, errors.Join(ctx.Err(), os.RemoveAll(dir))
}

// one runs a round and adds it to the summary. Its files stay if it found something.
func (o *Options) one(ctx context.Context, number int, dir string, can abilities, s *Summary, told func(string, ...any)) error {
	told("round %d of seed %d", number, o.Seed)
	own := roundDir(dir, number)
	if err := os.MkdirAll(own, 0o700); err != nil {
		return err
	}
	r, err := o.runRound(ctx, number, own, can, told)
	if err != nil {
		return err
	}
	s.add(r.result)
	told("  %s", r)
	if r.result.OK() {
		return os.RemoveAll(own)
	}
	for line := range strings.Lines(r.result.Verdict.String()) {
		told("    %s", strings.TrimSuffix(line, "\n"))
	}
	for _, trouble := range r.result.Trouble {
		told("    %s", trouble)
	}
	told("  kept: %s; again: make chaos ROUNDS=1 SEED=%d ARGS='--first %d'", own, o.Seed, number)
	s.Kept = append(s.Kept, own)
	return writeHistory(own, r.clients.Recorder().History())
}
