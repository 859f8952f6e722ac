package wal

import (
	"sync"

	"github.com/hashicorp/raft"
)

// sums are checksums of the newest entries' data, so that a node computes each once: a leader's log does, and its messages to
// each follower say the same; a follower's messages are checked by them, and its log writes them down. They are found by
// index and term, under which no two entries differ (R3).
//
// A sum that is carried says what the data were when they came. Whatever becomes of them in memory later is found by who
// checks it: a sum that is computed anew would vouch for it.
type sums struct {
	mu struct {
		sync.Mutex
		slots [sumSlots]carried // by index
	}
}

const (
	// sumSlots is more entries than are on their way between a log and its followers.
	sumSlots = 128
	// sumBytesMin is from where on a sum is worth looking up.
	sumBytesMin = 4 << 10
)

type carried struct {
	index, term uint64
	bytes, sum  uint32
}

// Sum returns the CRC-32C of an entry's data, if it is known: from when the entry was stored, or from NoteSum. Of data under 4
// KiB, and of all but the newest 128 entries, it is not.
func (g *Group) Sum(entry *raft.Log) (sum uint32, known bool) {
	if len(entry.Data) < sumBytesMin {
		return 0, false
	}
	s := &g.sums
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.mu.slots[entry.Index%sumSlots]
	return at.sum, at.index == entry.Index && at.term == entry.Term && int(at.bytes) == len(entry.Data)
}

// NoteSum says what the CRC-32C of an entry's data is, before the entry is stored. A wrong one makes a record of the log that
// counts as damaged when it is read: it must have been verified over the very data.
func (g *Group) NoteSum(entry *raft.Log, sum uint32) {
	if len(entry.Data) < sumBytesMin {
		return
	}
	s := &g.sums
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.slots[entry.Index%sumSlots] = carried{index: entry.Index, term: entry.Term, bytes: uint32(len(entry.Data)), sum: sum}
}

// sumOf returns the checksum of an entry's data, and computes it if it isn't known.
func (g *Group) sumOf(entry *raft.Log) uint32 {
	if sum, known := g.Sum(entry); known {
		return sum
	}
	sum := checksum(entry.Data)
	g.NoteSum(entry, sum)
	return sum
}
