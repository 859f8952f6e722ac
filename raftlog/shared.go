package raftlog

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/hashicorp/raft"

	"github.com/freshet-mq/freshet/raftlog/wal"
)

// keyInstalled is the stable value of a group's log that names the last state that was installed: index and term, 8 bytes each,
// big-endian. It is written before the state is. A log that ends before its checkpoint is in order if that was installed,
// and has lost something if it was not.
var keyInstalled = []byte("Installed")

// The library's keys.
var (
	keyCurrentTerm       = []byte("CurrentTerm")
	keyLastVoteTerm      = []byte("LastVoteTerm")
	keyLastVoteCandidate = []byte("LastVoteCand")
	stableKeys           = [][]byte{keyCurrentTerm, keyLastVoteTerm, keyLastVoteCandidate}
)

// sharedLog is a group's part of the node's log.
type sharedLog struct {
	*wal.Group
	log *wal.Log
	// reserve is how many bytes of the log are not for proposals.
	reserve int64
	group   *Group
	// floor is what was known to be committed when the last install began. Later entries may be another leader's.
	floor uint64
	marks retainMarks
}

var (
	_ entryLog               = (*sharedLog)(nil)
	_ raft.MonotonicLogStore = (*sharedLog)(nil)
)

// StoreLogs implements raft.LogStore. Own proposals are kept as they are: they are read once for each peer, and to be delivered. A
// leader's commands are stored ahead of the disk (ahead.go).
func (s *sharedLog) StoreLogs(entries []*raft.Log) error {
	mine := s.group.own.all(entries)
	store := s.Group.StoreLogs
	if mine && s.group.mayStoreAhead(entries) {
		store = s.StoreAhead
	}
	if err := store(entries); err != nil {
		return err
	}
	if mine {
		s.Keep(entries)
	}
	return nil
}

func (s *sharedLog) synced(index uint64) uint64 { return s.Synced(index) }

func (s *sharedLog) awaitSynced(index uint64, giveUp <-chan struct{}) error {
	return s.AwaitSynced(index, giveUp)
}

func (s *sharedLog) read(index uint64, entry *raft.Log) error { return s.Read(index, entry) }

// usage says how full the node's log is; a proposal is refused while there is still room for what must get through.
func (s *sharedLog) usage() Usage {
	all, mine := s.log.Usage(), s.Usage()
	return Usage{Bytes: all.Bytes, BytesMax: all.BytesMax - s.reserve, GroupBytes: mine.Bytes, First: mine.Oldest, Last: mine.Last}
}

func (s *sharedLog) reserved() int64 { return s.reserve }

func (s *sharedLog) checkpointed(_, newest uint64) { s.Covered(newest) }

func (s *sharedLog) applied(index uint64) { s.Applied(index) }

// following lets the log use memory again: another node leads in a term.
func (s *sharedLog) following(term uint64) { s.Following(term) }

func (s *sharedLog) scanning(on bool) { s.HeadersOnly(on) }

// SetUint64 implements raft.StableStore. The library panics when it can't write its term. Once the log has failed, and
// whoever was told of it lets the process live, that would be the end of it after all; so a term is taken then without
// being written. Nothing follows from it: neither a vote nor an entry can be written any more.
func (s *sharedLog) SetUint64(key []byte, value uint64) error {
	err := s.Group.SetUint64(key, value)
	if err != nil && bytes.Equal(key, keyCurrentTerm) {
		s.group.fail(err)
		return nil
	}
	return err
}

// beginInstall notes what is about to be installed.
func (s *sharedLog) beginInstall(floor, index, term uint64) error {
	s.floor = floor
	return s.Set(keyInstalled, binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, index), term))
}

// settle makes the log one that continues the checkpoint of an entry. Where that was installed, the log had something else in
// its place: what is known to be committed of it stays readable, and the rest goes.
func (s *sharedLog) settle(index, term uint64) error {
	if index == 0 {
		return nil
	}
	usage, installed := s.Usage(), s.installed(index, term)
	// A log may be empty behind its checkpoint: entries that another leader overruled were removed, and those in their place did
	// not come any more.
	if usage.Last != 0 && usage.Last < index && !installed {
		return fmt.Errorf("%w: the log of group %d ends with entry %d, its checkpoint says that there was entry %d", ErrForeign, s.ID(), usage.Last, index)
	}
	if floor := min(s.floor, usage.Last-1); installed && usage.Last != 0 && floor >= usage.First && floor < index {
		if err := s.DeleteRange(usage.First, floor); err != nil {
			return err
		}
	}
	s.floor = 0
	if err := s.Restart(index, term); err != nil {
		return fmt.Errorf("raftlog: group %d: %w", s.ID(), err)
	}
	return nil
}

// installed says whether the state as of an entry came from another node.
func (s *sharedLog) installed(index, term uint64) bool {
	value, err := s.Get(keyInstalled)
	return err == nil && len(value) == 16 && binary.BigEndian.Uint64(value) == index && binary.BigEndian.Uint64(value[8:]) == term
}

// close lets go of the group; the log is the node's.
func (s *sharedLog) close() error { return nil }
