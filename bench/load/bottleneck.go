package load

import (
	"fmt"
	"time"
)

// Shares of the processors' time from which on something is called the bottleneck.
const (
	// busyShare: with less idle than that, work waits for processors all the time.
	busyShare = 0.90
	// waitingShare: so much of the time a processor had nothing to do but wait for a
	// disk.
	waitingShare = 0.10
	// otherShare: so much of what was used is neither the nodes' nor the load's.
	otherShare = 0.15
	// keptShare: with so much of the offered rate acked, the rate is the bound.
	keptShare = 0.99
)

// bottleneck names what kept the figures from being higher, and says by what that is
// known. It goes by shares of processor time, which say little of locks and round
// trips: what is left is called waiting.
func bottleneck(p *Report, m measured) string {
	if p.OfferedPerSecond > 0 && p.AckedPerSecond >= keptShare*float64(p.OfferedPerSecond) {
		return fmt.Sprintf("none: the offered rate of %d/s was kept", p.OfferedPerSecond)
	}
	if m.usedErr != nil {
		return "unknown: " + m.usedErr.Error()
	}
	total := m.used.machine.total
	if total == 0 || m.took == 0 {
		return "unknown: the measured time is too short to tell"
	}
	share := func(part time.Duration) float64 { return float64(part) / float64(total) }
	idle, waiting := share(m.used.machine.idle), share(m.used.machine.waiting)
	others := 1 - idle - waiting - share(m.used.nodes) - share(m.used.load)
	evidence := fmt.Sprintf("of %.1f processors nodes %.0f %%, load %.0f %%, others %.0f %%, waiting for disks %.0f %%, idle %.0f %%",
		float64(total)/float64(m.took), 100*share(m.used.nodes), 100*share(m.used.load), 100*max(others, 0), 100*waiting, 100*idle)
	switch {
	case 1-idle-waiting >= busyShare && others >= otherShare && p.CPUNodes != nil:
		return "processors, and something else uses them too: " + evidence
	case 1-idle-waiting >= busyShare:
		return "processors: " + evidence
	case waiting >= waitingShare:
		return "disk: " + evidence
	}
	return "waiting, for round trips and what is in flight: " + evidence
}
