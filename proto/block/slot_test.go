package block

import (
	"fmt"
	"slices"
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

// TestTurn: all partitions have a turn of the same length in each round, and who publishes on a beat comes to all of them.
func TestTurn(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000).Truncate(64 * 3 * TurnLasts)
	for _, partitions := range []int{1, 3, 8, 64} {
		for round := range 10 {
			turns := make([]int, partitions)
			for ms := range partitions * int(TurnLasts.Milliseconds()) {
				turns[Turn(at.Add(time.Duration(round*partitions)*TurnLasts+time.Duration(ms)*time.Millisecond), partitions)]++
			}
			for partition, n := range turns {
				if n != int(TurnLasts.Milliseconds()) {
					t.Fatalf("partition %d of %d has a turn of %d ms in round %d", partition, partitions, n, round)
				}
			}
		}
	}
	for _, beat := range []int64{25, 50, 100, 200, 400, 500, 1_000, 1_600, 60_000} {
		const events, partitions = 1_600, 8
		got := make([]int, partitions)
		for i := range events {
			got[Turn(at.Add(time.Duration(int64(i)*beat)*time.Millisecond), partitions)]++
		}
		if low, high := slices.Min(got), slices.Max(got); low < events/partitions*3/4 || high > events/partitions*5/4 {
			t.Errorf("an event every %d ms: %d", beat, got)
		}
	}
	if before := Turn(time.UnixMilli(-12_345), 8); before < 0 || before > 7 {
		t.Errorf("before 1970 it is the turn of %d", before)
	}
}
