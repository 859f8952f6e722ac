// Package wal owns the log of a node: one sequence of segment files that all its Raft groups share, written and synced in
// group commits by one goroutine. It is raft.LogStore and raft.StableStore of every group, and it keeps entries that Raft
// has let go of for as long as their owner wants to read them. It does not know what entries mean, replicates nothing, and
// takes no snapshots; it imports nothing of ours.
package wal
