package lan

import (
	"container/heap"
	"slices"
	"sync"
	"time"
)

// later holds packets back.
type later struct {
	wake, ended chan struct{}
	mu          struct {
		sync.Mutex
		waiting departures
		bytes   int
	}
}

// laterBytesMax bounds what is held back (L3).
const laterBytesMax = 64 << 20

// departure is a packet that waits.
type departure struct {
	at     time.Time
	to     *Host
	packet []byte
}

// departures are a heap, the next one first.
type departures []departure

func (d departures) Len() int           { return len(d) }
func (d departures) Less(i, j int) bool { return d[i].at.Before(d[j].at) }
func (d departures) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *departures) Push(x any)        { *d = append(*d, x.(departure)) } //nolint:forcetypeassert // put's

// Pop is heap's.
func (d *departures) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}

func newLater() *later { return &later{wake: make(chan struct{}, 1), ended: make(chan struct{})} }

// put has a packet delivered later, or says that there is no room.
func (l *later) put(to *Host, packet []byte, after time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.bytes+len(packet) > laterBytesMax {
		return false
	}
	l.mu.bytes += len(packet)
	heap.Push(&l.mu.waiting, departure{time.Now().Add(after), to, slices.Clone(packet)})
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return true
}

// run delivers what is due, until close.
func (l *later) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		for {
			due, wait, some := l.next()
			if !some {
				timer.Reset(wait)
				break
			}
			due.to.receive(due.packet)
		}
		select {
		case <-timer.C:
		case <-l.wake:
		case <-l.ended:
			return
		}
	}
}

// next is a packet that is due, or how long none is.
func (l *later) next() (due departure, wait time.Duration, some bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.mu.waiting) == 0 {
		return departure{}, time.Hour, false
	}
	if wait = time.Until(l.mu.waiting[0].at); wait > 0 {
		return departure{}, wait, false
	}
	due, _ = heap.Pop(&l.mu.waiting).(departure)
	l.mu.bytes -= len(due.packet)
	return due, 0, true
}

func (l *later) close() { close(l.ended) }
