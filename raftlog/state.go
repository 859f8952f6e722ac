package raftlog

import "iter"

// GroupNumber stands for a group on every node of a cluster. It never returns, also when the group is removed.
type GroupNumber uint32

// Record is one piece of a machine's state, found by its key. A checkpoint is a set of them.
type Record struct {
	Key []byte
	// Value is what the key stands for from now on; nil says that the key is gone.
	Value []byte
}

// CheckpointMeta says which part of the log a checkpoint stands for.
type CheckpointMeta struct {
	// Index and Term of the last entry that the state contains.
	Index, Term uint64
	// Membership is who was in the group then, encoded by this package, and MembershipIndex the entry that said so.
	Membership      []byte
	MembershipIndex uint64
}

// StateStore keeps the checkpoints of a node's groups: one for each, the last that became durable. It is declared here, where it is read;
// partition/store implements it on Pebble. Calls for different groups come from different goroutines, those for one group one after the other, but
// for Open, whose reader must not see what is committed while it reads.
type StateStore interface {
	// Commit makes records part of the group's checkpoint, which from then on stands for meta. When it returns without an error all of it is
	// durable; after a crash before that, none of it is there. With whole, what was there before goes: the new state is built aside and
	// takes its place in one step. Without whole there must be a checkpoint, of an entry that isn't behind meta's.
	//
	// An error that records yields is returned as it is (errors.Is), and the checkpoint stays what it was, as it does where Commit refuses what
	// it is given. After any other error nobody knows what is on disk, and the process ends (R4).
	Commit(group GroupNumber, meta CheckpointMeta, records iter.Seq2[Record, error], whole bool) error
	// Latest returns what the group's checkpoint stands for; false when there is none.
	Latest(group GroupNumber) (CheckpointMeta, bool, error)
	// Open returns a view of the group's checkpoint as it is now. There must be one.
	Open(group GroupNumber) (StateReader, error)
	// Remove forgets the group. It is no error that there is nothing to forget.
	Remove(group GroupNumber) error
	// Groups lists the groups that have a checkpoint, in ascending order.
	Groups() ([]GroupNumber, error)
}

// StateReader reads one checkpoint.
type StateReader interface {
	// Meta says what the checkpoint stands for.
	Meta() CheckpointMeta
	// Records walks it in the order of the keys. It may be called again, for another walk over the same records. Keys and values are valid until the next
	// step.
	Records() iter.Seq2[Record, error]
	Close() error
}
