package raftlog

import "fmt"

// Who may fill the log how far. A log that is full for everybody would stay so: what lets entries go, acks above all, are entries
// too, and they count only when a majority has stored them. So each has room that the one before can't take:
//
//	0                                  BytesMax         + ½ reserve    + ¾         the log's own end
//	├──── what a leader is asked for ──────┤─ small commands ─┤─ followers ─┤─ terms, votes, a leader's first entries
//
// A follower has the most, since its log may be fuller than its leader's: its batches were others, or it let go of less yet. Were it to
// refuse what the leader takes, on two of three nodes, nothing would be committed any more, and nothing let go of. BytesMax is
// Usage's; the reserve is beyond it.
const (
	// smallCommandBytes is up to how many bytes a command may use the reserve: those that carry nothing of clients', but say what became
	// of it. Owners refuse what may wait (publishing) well before.
	smallCommandBytes = 16 << 10
	// storeReserveShare is which part of BytesMax a group with a log of its own has in reserve; its file may grow.
	storeReserveShare = 8
)

// roomFor refuses a command for which the log has no room here.
func (g *Group) roomFor(bytes int) error {
	usage := g.entries.usage()
	limit := usage.BytesMax
	if bytes <= smallCommandBytes {
		limit += g.entries.reserved() / 2
	}
	if usage.Bytes >= limit {
		return fmt.Errorf("%w: it holds %d bytes, the limit is %d", ErrFull, usage.Bytes, limit)
	}
	return nil
}

// roomToFollow refuses a leader's entries when this node's log has no room for them. An append that finds none ends the process.
func (g *Group) roomToFollow() error {
	usage := g.entries.usage()
	if limit := usage.BytesMax + g.entries.reserved()/4*3; usage.Bytes >= limit {
		return fmt.Errorf("%w: it holds %d bytes, the limit is %d", errLogFull, usage.Bytes, limit)
	}
	return nil
}
