package raftlog

import "iter"

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
	// Snapshot returns what has changed since the last Snapshot or Restore, as of the last applied entry: a record for each
	// key, one without a value where the key is gone. With whole it returns all of the state instead; the log asks for that
	// when there is no checkpoint to add to, or what Snapshot returned before did not become durable. The records are the
	// log's from then on: nobody changes them. Applying waits until it returns. An error leaves the last checkpoint in
	// force; it is logged, and the next checkpoint asks for the whole state.
	Snapshot(whole bool) ([]Record, error)
	// Restore replaces the state by a whole one, perhaps another node's or an older release's, in the order of the keys.
	// The sequence can be walked once; what it yields is valid until the next step. When it yields an error Restore returns
	// it. After an error the group does not open.
	Restore(records iter.Seq2[Record, error]) error
}
