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
	// changed has a value when something has happened that a watcher should see
	// at once: a killed node is away for a moment only.
	changed chan struct{}

	mu struct {
		sync.Mutex
		phase string
		kills map[string]int // by node
	}
}

func newProgressKeeper(s *scenario) *progressKeeper {
	k := &progressKeeper{scenario: s, changed: make(chan struct{}, 1)}
	k.mu.kills = make(map[string]int)
	return k
}

// phase says what the run is about from now on.
func (k *progressKeeper) phase(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.phase = name
}

// killed counts a kill.
func (k *progressKeeper) killed(node string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.kills[node]++
	select {
	case k.changed <- struct{}{}:
	default: // it is about to be drawn
	}
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
	for _, n := range s.nodes {
		p.Nodes = append(p.Nodes, NodeProgress{Name: n.name, State: n.state(), Kills: k.mu.kills[n.name]})
	}
	return p
}

// show draws until ctx has ended, then clears the screen for the report.
func (k *progressKeeper) show(ctx context.Context, screen Screen) {
	painter := &painter{screen: screen}
	defer painter.clear()
	ticker := time.NewTicker(screen.interval())
	defer ticker.Stop()
	for {
		painter.show(k.now())
		select {
		case <-ticker.C:
		case <-k.changed:
		case <-ctx.Done():
			return
		}
	}
}
