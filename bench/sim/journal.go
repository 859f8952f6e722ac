package sim

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// journalLines is how much of a run is kept for those who ask what led to a finding.
const journalLines = 30

// journal has the last events of a run: what was done to nodes, and what they log.
type journal struct {
	began time.Time
	mu    struct {
		sync.Mutex
		to    io.Writer
		lines [journalLines]string
		next  int
	}
}

func newJournal(to io.Writer) *journal {
	j := &journal{began: time.Now()}
	j.mu.to = to
	return j
}

// notef adds an event, with the virtual time at which it happened.
func (j *journal) notef(format string, arguments ...any) {
	line := fmt.Sprintf("%8.3f ", time.Since(j.began).Seconds()) + fmt.Sprintf(format, arguments...)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.mu.lines[j.mu.next%journalLines] = line
	j.mu.next++
	_, _ = fmt.Fprintln(j.mu.to, line) // who looks on changes nothing
}

// last are the last events, the oldest first.
func (j *journal) last() (lines []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := max(0, j.mu.next-journalLines); i < j.mu.next; i++ {
		lines = append(lines, j.mu.lines[i%journalLines])
	}
	return lines
}

// of is where a node logs.
func (j *journal) of(node string) io.Writer { return &nodeLog{j, node} }

type nodeLog struct {
	journal *journal
	node    string
}

func (l *nodeLog) Write(line []byte) (int, error) {
	l.journal.notef("%s: %s", l.node, strings.TrimSpace(string(line)))
	return len(line), nil
}
