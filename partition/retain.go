package partition

import (
	"context"

	"github.com/freshet-mq/freshet/raftlog"
)

// retain lets the log go up to the oldest entry whose events somebody still holds, or that is yet to be copied. It goes for good with the next
// checkpoint. Every replica does so for itself.
func (p *Partition) retain() {
	var from Index
	p.replica.look(func(m *Machine) { from = m.retainFrom() })
	p.group.Retain(uint64(min(from, p.replica.copies.lowest()))) // asked for later: what died meanwhile was held, or is yet to be copied
}

// roomInLog refuses publishing when the log is nearly full, and names who holds it.
func (p *Partition) roomInLog() error {
	u := p.group.Usage()
	limit := publishingLimit(u)
	if u.Bytes < limit/4*3 {
		return nil
	}
	p.askToReclaim()
	if u.Bytes < limit {
		return nil
	}
	return p.logFull(u)
}

// askToReclaim has reclaim look at what the log is still kept for.
func (p *Partition) askToReclaim() {
	select {
	case p.reclaims <- struct{}{}:
	default:
	}
}

// roomFor refuses so many bytes of an entry with a block that would take the log beyond what publishing may use, once everything that is on
// its way is there: the rest stays for acks, without which nothing would ever leave the log.
func (p *Partition) roomFor(bytes int) error {
	u := p.group.Usage()
	coming := p.flying.Load() + int64(bytes)
	if u.Bytes+coming+p.lostAtEnds(coming) <= publishingLimit(u) {
		return nil
	}
	return p.logFull(u)
}

// lostAtEnds bounds what so many bytes may take up besides themselves: a file of the log whose end has no room for the next entry is counted whole. Files have
// room for four of the largest, so there is such an end every three of them at most.
func (p *Partition) lostAtEnds(bytes int64) int64 {
	largest := int64(p.group.EntryBytesMax())
	return (bytes/(3*largest) + 1) * largest
}

func publishingLimit(u raftlog.Usage) int64 { return u.BytesMax / 100 * publishAtPercent }

// logFull names who holds the log.
func (p *Partition) logFull(u raftlog.Usage) error {
	full := &LogFullError{Bytes: u.Bytes, Limit: publishingLimit(u)}
	s := p.Status()
	full.Held, full.Stream, full.Holder, full.Offset = s.Held, s.OldestStream, s.OldestHolder, s.OldestOffset
	return full
}

// trimmed has the machine look at once at what is still kept, which it does every so many entries and bytes of them.
func (p *Partition) trimmed(ctx context.Context) {
	for range trimEvery {
		stale := false
		p.replica.look(func(m *Machine) { stale = len(m.staleStreams) > 0 })
		if !stale {
			return
		}
		if _, err := p.control(ctx, clockSection{}); err != nil {
			return // the next who finds the log full asks again
		}
	}
}

// reclaim tells the log what may go when it fills up, whoever fills it: the publishers of this partition, or the log itself asks. Checkpoints, without which nothing goes, the log asks for by itself.
func (p *Partition) reclaim(ctx context.Context) {
	for {
		select {
		case <-p.reclaims:
			p.trimmed(ctx)
			p.retain()
		case <-ctx.Done():
			return
		}
	}
}
