package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-mq/freshet/client"
)

const (
	// agreeInterval is how often the replicas are compared while one is behind.
	agreeInterval = 100 * time.Millisecond
	// agreeTimeout is how long a replica may take to catch up when nothing is
	// written any more.
	agreeTimeout = 30 * time.Second
)

// agree waits until every node has applied the same entries of every partition, and
// compares the hashes of what they made of them. The one that was killed has to
// catch up for that. A node alone has nobody to disagree with.
func (s *scenario) agree(ctx context.Context) error {
	if s.Nodes == 1 {
		s.agreed = true
		return nil
	}
	s.progress.phase("comparing replicas")
	ctx, cancel := context.WithTimeoutCause(ctx, agreeTimeout, errDeadline)
	defer cancel()
	asked, err := s.askEach(ctx)
	defer s.forgetEach(ctx, asked)
	if err != nil {
		return err
	}
	for {
		replicas, err := replicasOf(ctx, asked)
		behind := "a node doesn't answer: "
		if err == nil {
			if behind, err = compareReplicas(replicas, s.Nodes); err != nil {
				return err
			} else if behind == "" {
				s.agreed = true
				return nil
			}
		} else {
			behind += err.Error()
		}
		if !pause(ctx, agreeInterval) {
			if errors.Is(context.Cause(ctx), errDeadline) {
				return fmt.Errorf("the replicas have not come together within %v: %s", agreeTimeout, behind)
			}
			return context.Cause(ctx)
		}
	}
}

// askEach connects to each node for itself.
func (s *scenario) askEach(ctx context.Context) ([]*client.Client, error) {
	var asked []*client.Client
	for _, n := range s.cluster.Nodes() {
		connected, err := client.Connect(ctx, n.API())
		if err != nil {
			return asked, fmt.Errorf("node %s: %w", n.Name(), err)
		}
		asked = append(asked, connected)
	}
	return asked, nil
}

// forgetEach ends the connections; what they say of that is no news.
func (s *scenario) forgetEach(ctx context.Context, asked []*client.Client) {
	goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTimeout)
	defer cancel()
	for _, connected := range asked {
		_ = connected.Shutdown(goodbye)
	}
}

// replicasOf asks each node for its own replicas, with hashes, by partition.
func replicasOf(ctx context.Context, asked []*client.Client) (map[uint32][]client.Replica, error) {
	states := make([]*client.NodeState, len(asked))
	all, ctx := errgroup.WithContext(ctx)
	for i, c := range asked {
		all.Go(func() (err error) {
			bounded, cancel := context.WithTimeout(ctx, answerTimeout)
			defer cancel()
			states[i], err = c.Admin().NodeState(bounded, true)
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	replicas := make(map[uint32][]client.Replica)
	for _, state := range states {
		for _, p := range state.Partitions {
			replicas[p.Number] = append(replicas[p.Number], p.Replicas...)
		}
	}
	return replicas, nil
}

// compareReplicas says who is behind, or nothing when nobody is. Replicas that have
// applied the same entries and differ are an error: no waiting mends that.
func compareReplicas(replicas map[uint32][]client.Replica, nodes int) (behind string, err error) {
	if len(replicas) == 0 {
		return "no node has any partition", nil
	}
	numbers := make([]uint32, 0, len(replicas))
	for number := range replicas {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	for _, number := range numbers {
		of := replicas[number]
		if len(of) != nodes {
			return fmt.Sprintf("partition %d has %d replicas of %d", number, len(of), nodes), nil
		}
		first := of[0]
		for _, r := range of {
			switch {
			case r.StateHash == 0 || r.Applied != first.Applied || r.Debt != 0:
				behind = fmt.Sprintf("partition %d: %s", number, replicasText(of))
			case r.StateHash != first.StateHash && first.StateHash != 0:
				return "", fmt.Errorf("replicas of partition %d disagree: %s", number, replicasText(of))
			}
		}
	}
	return behind, nil
}

func replicasText(of []client.Replica) string {
	texts := make([]string, len(of))
	for i, r := range of {
		texts[i] = fmt.Sprintf("%s has applied %d with the state %016x", r.Node, r.Applied, r.StateHash)
		if r.Debt != 0 {
			texts[i] += fmt.Sprintf(" and lacks %d", r.Debt)
		}
	}
	return strings.Join(texts, ", ")
}
