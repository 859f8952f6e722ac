package load

import (
	"fmt"
	"math/bits"
	"sync"
)

// ledger knows of every event whether it was stored and whether it arrived (B2): a
// bit each, by producer and number, in pages of 65,536 events.
//
//	producer 0   page | page | page | page       a page: stored  1111111011000...
//	producer 1   page | page                             arrived 1110111000000...
//	                ^
//	                settled: all stored, all arrived. Its bits are let go (B4), and whatever
//	                arrives of it comes again.
//
// A queue that keeps up has a few pages a producer; what it is behind by costs a
// quarter of a byte an event, and what is settled 8 bytes for each 65,536.
type ledger struct {
	producers []*account
}

// account is a producer's part of the ledger.
type account struct {
	mu       sync.Mutex
	pages    []*page
	settled  int // pages
	repeated int64
}

// page is the bits of some events.
type page struct {
	stored, arrived [pageEvents / 64]uint64
	storedLeft      int
	arrivedLeft     int
}

const (
	pageEvents = 1 << 16
	// pagesMax bounds the numbers that an account takes to 2^32.
	pagesMax = 1 << 16
)

// settledPage stands for every page that is settled.
var settledPage = new(page)

func newLedger(producers int) *ledger {
	l := &ledger{}
	for range producers {
		l.producers = append(l.producers, &account{})
	}
	return l
}

// page finds an event's page, and makes it if need be. mu is held.
func (a *account) page(number uint64) (*page, int) {
	index := int(number / pageEvents)
	for len(a.pages) <= index {
		a.pages = append(a.pages, &page{storedLeft: pageEvents, arrivedLeft: pageEvents})
	}
	return a.pages[index], index
}

// settle lets a page go if there is nothing more to learn of it. mu is held.
func (a *account) settle(p *page, index int) {
	if p.storedLeft == 0 && p.arrivedLeft == 0 {
		a.pages[index] = settledPage
		a.settled++
	}
}

// stored notes that events are stored: a publisher has heard so.
func (l *ledger) stored(producer int, first uint64, count int) {
	a := l.producers[producer]
	a.mu.Lock()
	defer a.mu.Unlock()
	for number := first; number < first+uint64(count); number++ {
		p, index := a.page(number)
		word, bit := number%pageEvents/64, uint64(1)<<(number%64)
		if p == settledPage || p.stored[word]&bit != 0 {
			continue // a publisher says it once, so this is a mistake of ours that costs nothing
		}
		p.stored[word] |= bit
		p.storedLeft--
		a.settle(p, index)
	}
}

// arrived notes an arrival, and tells whether it is the event's first. An event
// that no producer can have sent is an error.
func (l *ledger) arrived(producer int, number uint64) (first bool, err error) {
	if producer >= len(l.producers) || number >= pageEvents*pagesMax {
		return false, fmt.Errorf("event %d of producer %d arrived: nobody sent that", number, producer)
	}
	a := l.producers[producer]
	a.mu.Lock()
	defer a.mu.Unlock()
	p, index := a.page(number)
	word, bit := number%pageEvents/64, uint64(1)<<(number%64)
	if p == settledPage || p.arrived[word]&bit != 0 {
		a.repeated++
		return false, nil
	}
	p.arrived[word] |= bit
	p.arrivedLeft--
	a.settle(p, index)
	return true, nil
}

// findings are what the ledger says in the end.
type findings struct {
	// Stored and Arrived count events, Lost those that were stored and didn't arrive,
	// Repeated arrivals beyond the first.
	Stored, Arrived, Lost, Repeated int64
}

func (l *ledger) findings() findings {
	var f findings
	for _, a := range l.producers {
		a.mu.Lock()
		f.Repeated += a.repeated
		f.Stored += int64(a.settled) * pageEvents
		f.Arrived += int64(a.settled) * pageEvents
		for _, p := range a.pages {
			if p == settledPage {
				continue
			}
			for i, stored := range &p.stored {
				f.Stored += int64(bits.OnesCount64(stored))
				f.Arrived += int64(bits.OnesCount64(p.arrived[i]))
				f.Lost += int64(bits.OnesCount64(stored &^ p.arrived[i]))
			}
		}
		a.mu.Unlock()
	}
	return f
}
