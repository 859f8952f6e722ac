package raftlog

import (
	"errors"

	"github.com/hashicorp/raft"
)

// What a checkpoint stands for was committed, so every leader has the same entries up to there, whatever else it has (Raft's
// leader completeness). The library makes little of that. It believes a leader's entries only where it finds the one before them in
// its log, and behind a checkpoint there may be nothing left to find: then a follower whose log begins later than its leader's
// checkpoint ends refuses everything, is sent a snapshot that it has long had, and refuses again. Two things help: the checkpoint's last
// entry is always found, by index and term (view), and of what a leader sends the part that is agreed anyway is left out
// (amend).
type agreed struct{ index, term uint64 }

// view is the group's log as the library sees it.
type view struct {
	entryLog
	group *Group
}

var _ raft.MonotonicLogStore = (*view)(nil)

// IsMonotonic implements raft.MonotonicLogStore.
func (v *view) IsMonotonic() bool { return true }

// GetLog implements raft.LogStore. Of the checkpoint's last entry, when it is gone, index and term are left: the library compares
// them, and sends it nowhere, since it would need the one before for that.
//
// Where the disk can't be read the library panics, if it was about to apply the entry. It gets one that says nothing then, of no term, and
// the group has failed: the machine is given nothing any more (applier.withheld), nothing is sent (link.check), and nothing can be stored.
func (v *view) GetLog(index uint64, entry *raft.Log) error {
	err := v.entryLog.GetLog(index, entry)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrLogNotFound):
		if at := v.group.agreed.Load(); at != nil && at.index == index {
			*entry = raft.Log{Index: at.index, Term: at.term, Type: raft.LogNoop}
			return nil
		}
		return err
	case v.group.snapshots.starting.Load():
		return err // it doesn't start then
	}
	v.group.applier.withheld.Store(true)
	v.group.fail(err)
	*entry = raft.Log{Index: index, Type: raft.LogNoop}
	return nil
}

// amend returns what the library is given of a leader's message.
//
// It also takes the leader's commit index back to the last entry of the message, as Raft has it. The library takes it back to the
// last entry of its own log, which is too much where a message was cut: what follows in the log may be another leader's, and
// would count as committed.
func (g *Group) amend(request *raft.AppendEntriesRequest) *raft.AppendEntriesRequest {
	if request.PrevLogEntry == 0 && len(request.Entries) == 0 {
		return request // a heartbeat
	}
	if at := g.agreed.Load(); at != nil && request.PrevLogEntry < at.index {
		amended := *request // the transport may use the original again
		for len(amended.Entries) > 0 && amended.Entries[0].Index <= at.index {
			amended.Entries = amended.Entries[1:]
		}
		amended.PrevLogEntry, amended.PrevLogTerm = at.index, at.term
		request = &amended
	}
	request.LeaderCommitIndex = min(request.LeaderCommitIndex, request.PrevLogEntry+uint64(len(request.Entries)))
	return request
}
