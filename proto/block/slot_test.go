package block

import (
	"fmt"
	"testing"
	"time"
)

// TestSlots: keys and dedup ids spread over all slots, and an event has one when it has either.
func TestSlots(t *testing.T) {
	const events = 200 * Slots
	for name, slotOf := range map[string]func(string) (uint16, bool){
		"key":      func(s string) (uint16, bool) { return SlotOf(HashKey(s), DedupHash{}) },
		"dedup id": func(s string) (uint16, bool) { return SlotOf(0, HashDedupID(s)) },
	} {
		t.Run(name, func(t *testing.T) {
			var filled [Slots]int
			for i := range events {
				slot, placed := slotOf(fmt.Sprint("order-", i))
				if !placed {
					t.Fatalf("event %d has no slot", i)
				}
				filled[slot]++
			}
			for slot, n := range filled {
				if n < 100 || n > 300 { // seven standard deviations
					t.Errorf("slot %d has %d of %d events", slot, n, events)
				}
			}
		})
	}
	if _, placed := SlotOf(0, DedupHash{}); placed {
		t.Error("an event without key and dedup id has a slot")
	}
	byKey, _ := SlotOf(HashKey("a"), DedupHash{})
	if both, _ := SlotOf(HashKey("a"), HashDedupID("b")); both != byKey {
		t.Errorf("with a dedup id the key's slot is %d, not %d", both, byKey)
	}
}

// TestTurn: all partitions have turns of the same length, in their order, whoever asks.
func TestTurn(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000)
	for _, partitions := range []int{1, 3, 8, 64} {
		last, since := Turn(at, partitions), 0
		for ms := 1; ms < 64*3*25; ms++ {
			turn := Turn(at.Add(time.Duration(ms)*time.Millisecond), partitions)
			if turn == last {
				continue
			}
			if turn != (last+1)%partitions || since > 0 && ms-since != int(TurnLasts.Milliseconds()) {
				t.Fatalf("of %d partitions it is the turn of %d after %d, %d ms after the one before", partitions, turn, last, ms-since)
			}
			last, since = turn, ms
		}
	}
	if before := Turn(time.UnixMilli(-12_345), 8); before < 0 || before > 7 {
		t.Errorf("before 1970 it is the turn of %d", before)
	}
}
