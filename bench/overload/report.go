package overload

import (
	"errors"
	"fmt"
	"time"
)

// Report is what was seen.
type Report struct {
	Rows []Row
	// Stored is how many events the good client was told are, and Lost how many of them didn't arrive.
	Stored, Lost int
	// MemoryLimit is the nodes' limits.memory, in bytes.
	MemoryLimit int64
}

// Row is one abuse.
type Row struct {
	// Name and Does say what was done, and Answer what it was answered: codes, and what was seen of connections.
	Name, Does, Answer string
	// Counted are the nodes' own counters of it.
	Counted string
	// CalmP50 and CalmP99 are how long the good client's publishing took before, P50 and P99 meanwhile.
	CalmP50, CalmP99, P50, P99 time.Duration
	// CalmProcessors is how many processors all nodes together used before, Processors how many meanwhile.
	CalmProcessors, Processors float64
	// MemoryBefore and MemoryMax are how many bytes the node had that had most.
	MemoryBefore, MemoryMax int64
	// Missing is how many of the good client's events hadn't arrived a minute later, and Faults how many panics and internal errors nodes had.
	Missing, Faults int
}

// Header is the line above the rows.
const Header = "abuse        p50/p99 before      p50/p99 during      slower  processors  memory before, max   missing  answered; counted by the nodes"

// String is a line of the table.
func (r Row) String() string {
	return fmt.Sprintf("%-12s %8s %8s   %8s %8s   %5.1fx   %4.2f %4.2f   %6d MiB %6d MiB   %6d   %s; %s", r.Name, short(r.CalmP50), short(r.CalmP99), short(r.P50), short(r.P99),
		r.Slower(), r.CalmProcessors, r.Processors, r.MemoryBefore>>20, r.MemoryMax>>20, r.Missing, r.Answer, r.Counted)
}

// Slower is how many times as long the slowest hundredth of the good client's publishing took as before.
func (r Row) Slower() float64 { return r.P99.Seconds() / max(r.CalmP99, time.Microsecond).Seconds() }

// short is a time to three digits or so.
func short(d time.Duration) string {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// Check names what broke an invariant. connections is how many were open at once, at one node.
func (r *Report) Check(connections int) error {
	var broken []error
	if len(r.Rows) == 0 || r.Stored == 0 {
		broken = append(broken, errors.New("nothing was done"))
	}
	if r.Lost > 0 {
		broken = append(broken, fmt.Errorf("OV1: %d of %d events are lost", r.Lost, r.Stored))
	}
	most := 2*(r.MemoryLimit+ownBytes) + int64(connections)*connectionBytes
	for _, row := range r.Rows {
		if row.Missing > 0 {
			broken = append(broken, fmt.Errorf("OV1: %s: %d events hadn't arrived %v later", row.Name, row.Missing, goodDrain))
		}
		if idle := r.Rows[0].MemoryBefore; row.MemoryMax-idle > most {
			broken = append(broken, fmt.Errorf("OV2: %s: a node has %d MiB, %d more than idle; at most %d are expected", row.Name, row.MemoryMax>>20, (row.MemoryMax-idle)>>20, most>>20))
		}
		if row.Faults > 0 {
			broken = append(broken, fmt.Errorf("OV3: %s: %d panics and internal errors", row.Name, row.Faults))
		}
		if row.P50 == 0 {
			broken = append(broken, fmt.Errorf("%s: the good client published nothing meanwhile", row.Name))
		}
	}
	return errors.Join(broken...)
}
