package load

import (
	"fmt"
	"math/bits"
	"sync"
)

// ledger knows of every event whether it was stored, and of each of its deliveries
// whether it arrived (B2): a bit each, by account and number, in pages of up to 65,536
// events.
//
//	account 0   page | page | page | page       a page: stored         1111111011000...
//	account 1   page | page                             arrived, 1st   1110111000000...
//	                ^                                   arrived, 2nd   1110111100000...
//	                settled: all stored, all arrived. Its bits are let go (B4), and whatever
//	                arrives of it comes again.
//
// A queue that keeps up has a few pages an account; what it is behind by costs a
// quarter of a byte an event, and what is settled 8 bytes a page.
type ledger struct {
	accounts []*account
	copies   int // deliveries of an event; 0: nobody gets any
	shift    int // a page has 1 << shift events
}

// account is a producer's part of the ledger, or a flight's.
type account struct {
	mu       sync.Mutex
	pages    []*page
	settled  int // pages
	repeated int64
}

// page is the bits of some events.
type page struct {
	stored      []uint64
	arrived     []uint64 // of the first delivery of all, then of the second
	storedLeft  int
	arrivedLeft int
}

const (
	pageShiftMax = 16
	// pageShiftMin is 1,024 events: 128 KiB a page with the most deliveries of an event.
	pageShiftMin = 10
	// pageBitsShift is how many bits of deliveries a page should have, at most.
	pageBitsShift = 18
	// eventsMax bounds the numbers that an account takes.
	eventsMax = 1 << 32
)

// settledPage stands for every page that is settled.
var settledPage = new(page)

func newLedger(accounts, copies int) *ledger {
	l := &ledger{copies: copies, shift: pageShiftMax}
	for l.shift > pageShiftMin && copies<<l.shift > 1<<pageBitsShift {
		l.shift--
	}
	for range accounts {
		l.accounts = append(l.accounts, &account{})
	}
	return l
}

// at finds an event's page, and makes it if need be. a.mu is held.
func (l *ledger) at(a *account, number uint64) (p *page, index int, word, bit uint64) {
	index = int(number >> l.shift)
	events := 1 << l.shift
	for len(a.pages) <= index {
		a.pages = append(a.pages, &page{
			stored: make([]uint64, events/64), storedLeft: events,
			arrived: make([]uint64, events/64*l.copies), arrivedLeft: events * l.copies,
		})
	}
	inside := number & uint64(events-1)
	return a.pages[index], index, inside / 64, uint64(1) << (inside % 64)
}

// settle lets a page go if there is nothing more to learn of it. mu is held.
func (a *account) settle(p *page, index int) {
	if p.storedLeft == 0 && p.arrivedLeft == 0 {
		a.pages[index] = settledPage
		a.settled++
	}
}

// stored notes that events are stored: a publisher has heard so.
func (l *ledger) stored(index int, first uint64, count int) {
	a := l.accounts[index]
	a.mu.Lock()
	defer a.mu.Unlock()
	for number, end := first, first+uint64(count); number < end; {
		p, index, word, bit := l.at(a, number)
		n := min(end-number, 64-number%64) // that are in one word
		number += n
		if p == settledPage {
			continue // a publisher says it once, so this is a mistake of ours that costs nothing
		}
		news := (bit<<n - bit) &^ p.stored[word]
		p.stored[word] |= news
		p.storedLeft -= bits.OnesCount64(news)
		a.settle(p, index)
	}
}

// arrived notes the arrival of one of an event's deliveries, and tells whether it is the
// first of that. An event that no producer can have sent is an error.
func (l *ledger) arrived(index int, number uint64, copied int) (first bool, err error) {
	if index >= len(l.accounts) || number >= eventsMax || copied >= l.copies {
		return false, fmt.Errorf("event %d of account %d arrived, delivery %d of it: nobody sent that", number, index, copied+1)
	}
	a := l.accounts[index]
	a.mu.Lock()
	defer a.mu.Unlock()
	p, page, word, bit := l.at(a, number)
	word += uint64(copied) << l.shift / 64
	if p == settledPage || p.arrived[word]&bit != 0 {
		a.repeated++
		return false, nil
	}
	p.arrived[word] |= bit
	p.arrivedLeft--
	a.settle(p, page)
	return true, nil
}

// findings are what the ledger says in the end.
type findings struct {
	// Stored counts events; Arrived counts deliveries, Lost those of events that were stored
	// that didn't arrive, Repeated arrivals beyond a delivery's first.
	Stored, Arrived, Lost, Repeated int64
}

func (l *ledger) findings() findings {
	var f findings
	for _, a := range l.accounts {
		a.mu.Lock()
		f.Repeated += a.repeated
		f.Stored += int64(a.settled) << l.shift
		f.Arrived += int64(a.settled) << l.shift * int64(l.copies)
		for _, p := range a.pages {
			if p != settledPage {
				p.addTo(&f, l.copies)
			}
		}
		a.mu.Unlock()
	}
	return f
}

func (p *page) addTo(f *findings, copies int) {
	for i, stored := range p.stored {
		f.Stored += int64(bits.OnesCount64(stored))
		for c := range copies {
			arrived := p.arrived[c*len(p.stored)+i]
			f.Arrived += int64(bits.OnesCount64(arrived))
			f.Lost += int64(bits.OnesCount64(stored &^ arrived))
		}
	}
}

// repeated is how many arrivals there were so far beyond a delivery's first.
func (l *ledger) repeated() int64 {
	repeated := int64(0)
	for _, a := range l.accounts {
		a.mu.Lock()
		repeated += a.repeated
		a.mu.Unlock()
	}
	return repeated
}
