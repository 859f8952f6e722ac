package demo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/freshet-mq/freshet/bench/cluster"
)

// Kill is what is known of a kill.
type Kill struct {
	// Node is whose process it was, and Partitions those of the topic's that it led.
	Node       string
	Partitions []uint32
	// After is when, counted from the beginning of the run.
	After time.Duration
	// Published is how many events were confirmed by then, and InFlight how many
	// deliveries of the partitions that it led had arrived and not been settled.
	Published, InFlight int
	// Succeeded is how long it took until all of its partitions had another
	// leader; 0 where nobody else was there.
	Succeeded time.Duration
	// Away is how long it took until the node served again.
	Away time.Duration
	// Gap is the longest time without a confirmed publish from then on.
	Gap time.Duration
}

// Led names what it led: "partition 3", or "partitions 0, 2".
func (k *Kill) Led() string { return partitionsText(k.Partitions) }

const (
	// inFlightWait bounds how long a kill waits for deliveries to be in flight.
	inFlightWait = time.Second
	// lookInterval is how often it is looked whether what is waited for is so.
	lookInterval = 10 * time.Millisecond
	// awayTime is how long a node stays dead once others have taken its place:
	// long enough to publish to them, and to be missed in the logs.
	awayTime = 1500 * time.Millisecond
)

// killHalfWay waits until half of the events are confirmed, chooses the leader of
// the partition with the most deliveries in flight, kills it, and starts it again:
// at once where it is alone, else after the others have taken its place.
func (s *scenario) killHalfWay(ctx context.Context) error {
	select {
	case <-s.publisher.half:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	victim, err := s.victim(ctx)
	if err != nil {
		return err
	}
	before, killed := s.ledger.Figures(), time.Now()
	if err := victim.Kill(); err != nil {
		return err
	}
	s.kill.After, s.kill.Published = killed.Sub(s.began), before.Published
	s.progress.killed(&s.kill)
	s.publisher.nodeKilled()
	if s.Nodes > 1 {
		if err := s.awaitSuccession(ctx, victim); err != nil {
			return err
		}
		s.kill.Succeeded = time.Since(killed)
		s.progress.succeeded(&s.kill)
		if !pause(ctx, awayTime) {
			return context.Cause(ctx)
		}
	}
	if err := victim.Start(ctx); err != nil {
		return err
	}
	s.kill.Away = time.Since(killed)
	s.progress.returned(&s.kill)
	return nil
}

// victim chooses whom to kill, and notes what it leads. It waits a while for
// deliveries to be in flight there.
func (s *scenario) victim(ctx context.Context) (*cluster.Node, error) {
	for asked := time.Now(); ; {
		leaders, err := s.leaders(ctx)
		if err != nil && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		inFlight := s.ledger.InFlight()
		best, most := "", -1
		for number, leader := range leaders {
			if n := inFlight[number]; leader != "" && n > most {
				best, most = leader, n
			}
		}
		if best != "" && (most > 0 || time.Since(asked) > inFlightWait) {
			s.kill.Node, s.kill.Partitions, s.kill.InFlight = best, nil, 0
			for _, number := range slices.Sorted(maps.Keys(leaders)) {
				if leaders[number] == best {
					s.kill.Partitions = append(s.kill.Partitions, number)
					s.kill.InFlight += inFlight[number]
				}
			}
			return s.cluster.Node(best), nil
		}
		if !pause(ctx, lookInterval) {
			return nil, context.Cause(ctx)
		}
	}
}

// awaitSuccession waits until every partition that a node led has another leader.
func (s *scenario) awaitSuccession(ctx context.Context, dead *cluster.Node) error {
	for {
		leaders, err := s.leaders(ctx)
		left := 0
		for _, number := range s.kill.Partitions {
			if leader := leaders[number]; leader == "" || leader == dead.Name() {
				left++
			}
		}
		if err == nil && left == 0 {
			return nil
		}
		if !pause(ctx, lookInterval) {
			return fmt.Errorf("%d partitions that %s led have no other leader: %w", left, dead.Name(), context.Cause(ctx))
		}
	}
}

// leaders are the names of those who lead the partitions that events are on, by
// partition.
func (s *scenario) leaders(ctx context.Context) (map[uint32]string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	seen, err := s.clients[0].Admin().Cluster(ctx)
	if err != nil {
		return nil, err
	}
	leaders := map[uint32]string{}
	used := s.ledger.Partitions()
	for _, p := range seen.Partitions {
		if used[p.Number] {
			leaders[p.Number] = p.Leader
		}
	}
	return leaders, nil
}
