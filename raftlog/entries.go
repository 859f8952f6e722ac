package raftlog

import "github.com/hashicorp/raft"

// entryLog is what a group keeps its entries, terms and votes in: a store of its own (Open), or its part of the node's log
// (Node.Start). To the library it is a raft.LogStore and raft.StableStore; the rest is between it and the group.
type entryLog interface { //nolint:interfacebloat // five of them are the library's
	raft.LogStore
	raft.StableStore

	// read is GetLog for the owner, who may keep the data.
	read(index uint64, entry *raft.Log) error
	// retain keeps entries from index on, whatever checkpoints there are. It only moves forward.
	retain(index uint64)
	// synced takes an index back to the last entry that this node's disk has, where it lies among those that a leader has stored
	// ahead of it; awaitSynced waits until it doesn't. Its errors: that will never be, or it was given up.
	synced(index uint64) uint64
	awaitSynced(index uint64, giveUp <-chan struct{}) error
	// usage says what the log holds.
	usage() Usage
	// reserved is how many bytes the log has beyond usage's BytesMax.
	reserved() int64
	// checkpointed says which checkpoints are durable: entries up to the oldest's index are not needed to start again, those
	// up to the newest's the library does not ask for.
	checkpointed(oldest, newest uint64)
	// applied says that nobody looks at entries up to index any more because they are to be applied.
	applied(index uint64)
	// following says that another node leads in a term: until this node's term changes, only who applies entries looks at
	// them.
	following(term uint64)
	// scanning is on while the library looks for changes of membership and reads nothing else: commands may be left out.
	scanning(bool)
	// beginInstall notes durably that a state as of index is about to replace everything. Entries up to floor are known to be
	// committed here; later ones count no more then.
	beginInstall(floor, index, term uint64) error
	// settle brings the entries in line with the newest checkpoint, when a state was installed and whatever happened since; it
	// refuses a log that lacks what it once had. It is called while the library does not run.
	settle(index, term uint64) error
	close() error
}
