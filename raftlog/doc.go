// Package raftlog owns the replicated log: Raft groups of opaque commands, each applied to a state machine in one order on
// every replica, and kept for reading until nobody wants them. It is freshet's message store: what a command carries is
// written here and nowhere else. It does not know what commands mean, who may propose them, or when enough is enough;
// it imports nothing of ours.
//
//	           Propose                                          Leadership, Usage, Status
//	              │                                                        ▲
//	              ▼                     one goroutine                      │
//	    ┌──────────────────┐  commands  ┌─────────┐  Apply, Snapshot  ┌─────────┐
//	    │ hashicorp/raft   ├───────────▶│ applier ├──────────────────▶│ Machine │
//	    └────┬────────┬────┘            └─────────┘                   └─────────┘
//	entries, │        │ checkpoints
//	terms    ▼        ▼
//	    ┌───────┐  ┌────────────┐
//	    │ store │  │ snapshots/ │
//	    │ cache │  └────────────┘
//	    └───┬───┘
//	        ▼
//	     log.bolt ◀── Read, Retain
//
// # A stand-in
//
// Today a group is one Raft group with one voter over raft-boltdb, with a file and a sync of its own, and the library's
// in-memory transport, with nobody at its other end. The API is what stays: Open's options gain the node's shared log and
// the group's peers, Machine, Propose, Read, Retain, Leadership and Checkpoint stay as they are. What goes: bolt.go (one
// segmented log for all groups of a node takes its place, behind the same interface of the library's), the snapshot files
// (a checkpoint in the state store), Dir, BytesMax and CacheBytes of a single group (they become the node's).
//
// What it reaches (bench_test.go): on 2 virtual cores and a virtio disk, every byte synced, eight entries in
// flight, 43 MB/s of 4 KiB entries, 220 of 64 KiB, 165 of 256 KiB, at a p50 of 0.7, 2.1 and 10 ms. bbolt writes 1.3 to 4
// times the payload, and each group syncs for itself. A group leads 0.1 to 0.2 s after Open, and 0.05 s later for each
// 64 MiB to replay.
//
// # Who keeps an entry
//
// Two parties must have let go of an entry before it is removed from disk. Raft needs what no checkpoint covers; the
// group's owner needs what it will still Read, and says so with Retain. Checkpoints are driven by the bytes that were
// applied, not by the library's timer. Two are kept, and the log from the older one on, so that an unreadable newest
// one costs a longer replay and nothing else.
//
// # Outcomes
//
// A proposal that fails has one of two outcomes, and Future.Wait says which: proved not to be in the log (ErrNotLeader,
// ErrClosed, ErrFull, ErrTooLarge), or unknown (ErrOutcomeUnknown), which means that it may yet be applied.
//
// # Invariants
//
//   - R1: what was reported as appended is on disk, and survives any crash.
//   - R2: a torn end of the log is cut, damage in its middle is refused. (bbolt's copy-on-write pages and two meta pages
//     keep the first half; of the second, missing entries are found at Open, flipped bits inside commands are not.)
//   - R3: no entry is returned under an index or term that it was not stored with.
//   - R4: no failed write or sync is survived: Options.Fatal is called, and the group does nothing more.
//
// # Goroutines
//
// The library has its own (main loop, apply, snapshots). A group adds: answers, which settles futures in order; leadership
// (watch) and confirm, which tell who leads; checkpoints; reclaim, which removes old entries in steps; deposed, which waits
// for the log to fail, so that a failed group stops leading. Group.Close joins them all. Machine's methods are called from
// the library's apply goroutine alone, once Open has returned.
//
// Lock order: Group.gate, store.removing, store.mu.
//
// # Where to start
//
// group.go (Open, Propose, Close), then store.go with truncate.go, which is where entries come and go. machine.go is what
// an owner implements. identity.go says what a crash while a group is made leaves behind.
package raftlog
