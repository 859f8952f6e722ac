package demo

import (
	"context"
	"sync"
	"time"
)

// progressKeeper knows how a run stands, and shows it.
type progressKeeper struct {
	scenario *scenario
	meter    meter

	mu struct {
		sync.Mutex
		phase string
		kills int
	}
}

func newProgressKeeper(s *scenario) *progressKeeper { return &progressKeeper{scenario: s} }

// phase says what the run is about from now on.
func (k *progressKeeper) phase(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.phase = name
}

// killed counts a kill.
func (k *progressKeeper) killed() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.kills++
}

// now is how the run stands. For one goroutine.
func (k *progressKeeper) now() Progress {
	s := k.scenario
	p := Progress{Elapsed: time.Since(s.began), Planned: s.feed.Len(), Figures: s.ledger.Figures()}
	p.Rows = rowsOf(s.subscriptions, s.readers, p.Figures.Readers)
	p.PublishedPerSecond, p.DeliveredPerSecond = k.meter.read(p.Elapsed, p.Published, p.Delivered)
	k.mu.Lock()
	defer k.mu.Unlock()
	p.Phase = k.mu.phase
	p.Nodes = []NodeProgress{{Name: s.node.name, State: s.node.state(), Kills: k.mu.kills}}
	return p
}

// show draws until ctx has ended, then clears the screen for the report.
func (k *progressKeeper) show(ctx context.Context, screen Screen) {
	painter := &painter{screen: screen}
	defer painter.clear()
	for {
		painter.show(k.now())
		if !pause(ctx, screen.interval()) {
			return
		}
	}
}
