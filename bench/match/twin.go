package match

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/freshet-mq/freshet/matcher"
)

// plain measures the plain engine on as many events as it does in the time that it has, and compares what both engines say (M2).
func (b *bench) plain(ctx context.Context) error {
	set := matcher.Plain.NewSet()
	for i, text := range b.patterns {
		p, err := matcher.Parse([]byte(text))
		if err == nil {
			err = set.Add(uint32(i), p)
		}
		if err != nil {
			return fmt.Errorf("rule %s: %w", text, err)
		}
	}
	program := set.Snapshot()
	var want matcher.Matches
	begin, events := time.Now(), 0
	spent := time.Duration(0)
	for _, e := range b.blocks[0] {
		one := []matcher.Event{e}
		program.MatchBlock(one, &want)
		events++
		spent = time.Since(begin)
		if spent > plainForMost || ctx.Err() != nil {
			break
		}
	}
	b.figures.PlainPerSecond = float64(events) / spent.Seconds()
	for i := range events {
		one := b.blocks[0][i : i+1]
		program.MatchBlock(one, &want)
		b.program.MatchBlock(one, &b.matches)
		if !slices.EqualFunc(b.matches.Rules(), want.Rules(), func(x, y matcher.Match) bool { return x.Rule == y.Rule }) {
			return fmt.Errorf("the engines differ: %d rules match by the compiled one, %d by the plain one, of %s", len(b.matches.Rules()), len(want.Rules()), one[0].JSON)
		}
		if time.Since(begin) > 2*plainForMost {
			break
		}
	}
	return nil
}

// change adds rules to the full set and removes them again, with a snapshot after each, as a broker does.
func (b *bench) change(context.Context) error {
	var added, removed []time.Duration
	for i := range changes {
		p, err := matcher.Parse([]byte(b.load.pattern()))
		if err != nil {
			return err
		}
		id := uint32(b.options.Rules + i)
		begin := time.Now()
		if err := b.set.Add(id, p); err != nil {
			return err
		}
		b.set.Snapshot()
		between := time.Now()
		b.set.Remove(id)
		b.set.Snapshot()
		added, removed = append(added, between.Sub(begin)), append(removed, time.Since(between))
	}
	b.figures.AddOne, b.figures.RemoveOne = median(added), median(removed)
	return nil
}
