package block

import (
	"encoding/binary"
	"time"
)

const (
	// Slots is how many slots the keys of a topic fall into. Slots are what is placed on partitions: when a topic spreads, some of them move, and a key
	// stays in its own.
	Slots = 1 << slotBits

	slotBits = 10

	// TurnLasts is how long a partition is the one for events that may go anywhere (Turn).
	TurnLasts = 25 * time.Millisecond
)

// SlotOf returns the slot of an event by its key hash (HashKey), or when it has no key by the hash of its dedup id (HashDedupID), so that its
// repetition gets to where it is known. placed is false when it has neither: such an event may go anywhere.
//
// It is the hash's highest bits; both hashes are uniform in all of theirs.
func SlotOf(keyHash uint64, dedup DedupHash) (slot uint16, placed bool) {
	if keyHash == 0 {
		if dedup == (DedupHash{}) {
			return 0, false
		}
		keyHash = binary.BigEndian.Uint64(dedup[:8])
	}
	return uint16(keyHash >> (64 - slotBits)), true
}

// Slot returns SlotOf event i.
func (b *Block) Slot(i int) (slot uint16, placed bool) { return SlotOf(b.KeyHash(i), b.DedupHash(i)) }

// Turn returns which of a topic's partitions, in the order of their numbers, is best for a few events without a slot that are published now. Everybody comes to
// the same by the clock, TurnLasts each: so what many publish at once, each an event or two, shares the entries of one partition's log, which cost the
// same for one event as for a hundred. Each partition has one turn a round, and each round begins with another, so that who publishes on a beat, once a
// round say, isn't always at the same. Clocks that differ cost nothing but that, as does who takes another partition. Whoever fills entries alone does
// better with all partitions at once.
func Turn(now time.Time, partitions int) int {
	n := uint64(partitions)
	turn := uint64(now.UnixMilli()) / uint64(TurnLasts.Milliseconds())
	first := turn / n * fibonacci >> 32
	return int((turn%n + first) % n)
}

// fibonacci spreads the multiples of it evenly over all of a word: 2^64 divided by the golden ratio (Knuth, The Art of Computer Programming, volume 3, 6.4).
const fibonacci = 0x9e3779b97f4a7c15
