package raftlog

import (
	"fmt"

	"github.com/hashicorp/raft"
)

// A leader's disk works while its followers' do (Raft thesis 10.2.1). The library writes first and replicates then, so the log
// returns from writing a leader's commands before they are on disk (wal.StoreAhead), and the library counts this node as having them. What
// follows from that is held back, here and there, until it is so:
//
//	StoreLogs ──┬──▶ disk ────────────────────────────────┐
//	            └──▶ replicators ──▶ followers' disks ──▶ commit ──▶ applier waits (mayApply)
//	                                                        └──────▶ what followers are told waits (clamp)
//
// Everything else that the library writes, a term above all, is behind these entries in the same log and waits for them. So a node that has
// taken part in a later term has on disk what it led with before, and what it confirms there is true. DESIGN.md has the
// argument, case by case.

// mayStoreAhead says whether entries are commands that this node proposes as a leader. What else there is (changes of membership, a term's
// first entry, barriers) the library acts on at once, when it counts it as committed: it waits for the disk. Who stores a leader's entries
// answers for them. It is called on the library's main loop, which alone begins and ends its leadership.
func (g *Group) mayStoreAhead(entries []*raft.Log) bool {
	term := g.link.term.Load()
	for _, entry := range entries {
		if entry.Type != raft.LogCommand || entry.Term != term {
			return false
		}
	}
	return term != 0
}

// vouch refuses answers of a node whose log has failed: the library takes a term on that can't be written (shared.go), and finds entries in
// the log that never came to be on disk.
func (g *Group) vouch() error {
	if err := g.broken(); err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return nil
}
