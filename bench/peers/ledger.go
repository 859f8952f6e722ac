package main

import (
	"math/bits"
	"sync"
)

// ledger knows of every event whether it was confirmed, and where it arrived: a bit each, by publisher and number.
type ledger struct {
	// stored is by publisher, arrived by subscription and publisher.
	stored  []*bitmap
	arrived [][]*bitmap
	// wanted tells whether a subscription is to get an event.
	wanted func(subscription, publisher int, number uint64) bool
}

func newLedger(publishers, subscriptions int, wanted func(subscription, publisher int, number uint64) bool) *ledger {
	made := func() []*bitmap {
		list := make([]*bitmap, publishers)
		for i := range list {
			list[i] = &bitmap{}
		}
		return list
	}
	l := &ledger{stored: made(), wanted: wanted}
	for range subscriptions {
		l.arrived = append(l.arrived, made())
	}
	return l
}

// arrive notes an arrival; false: it is not the first, or nobody sent that there.
func (l *ledger) arrive(subscription, publisher int, number uint64) bool {
	if publisher >= len(l.stored) || number >= numbersMax || !l.wanted(subscription, publisher, number) {
		return false
	}
	return l.arrived[subscription][publisher].set(number)
}

// findings are what was confirmed, what of it arrived, and what did not.
func (l *ledger) findings() (sent, received, lost int64) {
	for publisher, stored := range l.stored {
		for word, set := range stored.words {
			sent += int64(bits.OnesCount64(set))
			for ; set != 0; set &= set - 1 {
				number := uint64(word)*64 + uint64(bits.TrailingZeros64(set))
				for subscription := range l.arrived {
					switch {
					case !l.wanted(subscription, publisher, number):
					case l.arrived[subscription][publisher].has(number):
						received++
					default:
						lost++
					}
				}
			}
		}
	}
	return sent, received, lost
}

// numbersMax bounds what a bitmap takes: 128 MiB.
const numbersMax = 1 << 30

// bitmap is a set of numbers.
type bitmap struct {
	mu    sync.Mutex
	words []uint64
}

// set adds a number; false: it was there.
func (b *bitmap) set(number uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.setLocked(number)
}

// setRange adds the numbers from first to before end.
func (b *bitmap) setRange(first, end uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ; first < end; first++ {
		b.setLocked(first)
	}
}

func (b *bitmap) setLocked(number uint64) bool {
	word, bit := number/64, uint64(1)<<(number%64)
	for uint64(len(b.words)) <= word {
		b.words = append(b.words, 0)
	}
	if b.words[word]&bit != 0 {
		return false
	}
	b.words[word] |= bit
	return true
}

func (b *bitmap) has(number uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	word := number / 64
	return word < uint64(len(b.words)) && b.words[word]&(1<<(number%64)) != 0
}
