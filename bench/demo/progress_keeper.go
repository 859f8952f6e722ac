package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/bench/cluster"
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
		phase   string
		kills   map[string]int    // by node
		stories map[string]string // by node
		leaders map[uint32]string
	}
}

func newProgressKeeper(s *scenario) *progressKeeper {
	k := &progressKeeper{scenario: s, changed: make(chan struct{}, 1)}
	k.mu.kills, k.mu.stories = make(map[string]int), make(map[string]string)
	return k
}

// phase says what the run is about from now on.
func (k *progressKeeper) phase(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.phase = name
}

// killed counts a kill, and what it leaves without a leader.
func (k *progressKeeper) killed(kill *Kill) {
	k.tell(kill.Node, fmt.Sprintf("killed when it led %s, with %s in flight", partitionsText(kill.Partitions), counted(kill.InFlight, "delivery")))
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.kills[kill.Node]++
	for _, number := range kill.Partitions {
		delete(k.mu.leaders, number)
	}
}

// succeeded says that others lead what the killed node led.
func (k *progressKeeper) succeeded(kill *Kill) {
	k.tell(kill.Node, fmt.Sprintf("killed when it led %s: led by others after %.2f s", partitionsText(kill.Partitions), kill.Succeeded.Seconds()))
}

// returned says that the killed node serves again.
func (k *progressKeeper) returned(kill *Kill) {
	k.tell(kill.Node, fmt.Sprintf("was killed; serves again after %.2f s", kill.Away.Seconds()))
}

// tell notes a node's story, and has it drawn at once.
func (k *progressKeeper) tell(node, story string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.stories[node] = story
	select {
	case k.changed <- struct{}{}:
	default: // it is about to be drawn
	}
}

// watchLeaders asks who leads what, until ctx has ended.
func (k *progressKeeper) watchLeaders(ctx context.Context) {
	for {
		leaders, err := k.scenario.leaders(ctx)
		if err == nil { // else what was known last stands
			k.mu.Lock()
			k.mu.leaders = leaders
			k.mu.Unlock()
		}
		if !pause(ctx, redrawInterval) {
			return
		}
	}
}

// now is how the run stands. For one goroutine.
func (k *progressKeeper) now() Progress {
	s := k.scenario
	p := Progress{Elapsed: time.Since(s.began), Planned: s.feed.Len(), Figures: s.ledger.Figures()}
	p.Rows = rowsOf(s.subscriptions, s.readers, p.Figures.Readers)
	counts := []int{p.Published, p.Delivered}
	for _, row := range p.Rows {
		counts = append(counts, row.Delivered)
	}
	rates := k.meter.read(p.Elapsed, counts...)
	p.PublishedPerSecond, p.DeliveredPerSecond = rates[0], rates[1]
	for i := range p.Rows {
		p.Rows[i].PerSecond = rates[2+i]
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	p.Phase = k.mu.phase
	for _, n := range s.cluster.Nodes() {
		one := NodeProgress{Name: n.Name(), State: n.State(), Kills: k.mu.kills[n.Name()], Story: k.mu.stories[n.Name()]}
		for number, leader := range k.mu.leaders {
			if leader == one.Name && one.State == cluster.Running {
				one.Leads = append(one.Leads, number)
			}
		}
		slices.Sort(one.Leads)
		p.Nodes = append(p.Nodes, one)
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

// partitionsText is "partition 3" or "partitions 0, 2".
func partitionsText(numbers []uint32) string {
	texts := make([]string, len(numbers))
	for i, number := range numbers {
		texts[i] = fmt.Sprint(number)
	}
	if len(texts) == 1 {
		return "partition " + texts[0]
	}
	return "partitions " + strings.Join(texts, ", ")
}
