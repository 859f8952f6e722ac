// Package wal owns the log of a node: one sequence of segment files that all its Raft groups share, written and synced in
// group commits by one goroutine. It is raft.LogStore and raft.StableStore of every group, and it keeps entries that Raft
// has let go of for as long as their owner wants to read them. It does not know what entries mean, replicates nothing, and
// takes no snapshots; it imports nothing of ours.
//
//	StoreLogs, StoreAhead, Set, DeleteRange, Restart, Adopt, Remove    GetLog, Read
//	of all groups                                                        │
//	      │ copied                                                ┌──────┴──────┐
//	      ▼              one at a time                            ▼             ▼
//	 open batch ──▶ seal, write, sync ──▶ groups' states ──▶ index ──▶ cache   segments
//	                      │                                           (batches in (files)
//	                      ▼                                             arenas)    ▲
//	      spare ──▶ active segment ──▶ sealed segments ──▶ retirement ──▶ spare    │
//	                      └───────────────┴──────────────────────────────────────────┘
//
// DESIGN.md has the assumptions about the disk, every recovery branch with the crash that it repairs, and what was decided
// and why. format.go draws the bytes.
//
// # Invariants
//
//   - R1: what was reported as written is on disk, and survives any crash.
//   - R2: a torn end of the log is cut, damage in its middle is refused (ErrCorrupt) when the log is opened or the entry is
//     read, and ends the log.
//   - R3: no entry is returned under an index, a term or a group that it was not stored with, and none that was truncated.
//   - R4: no failed write or sync is survived: Options.Fatal is called once, and every change from then on fails.
//   - Nothing that a group is asked for overtakes what was stored ahead of its sync (ahead.go).
//
// # Goroutines
//
// The writer takes batches, writes and syncs them, and changes the groups' states. The allocator keeps a spare file, and
// tries again every second while the disk has no room. Retirement appends anew what little is left of the oldest segment,
// through the writer as everybody else, and gives the file away. Close ends and joins them, the writer first, since it needs
// the allocator. Callers wait in their own goroutines. Options.CheckpointWanted and ReleaseWanted are called by retirement, Options.Fatal by
// whoever failed.
//
// # Locks
//
// In this order: Log.making, Group.writing, Log.weighing, spares.mu, Log.mu, Log.groups, Group.mu, segment.reading, cache.mu;
// segments.mu, arenas.mu, sums.mu and passes.mu come last and alone. The disk is waited for with Log.making, Group.writing or
// segment.reading held, or none; the writer takes neither of the first two.
//
// # Where to start
//
// format.go, then writer.go (one batch's way to the disk), append.go (how records come into a batch, and what they do),
// recover.go (the way back). retire.go is what keeps the log small.
package wal
