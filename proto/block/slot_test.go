package block

import (
	"fmt"
	"testing"
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
