package match

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/freshet-mq/freshet/matcher"
)

// Options say what to measure.
type Options struct {
	// Rules is how many rules the set holds, from 1 to RulesMax.
	Rules int
	// EventBytes is about how long events are, from EventBytesMin to EventBytesMax.
	EventBytes int
	// Seed makes other rules and events.
	Seed uint64
	// Duration is how long the compiled engine and json.Valid are measured, together; 0 means 3 seconds.
	Duration time.Duration
}

// Limits of Options.
const (
	RulesMax      = 1_000_000
	EventBytesMin = 380
	EventBytesMax = 1 << 20
)

// Validate says which option is out of its limits.
func (o *Options) Validate() error {
	switch {
	case o.Rules < 1 || o.Rules > RulesMax:
		return fmt.Errorf("rules: got %d, want 1 to %d", o.Rules, RulesMax)
	case o.EventBytes < EventBytesMin || o.EventBytes > EventBytesMax:
		return fmt.Errorf("event bytes: got %d, want %d to %d", o.EventBytes, EventBytesMin, EventBytesMax)
	}
	return nil
}

// How the measurement is cut.
const (
	durationDefault = 3 * time.Second
	rounds          = 30
	blockEvents     = 256
	// blocksBytes is how much of events goes round, so that large ones don't take all memory.
	blocksBytes  = 4 << 20
	blocksMax    = 8
	plainForMost = 2 * time.Second
	changes      = 301
)

// bench is one measurement.
type bench struct {
	options  Options
	load     *workload
	set      matcher.Set
	program  matcher.Program
	patterns []string
	blocks   [][]matcher.Event
	matches  matcher.Matches
	figures  Figures
}

// Run measures. It takes some seconds, longer the more rules there are, and ends early with the context's error.
func Run(ctx context.Context, o Options) (*Figures, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Duration == 0 {
		o.Duration = durationDefault
	}
	b := &bench{options: o, load: newWorkload(o.Rules, o.Seed), figures: Figures{Rules: o.Rules}}
	for _, step := range []func(context.Context) error{b.add, b.prepare, b.rates, b.allocations, b.plain, b.change} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return &b.figures, nil
}

// add fills the set, and measures how long that takes and how much it keeps.
func (b *bench) add(context.Context) error {
	for range b.options.Rules {
		b.patterns = append(b.patterns, b.load.pattern())
	}
	before := heap()
	begin := time.Now()
	b.set = matcher.Compiled.NewSet()
	for i, text := range b.patterns {
		p, err := matcher.Parse([]byte(text))
		if err != nil {
			return fmt.Errorf("rule %s: %w", text, err)
		}
		if err := b.set.Add(uint32(i), p); err != nil {
			return fmt.Errorf("rule %s: %w", text, err)
		}
	}
	b.program = b.set.Snapshot()
	b.figures.AddMilliseconds = float64(time.Since(begin)) / float64(time.Millisecond)
	b.figures.BytesPerRule = max(0, float64(heap())-float64(before)) / float64(b.options.Rules)
	return nil
}

// heap is how much memory is in use, after what is not has been found.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what the first one's finalizers let go
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func (b *bench) prepare(context.Context) error {
	count := min(blocksMax, max(1, blocksBytes/(blockEvents*b.options.EventBytes)))
	bytes, number := 0, 0
	for range count {
		block := make([]matcher.Event, 0, blockEvents)
		for range min(blockEvents, max(1, blocksBytes/b.options.EventBytes)) {
			e := b.load.event(number, b.options.EventBytes)
			number++
			bytes += len(e.JSON)
			block = append(block, e)
		}
		b.blocks = append(b.blocks, block)
	}
	b.figures.EventBytes = bytes / number
	matched := 0
	for _, block := range b.blocks {
		b.program.MatchBlock(block, &b.matches)
		for _, m := range b.matches.Rules() {
			matched += b.matches.Count(m)
		}
	}
	b.figures.MatchesPerEvent = float64(matched) / float64(number)
	return nil
}

// rates lets the compiled engine and json.Valid take turns (M1).
func (b *bench) rates(ctx context.Context) error {
	slice := b.options.Duration / (2 * rounds)
	var compiled, valid []float64
	for range rounds {
		compiled = append(compiled, b.rate(slice, func(block []matcher.Event) { b.program.MatchBlock(block, &b.matches) }))
		valid = append(valid, b.rate(slice, func(block []matcher.Event) {
			for _, e := range block {
				json.Valid(e.JSON)
			}
		}))
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	b.figures.EventsPerSecond, b.figures.JSONValidPerSecond = median(compiled), median(valid)
	b.figures.NanosecondsPerEvent = 1e9 / b.figures.EventsPerSecond
	return nil
}

// rate is how many events a second are done, over at least one block and so long a time.
func (b *bench) rate(atLeast time.Duration, do func(block []matcher.Event)) float64 {
	begin, events := time.Now(), 0
	for i := 0; ; i++ {
		block := b.blocks[i%len(b.blocks)]
		do(block)
		events += len(block)
		if spent := time.Since(begin); spent >= atLeast {
			return float64(events) / spent.Seconds()
		}
	}
}

func median[T float64 | time.Duration](list []T) T {
	slices.Sort(list)
	return list[len(list)/2]
}

func (b *bench) allocations(context.Context) error {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	events := 0
	for range 4 {
		for _, block := range b.blocks {
			b.program.MatchBlock(block, &b.matches)
			events += len(block)
		}
	}
	runtime.ReadMemStats(&after)
	b.figures.AllocsPerEvent = float64(after.Mallocs-before.Mallocs) / float64(events)
	return nil
}
