// Package raftlog owns the replicated log: Raft groups of opaque commands, each applied to a state machine in one order on
// every replica, and kept for reading until nobody wants them. It is freshet's message store: what a command carries is
// written here and nowhere else. It does not know what commands mean, who may propose them, or when enough is enough; but for
// its own parts, raftlog/wal and raftlog/transport, it imports nothing of ours.
//
//	                    Propose, Read, Retain                Leadership, Usage, Debt, Status
//	                              │                                       ▲
//	┌ Node ───────────────────────┼───────────────────────────────────────┼──────────────┐
//	│ ┌ Group ────────────────────▼───────────────────────────────────────┴───┐ ┌ Group ┐ │
//	│ │ hashicorp/raft ──commands──▶ applier ──Apply, Snapshot, Restore──▶ Machine │  ...  │ │
//	│ └──┬─────────┬─────────┬───────────────────────────────────────────────┘ └───┬───┘ │
//	│    │ link    │ entries,│ checkpoints                                         │     │
//	│    │ relay   │ terms   │                                                     │     │
//	│    ▼         ▼         ▼                                                     ▼     │
//	│ transport  wal.Log   StateStore                       one of each for all groups   │
//	└─────────────────────────────────────────────────────────────────────────────────────┘
//
// The library is hashicorp/raft 1.7.3. DESIGN.md says what it needs guarding against, what is assumed of the disk, and what
// each crash leaves behind.
//
// # Two ways to have a group
//
// Node.Start is the product's: the groups of a node share one log with one sync, one transport, and one store of checkpoints.
// Open gives a group a log of its own, on raft-boltdb, and files for its checkpoints: for the cluster's metadata, which is small
// and rare. Group is the same type either way.
//
// # Who keeps an entry
//
// Two parties must have let go of an entry before it is removed from disk. Raft needs what no checkpoint covers; the
// group's owner needs what it will still Read, and says so with Retain. Checkpoints are driven by bytes, time, and the log's
// own wish when an idle group keeps its oldest segment. Node.Pins names who keeps what.
//
// # Outcomes
//
// A proposal that fails has one of two outcomes, and Future.Wait says which: proved not to be in the log (ErrNotLeader,
// ErrClosed, ErrFull, ErrTooLarge), or unknown (ErrOutcomeUnknown), which means that it may yet be applied.
//
// # Invariants
//
//   - R1: what was reported as appended is on disk, and survives any crash.
//   - R2: a torn end of the log is cut, damage in its middle is refused and never led from. (For Open: bbolt's copy-on-write pages
//     and two meta pages keep the first half; the second is in summed.go, and scanBolt says what it leaves.)
//   - R3: no entry is returned under an index or term that it was not stored with.
//   - R4: no failed write or sync is survived: Fatal is called, and nothing is led or accepted any more.
//   - R5: an install changes nothing that the log has already; after one that does, the library is built anew from disk.
//   - R6: nothing is sent from memory that the log may use again (link.term).
//   - R7: a node speaks as a leader only while its disk answers.
//   - R8: a directory that is another node's, or has lost a part, is refused.
//   - R9: what a checkpoint stands for is agreed on by every later leader; nothing is committed behind a message's end.
//   - R10: what a leader's own disk lacks is applied nowhere, told nobody as committed, and confirmed to no later leader (ahead.go).
//
// # Goroutines
//
// The library has its own (main loop, apply, snapshots, two for each follower while it leads); whoever starts a library stops
// it and waits for them (library.go). A group adds: answers, which settles futures in order; leadership (watch), notices and
// confirm, which tell who leads; checkpoints; news, which tells followers of commits; relay, which hands the library what others send, and install, one while a
// state arrives; debt, which fetches what is owed; succession, one while a leader is found dead; deposed, which waits for the log
// to fail. Group.Close joins them all. A node adds watchdog, joined by Node.Close, and those of wal and transport, which their
// Close joins. All carry the labels raftlog (the group's or node's name) and goroutine. Machine's methods are called from the
// library's apply goroutine alone, once Start or Open has returned.
//
// Lock order: Node.starting, Node.mu, Group.changing, Group.gate.mu; retainMarks.mu before wal's; store.removing before store.mu.
// No lock is held while the library is waited for, but changing.
//
// # Where to start
//
// node.go and start.go, or open.go, for how a group comes to be; then group.go (Propose, Close) and library.go, which is what runs
// and how it is built anew. machine.go and state.go are what an owner implements. install.go, debt.go, succession.go and
// watchdog.go each begin with the fault that they are for.
package raftlog
