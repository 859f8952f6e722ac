package raftlog

import "github.com/hashicorp/raft"

// cache holds the newest entries, as many as fit into its bytes, in the order of their indexes and without gaps. The
// library's own LogCache counts entries, which bounds nothing here: one may have 16 MiB.
//
// It is not safe for concurrent use; the store's lock guards it.
type cache struct {
	bytesMax int64
	bytes    int64
	first    uint64 // index of entries[0]
	entries  []*raft.Log
}

// get returns the entry, or nil. The entry must not be changed.
func (c *cache) get(index uint64) *raft.Log {
	if index < c.first || index-c.first >= uint64(len(c.entries)) {
		return nil
	}
	return c.entries[index-c.first]
}

// add takes an entry that is on disk and continues those that are here. When there are too many bytes, the oldest go;
// an entry that is too large by itself is not kept, nor is anything before it.
func (c *cache) add(entry *raft.Log) {
	if len(c.entries) == 0 {
		c.first = entry.Index
	}
	c.entries = append(c.entries, entry)
	c.bytes += entrySize(entry)
	for c.bytes > c.bytesMax {
		c.bytes -= entrySize(c.entries[0])
		c.entries[0] = nil // append moves the rest to a new array at times; until then this one must not hold on to it
		c.entries = c.entries[1:]
		c.first++
	}
}

// truncate drops the entries from index on.
func (c *cache) truncate(index uint64) {
	keep := 0
	if index > c.first {
		keep = int(min(index-c.first, uint64(len(c.entries))))
	}
	for i := keep; i < len(c.entries); i++ {
		c.bytes -= entrySize(c.entries[i])
		c.entries[i] = nil
	}
	c.entries = c.entries[:keep]
}

// entrySize is what an entry is charged for.
func entrySize(entry *raft.Log) int64 {
	return int64(len(entry.Data)) + int64(len(entry.Extensions)) + EntryOverhead
}
