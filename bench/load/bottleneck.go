package load

import (
	"fmt"
	"time"
)

// Shares from which on something is called the bottleneck.
const (
	// busyShare: with less idle than that, work waits for processors all the time.
	busyShare = 0.90
	// waitingShare: so much of the time a processor had nothing to do but wait for a
	// disk.
	waitingShare = 0.10
	// syncingShare: so much of the time a node was syncing its log.
	syncingShare = 0.90
	// networkShare: so much of what the network carries was used, one way.
	networkShare = 0.80
	// lockedShare: so many goroutines of a node waited for a mutex, on average.
	lockedShare = 1.0
	// otherShare: so much of what was used is neither the nodes' nor the load's.
	otherShare = 0.15
	// keptShare: with so much of the offered rate published, the rate is the bound.
	keptShare = 0.99
)

// bottleneck names what kept the figures from being higher, and says by what that is
// known: shares of the processors' time, how long nodes were syncing their logs and waited for
// mutexes, and what the network carried. What is left is called waiting.
func bottleneck(p *Report, m *measured) string {
	kept := p.OfferedPerSecond > 0 && p.PublishedPerSecond >= keptShare*float64(p.OfferedPerSecond) &&
		p.DeliveredPerSecond >= keptShare*float64(p.OfferedPerSecond*p.Deliveries)
	if m.usedErr != nil {
		if kept {
			return fmt.Sprintf("none: the offered rate of %d/s was kept", p.OfferedPerSecond)
		}
		return "unknown: " + m.usedErr.Error()
	}
	total := m.used.machine.total
	if total == 0 || m.took == 0 {
		return "unknown: the measured time is too short to tell"
	}
	share := func(part time.Duration) float64 { return float64(part) / float64(total) }
	idle, waiting := share(m.used.machine.idle), share(m.used.machine.waiting)
	nodes := m.used.total()
	others := 1 - idle - waiting - share(nodes.processor) - share(m.used.load)
	evidence := fmt.Sprintf("of %.1f processors nodes %.0f %%, load %.0f %%, others %.0f %%, waiting for disks %.0f %%, idle %.0f %%",
		float64(total)/float64(m.took), 100*share(nodes.processor), 100*share(m.used.load), 100*max(others, 0), 100*waiting, 100*idle)
	syncing, locked := m.busiest()
	if m.countersErr == nil && len(m.counters) > 0 {
		evidence += fmt.Sprintf("; a node synced %.0f %% of the time, its goroutines waited %.2f s a second for mutexes", 100*syncing, locked)
	}
	network := m.networkShare()
	if network > 0 {
		evidence += fmt.Sprintf("; network %.0f %%", 100*network)
	}
	switch {
	case kept:
		return fmt.Sprintf("none: the offered rate of %d/s was kept; %s", p.OfferedPerSecond, evidence)
	case 1-idle-waiting >= busyShare && others >= otherShare && p.CPUNodes != nil:
		return "processors, and something else uses them too: " + evidence
	case 1-idle-waiting >= busyShare:
		return "processors: " + evidence
	case network >= networkShare:
		return "network: " + evidence
	case waiting >= waitingShare || syncing >= syncingShare:
		return "disk: " + evidence
	case locked >= lockedShare:
		return "locks: " + evidence
	}
	return "waiting, for round trips and what is in flight: " + evidence
}

// busiest is, where counters are known, the largest share of the time that a node was syncing, and the most seconds
// that one's goroutines waited for mutexes in a second.
func (m *measured) busiest() (syncing, locked float64) {
	for _, one := range m.counters {
		syncing = max(syncing, one.syncing()/m.countersTook.Seconds())
		locked = max(locked, one.locked/m.countersTook.Seconds())
	}
	return syncing, locked
}

// networkShare is how much of what this machine's network carries was used, one way.
func (m *measured) networkShare() float64 {
	if m.used.network.perSecondMax == 0 {
		return 0
	}
	busier := max(m.used.network.received, m.used.network.sent)
	return float64(busier) / m.took.Seconds() / float64(m.used.network.perSecondMax)
}
