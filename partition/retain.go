package partition

import (
	"context"
	"errors"

	"github.com/freshet-mq/freshet/raftlog"
)

// retain lets the log go up to the oldest entry whose events somebody still holds. It goes for good with the next checkpoints.
func (p *Partition) retain() (from Index) {
	p.replica.look(func(m *Machine) { from = m.retainFrom() })
	p.group.Retain(uint64(from))
	return from
}

// roomInLog refuses publishing when the log is nearly full, and names who holds it.
func (p *Partition) roomInLog() error {
	u := p.group.Usage()
	limit := publishingLimit(u)
	if u.Bytes < limit/4*3 {
		return nil
	}
	// Checkpoints come by how much is appended; a log that fills up mustn't wait for one.
	select {
	case p.reclaims <- struct{}{}:
	default:
	}
	if u.Bytes < limit {
		return nil
	}
	return p.logFull(u)
}

// roomFor refuses so many bytes of an entry with a block that would take the log beyond what publishing may use, once everything that is on
// its way is there: the rest stays for acks, without which nothing would ever leave the log.
func (p *Partition) roomFor(bytes int) error {
	u := p.group.Usage()
	if u.Bytes+p.flying.Load()+int64(bytes) <= publishingLimit(u) {
		return nil
	}
	return p.logFull(u)
}

func publishingLimit(u raftlog.Usage) int64 { return u.BytesMax / 100 * publishAtPercent }

// logFull names who holds the log.
func (p *Partition) logFull(u raftlog.Usage) error {
	full := &LogFullError{Bytes: u.Bytes, Limit: publishingLimit(u)}
	s := p.Status()
	full.Held, full.Stream, full.Holder, full.Offset = s.Held, s.OldestStream, s.OldestHolder, s.OldestOffset
	return full
}

// reclaimShare is how large a part of the log's entries must be free before it is worth a checkpoint of its own: one in so many.
const reclaimShare = 8

// reclaim takes checkpoints when the log fills up with what nobody holds any more.
func (p *Partition) reclaim(ctx context.Context) {
	for {
		select {
		case <-p.reclaims:
		case <-ctx.Done():
			return
		}
		from, u := p.retain(), p.group.Usage()
		if from <= Index(u.First) || uint64(from)-u.First < (u.Last-u.First)/reclaimShare {
			continue
		}
		// The log keeps two checkpoints and goes up to the older. Each needs an entry since the one before.
		for range 2 {
			_, err := p.control(ctx, clockSection{})
			if err == nil {
				err = p.group.Checkpoint(ctx)
			}
			if err != nil && !errors.Is(err, context.Canceled) {
				p.options.Logger.Warn("no checkpoint to make room in the log", "partition", p.options.Number, "error", err)
			}
		}
	}
}
