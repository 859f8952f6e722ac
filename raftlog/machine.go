package raftlog

// Entry is one command of the log.
type Entry struct {
	// Index is the entry's place in the log: 1, 2, 3, ... Raft's own entries (a new leader's first, changes of membership)
	// have places too, so that a machine sees rising indexes with gaps.
	Index uint64
	// Term is that of the leader which appended the entry. It never falls from one entry to the next.
	Term uint64
	// Data is the command, as it was proposed. It must not be changed.
	Data []byte
}

// Machine is the state machine that a group replicates. All calls come one after the other: first Restore, if there is a
// checkpoint, then Apply in the order of the indexes, with Snapshot between entries.
//
// A machine must be deterministic: the same entries leave the same state on every replica, whenever they are applied.
type Machine interface {
	// Apply carries out one committed entry. What it returns is handed to whoever waits for the proposal, on the node
	// that proposed it. Apply must not block and does no I/O: nothing else of the group is applied meanwhile. Data is
	// valid during the call only; a machine copies what it keeps, or finds it again with Group.Read.
	Apply(entry Entry) any
	// Snapshot returns the state as of the last applied entry, encoded. The bytes are the log's from then on: nobody
	// changes them. Applying waits until it returns, so the state should be small. An error leaves the last checkpoint
	// in force; it is logged, and the next checkpoint tries again.
	Snapshot() ([]byte, error)
	// Restore replaces the state by one that Snapshot returned, perhaps on another node or in an older release. It may
	// keep the bytes. After an error the group does not open.
	Restore(state []byte) error
}
