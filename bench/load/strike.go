package load

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Strike is what happens to a node of the cluster in the measured time.
type Strike struct {
	// At is when, counted from the beginning of the measured time.
	At time.Duration
	// For is how long it lasts. The node is mended in any case at the end of the measured
	// time.
	For time.Duration
	// What is what is done to the node, for people: "killed", "paused".
	What string
	// Do strikes the node of that name, and returns when that has happened.
	Do func(node string) error
	// Mend makes the node serve again, and returns when it does.
	Mend func(ctx context.Context, node string) error
}

// StrikeReport is what a strike led to. Times are in milliseconds.
type StrikeReport struct {
	// Node is who was struck: the leader of most of the topics' partitions, Led many. What
	// is what was done, and AtSeconds when.
	Node      string  `json:"node"`
	What      string  `json:"what"`
	Led       int     `json:"partitions_led"`
	AtSeconds float64 `json:"at_s"`
	// PublishGap is the longest time from the strike on in which no event was confirmed on
	// a partition that the node led, of those the longest; DeliveryGap the same of
	// events that reached a handler.
	PublishGap  float64 `json:"publish_gap_ms"`
	DeliveryGap float64 `json:"delivery_gap_ms"`
	// PublishGapOthers and DeliveryGapOthers are the same of the other partitions.
	PublishGapOthers  float64 `json:"publish_gap_others_ms"`
	DeliveryGapOthers float64 `json:"delivery_gap_others_ms"`
	// Succession is how long it took until each of its partitions had another leader, as
	// another node says; 0 where it didn't happen.
	Succession float64 `json:"succession_ms"`
	// Away is how long the node was struck, until it served again.
	Away float64 `json:"away_ms"`
	// Repeated are arrivals beyond an event's first that came after the strike.
	Repeated int64 `json:"repeated"`
}

// gaps finds the longest silence of each partition since the strike. It costs an event
// two loads; what it keeps is bounded by the partitions that a topic can be on.
type gaps struct {
	since atomic.Int64 // when the strike was, by the meter; 0: not yet
	cells []gapCell
}

// gapCell is a partition's. Each has a cache line of its own.
type gapCell struct {
	last, longest atomic.Int64
	_             [48]byte
}

// newGaps has room for as many partitions as a cluster may have.
func newGaps() *gaps { return &gaps{cells: make([]gapCell, gapCellsMax)} }

// gapCellsMax is how many partitions are told apart.
const gapCellsMax = 1 << 12

// note is told that something happened on a partition.
func (g *gaps) note(partition uint32, now int64) {
	if g == nil || int(partition) >= len(g.cells) {
		return
	}
	cell := &g.cells[partition]
	before := cell.last.Swap(now)
	since := g.since.Load()
	if since == 0 {
		return
	}
	if gap := now - max(before, since); gap > cell.longest.Load() {
		// Two that come at once differ by as little as what they measure is wrong by.
		cell.longest.Store(gap)
	}
}

// longest is the longest gap of some partitions. One that was silent to the end
// counts up to now.
func (g *gaps) longest(now int64, of func(partition uint32) bool) time.Duration {
	longest := int64(0)
	for i := range g.cells {
		last := g.cells[i].last.Load()
		if last == 0 || !of(uint32(i)) {
			continue // the topics aren't there
		}
		if silent := now - max(last, g.since.Load()); silent > longest && last < g.since.Load() {
			longest = silent
		}
		longest = max(longest, g.cells[i].longest.Load())
	}
	return time.Duration(longest)
}

// leadership is which of the topics' partitions each node leads.
func (r *run) leadership(ctx context.Context) (map[string][]uint32, error) {
	ctx, cancel := context.WithTimeout(ctx, goodbyeTimeout)
	defer cancel()
	seen, err := r.clients[0].Admin().Cluster(ctx)
	if err != nil {
		return nil, err
	}
	led := map[string][]uint32{}
	for _, p := range seen.Partitions {
		if int(p.Number) < len(r.published.cells) && r.published.cells[p.Number].last.Load() != 0 {
			led[p.Leader] = append(led[p.Leader], p.Number)
		}
	}
	return led, nil
}

// strike strikes the node that leads most, and mends it. It returns when the node serves again, or
// when ctx has ended.
func (r *run) strike(ctx context.Context) error {
	if !await(ctx, r.Strike.At) {
		return nil
	}
	led, err := r.leadership(ctx)
	if err != nil {
		return fmt.Errorf("nobody says who leads: %w", err)
	}
	victim := ""
	for node, partitions := range led {
		if node != "" && (victim == "" || len(partitions) > len(led[victim]) || len(partitions) == len(led[victim]) && node < victim) {
			victim = node
		}
	}
	if victim == "" {
		return fmt.Errorf("nobody leads a partition of the topics")
	}
	struck := r.meter.now()
	r.struck = struckNode{name: victim, at: struck, led: led[victim], repeated: r.ledger.repeated()}
	r.published.since.Store(struck)
	r.delivered.since.Store(struck)
	if err := r.Strike.Do(victim); err != nil {
		return err
	}
	over := time.NewTimer(r.Strike.For)
	defer over.Stop()
	r.awaitSuccession(ctx, victim)
	select {
	case <-over.C:
	case <-ctx.Done():
		return nil // whoever owns the node ends it
	}
	if err := r.Strike.Mend(ctx, victim); err != nil {
		return err
	}
	r.struck.away = time.Duration(r.meter.now() - struck)
	return nil
}

// struckNode is what is known of the strike.
type struckNode struct {
	name             string
	at               int64
	led              []uint32
	repeated         int64 // before it
	succession, away time.Duration
}

// awaitSuccession waits until others lead what the node led, for as long as the strike lasts.
func (r *run) awaitSuccession(ctx context.Context, victim string) {
	bounded, cancel := context.WithTimeout(ctx, r.Strike.For)
	defer cancel()
	for await(bounded, drainLook) {
		led, err := r.leadership(bounded)
		if err != nil {
			continue // the node that is asked may be the one; the client goes on to another
		}
		others := 0
		for node, partitions := range led {
			if node != "" && node != victim {
				others += len(partitions)
			}
		}
		if others > 0 && len(led[victim]) == 0 && len(led[""]) == 0 {
			r.struck.succession = time.Duration(r.meter.now() - r.struck.at)
			return
		}
	}
}

// strikeReport puts it together.
func (r *run) strikeReport() *StrikeReport {
	if r.Strike == nil || r.struck.name == "" {
		return nil
	}
	was := map[uint32]bool{}
	for _, partition := range r.struck.led {
		was[partition] = true
	}
	its := func(partition uint32) bool { return was[partition] }
	others := func(partition uint32) bool { return !was[partition] }
	now := r.publishingEnded
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return &StrikeReport{
		Node: r.struck.name, What: r.Strike.What, Led: len(r.struck.led), AtSeconds: r.Strike.At.Seconds(),
		PublishGap: ms(r.published.longest(now, its)), DeliveryGap: ms(r.delivered.longest(now, its)),
		PublishGapOthers: ms(r.published.longest(now, others)), DeliveryGapOthers: ms(r.delivered.longest(now, others)),
		Succession: ms(r.struck.succession), Away: ms(r.struck.away), Repeated: r.ledger.repeated() - r.struck.repeated,
	}
}
