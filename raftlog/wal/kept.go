package wal

import (
	"sync"

	"github.com/hashicorp/raft"
)

// keptBytesMax is how much of a group's newest entries is kept as their owner gave them: what is sent to peers and
// to consumers within some milliseconds, at the rate that one group can take.
const keptBytesMax = 4 << 20

// kept is a group's newest entries in memory that their owner has left to the log (Keep). They are read in place of the
// batch's copy: who reads for others lends out memory of which it doesn't hear again, and a batch, of which
// any other group has a part, could never be used again. It was 75 MB of fresh memory a second for each 100,000 events of
// 256 bytes, in three nodes, most of it touched for the first time.
type kept struct {
	mu struct {
		sync.Mutex
		entries []raft.Log // without gaps
		bytes   int
	}
}

// Keep leaves the data of entries to the log that StoreLogs has stored: nobody changes it or uses its memory again. It is for
// who reads them soon, and may be left out.
func (g *Group) Keep(entries []*raft.Log) { g.kept.put(entries) }

func (k *kept) put(entries []*raft.Log) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, entry := range entries {
		if n := len(k.mu.entries); n > 0 && k.mu.entries[n-1].Index+1 != entry.Index {
			k.clearLocked()
		}
		k.mu.entries = append(k.mu.entries, *entry)
		k.mu.bytes += keptBytes(entry)
		for k.mu.bytes > keptBytesMax && len(k.mu.entries) > 1 {
			k.mu.bytes -= keptBytes(&k.mu.entries[0])
			k.mu.entries[0] = raft.Log{} // append moves the rest to a new array at times; until then this one must not hold on to it
			k.mu.entries = k.mu.entries[1:]
		}
	}
}

func keptBytes(entry *raft.Log) int {
	return recordHeaderBytes + len(entry.Data) + len(entry.Extensions)
}

// get returns the entry of an index and term, if it is kept. What was stored under both is the same, whatever was
// removed in between (R3).
func (k *kept) get(index, term uint64, entry *raft.Log) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.mu.entries) == 0 || index < k.mu.entries[0].Index {
		return false
	}
	at := index - k.mu.entries[0].Index
	if at >= uint64(len(k.mu.entries)) || k.mu.entries[at].Term != term {
		return false
	}
	*entry = k.mu.entries[at]
	return true
}

func (k *kept) clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.clearLocked()
}

func (k *kept) clearLocked() { k.mu.entries, k.mu.bytes = nil, 0 }
