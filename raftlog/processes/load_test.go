package processes

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// loading is one run of a load in a child.
type loading struct {
	member  member
	load    load
	counts  atomic.Bool // whether what ends now is counted
	over    atomic.Bool
	command []byte

	mu     sync.Mutex
	figure figure
}

// runLoad proposes to every group that the node leads when it begins.
func runLoad(m member, groups int, l load) (*figure, error) {
	r := &loading{member: m, load: l, command: make([]byte, l.EntryBytes)}
	random := rand.NewChaCha8([32]byte{1})
	if _, err := random.Read(r.command); err != nil {
		return nil, err
	}
	var proposing sync.WaitGroup
	for g := range groups {
		if m.leads(g) {
			proposing.Go(func() { r.propose(g) })
		}
	}
	<-time.After(l.Warm)
	before, err := resources()
	if err != nil {
		return nil, err
	}
	r.counts.Store(true)
	<-time.After(l.Run)
	r.counts.Store(false)
	after, err := resources()
	if err != nil {
		return nil, err
	}
	r.over.Store(true)
	proposing.Wait()
	r.figure.CPU = after.CPU - before.CPU
	r.figure.DiskBytes = after.DiskBytes - before.DiskBytes
	return &r.figure, nil
}

// propose keeps a group's proposals in flight until the load is over.
func (r *loading) propose(group int) {
	type flight struct {
		due  time.Time
		wait func() error
	}
	flights := make(chan flight, r.load.InFlight-1)
	var settling sync.WaitGroup
	settling.Go(func() {
		for f := range flights {
			err := f.wait()
			r.settled(f.due, err)
		}
	})
	due := time.Now()
	for !r.over.Load() {
		if r.load.Rate > 0 {
			due = due.Add(time.Duration(float64(time.Second) / r.load.Rate))
			<-time.After(time.Until(due))
		} else {
			due = time.Now()
		}
		flights <- flight{due, r.member.propose(group, r.command)}
	}
	close(flights)
	settling.Wait()
}

// settled counts a proposal's end.
func (r *loading) settled(due time.Time, err error) {
	took := time.Since(due)
	if !r.counts.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.figure.Failed++
		return
	}
	r.figure.Entries++
	r.figure.Bytes += int64(len(r.command))
	r.figure.Micros = append(r.figure.Micros, uint32(took.Microseconds()))
}

// resources reads what the process has used until now.
func resources() (figure, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return figure{}, err
	}
	f := figure{CPU: time.Duration(usage.Utime.Nano() + usage.Stime.Nano())}
	file, err := os.Open("/proc/self/io")
	if err != nil {
		return figure{}, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), "write_bytes: "); found {
			_, err := fmt.Sscan(text, &f.DiskBytes)
			return f, err
		}
	}
	return figure{}, fmt.Errorf("/proc/self/io has no write_bytes")
}
