package load

import (
	"fmt"
	"sync/atomic"
)

// keys are the keys of a run's events, and find what arrives out of their order: a delivery whose
// number is below that of one which arrived before, of the same key and to the same subscription.
// Arrivals beyond a delivery's first don't count: they are repeated, and late by their nature.
//
// A key belongs to one account, whose numbers have its keys in turns:
//
//	account 1 of 4, with the keys 1, 5 and 9:   number  0 1 2 3 4 5 6
//	                                            key     1 5 9 1 5 9 1
//
// Without keys there is no order between events, and partitions alone have one: see attachment.
type keys struct {
	names            []string
	accounts, copies int
	highest          []atomic.Uint64 // by key and copy: one above the number
	outOfOrder       atomic.Int64
}

func newKeys(count, accounts, copies int) *keys {
	k := &keys{accounts: accounts, copies: copies, highest: make([]atomic.Uint64, count*copies)}
	for i := range count {
		k.names = append(k.names, fmt.Sprintf("key-%06d", i))
	}
	return k
}

// index is which key an event has. There are keys.
func (k *keys) index(account int, number uint64) int {
	own := (len(k.names) - account + k.accounts - 1) / k.accounts
	return account + int(number%uint64(own))*k.accounts
}

// of is an event's key, or nothing.
func (k *keys) of(account int, number uint64) string {
	if len(k.names) == 0 {
		return ""
	}
	return k.names[k.index(account, number)]
}

// arrived notes the first arrival of a delivery.
func (k *keys) arrived(account int, number uint64, copied int) {
	if len(k.names) == 0 {
		return
	}
	cell := &k.highest[k.index(account, number)*k.copies+copied]
	for {
		before := cell.Load()
		if number+1 <= before {
			k.outOfOrder.Add(1)
			return
		}
		if cell.CompareAndSwap(before, number+1) {
			return
		}
	}
}
