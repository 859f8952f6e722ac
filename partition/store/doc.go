// Package store is a node's state on disk: the checkpoints of all its groups in one Pebble, and beside them the payload that the
// log needn't keep.
//
//	raftlog (checkpoints, installs)                    partition (payload)
//	   Commit, Latest, Open, Remove                        Keep, Kept
//	        |                                                  |
//	        v                                                  v
//	+------------------------------- Store --------------------------------+
//	|  meta of a group ---> its live generation                            |
//	|  generation 7:  records of the checkpoint, kept payload among them   |
//	|  generation 8:  being built aside; nobody sees it until meta says so |
//	+----------------------------------------------------------------------+
//	                     Pebble: log and tables of its own
//
// It owns how checkpoints become durable and are replaced. It does not know what a record means, and never looks at the log: which part
// of that may go is raftlog's to decide, from what Commit has made durable.
//
// # Invariants
//
//   - What Commit or Keep returned for is on disk, and survives any crash.
//   - A checkpoint is never half old and half new: one synced batch swaps it. What a crash leaves of a generation that was being
//     built goes when the store is opened.
//   - A reader sees one checkpoint, whatever is committed meanwhile.
//   - No failed write or sync is survived (R4): Options.Fatal is called, and Commit doesn't return.
//
// The first holds against rot too, in that a store which has lost something is refused: Pebble takes damage near the end of its newest log for a
// torn end and drops what follows (options.go, witness.go).
//
// # Goroutines
//
// None of its own; Pebble's end with Close. Calls for different groups run side by side; those that write to one group
// wait for each other (group.mu), and then for one sync after the other (Store.syncing).
//
// Start reading at store.go, then commit.go. The keys are drawn in keys.go.
package store
