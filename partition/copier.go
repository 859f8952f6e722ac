package partition

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
	"github.com/freshet-mq/freshet/raftlog"
)

// How events come out of the log that it isn't to be kept for. Every replica copies for itself, whether it leads or not, and only then tells its
// log that it may go (retain.go). It reads off the apply path, in the order of the log, so that what is oldest is free first.
const (
	// copyEventsMax and copyBytesMax are what is copied in one sync.
	copyEventsMax = 64
	copyBytesMax  = 4 << 20
	// copyAgain is after how long a copy is tried again that couldn't be made: its entry is yet to come from a peer, or a checkpoint is on its way.
	copyAgain = 250 * time.Millisecond
)

// copyAside copies what is aside, and tells the log what it may let go of, until the replica closes.
func (p *Partition) copyAside(ctx context.Context) {
	for {
		again, err := p.copySome(ctx)
		if err != nil && ctx.Err() == nil {
			p.options.Logger.Error("can't copy events out of the log, which stays for them", "partition", p.options.Number, "error", err)
			again = true
		}
		p.retain()
		if !p.waitForCopies(ctx, again) {
			return
		}
	}
}

// waitForCopies waits until there may be something to copy; false when the replica closes.
func (p *Partition) waitForCopies(ctx context.Context, again bool) bool {
	var timer <-chan time.Time
	if again {
		var stop func()
		timer, stop = p.options.Clock.TimerAt(p.now().Add(copyAgain))
		defer stop()
	}
	select {
	case <-p.replica.copies.changed:
	case <-timer:
	case <-ctx.Done():
		return false
	}
	return true
}

// copySome copies events until none is left that can be, and tells whether some are that can't yet.
func (p *Partition) copySome(ctx context.Context) (again bool, err error) {
	c := p.replica.copies
	for ctx.Err() == nil {
		list, epoch, barred, err := c.next(copyEventsMax)
		if err != nil || barred || len(list) == 0 {
			return barred, err
		}
		records, bytes := make([]raftlog.Record, 0, len(list)), 0
		for _, at := range list {
			b, err := p.readAside(at)
			if errors.Is(err, errGone) || errors.Is(err, ErrInDebt) {
				again = true // on its way from a peer, or settled a moment ago
				break
			}
			if err != nil {
				return true, err
			}
			records = append(records, raftlog.Record{Key: copyKey{at.Stream, at.Offset}.record(), Value: b})
			if bytes += len(b); bytes >= copyBytesMax {
				break
			}
		}
		if len(records) == 0 {
			return again, nil
		}
		if err := c.keeper.Keep(records); err != nil {
			return true, err
		}
		c.done(list[:len(records)], epoch)
		if again {
			return true, nil
		}
	}
	return false, nil
}

// readAside reads an event that is aside from the log, and returns a block of it alone.
func (p *Partition) readAside(at AsideChange) ([]byte, error) {
	l := leg{stream: at.Stream, first: at.First, end: at.Offset + 1, index: at.Index, section: at.Section}
	var out []byte
	err := p.walk(l, at.Offset, func(pl place, b *block.Block) error {
		if !pl.has(at.Offset) {
			return fmt.Errorf("%w: offset %d isn't where it was", ErrCorrupt, at.Offset)
		}
		var selector block.Selector
		i := int(at.Offset - pl.first)
		var err error
		if out, err = selector.Select(nil, b, []block.Run{{From: i, To: i + 1}}); err != nil {
			return err
		}
		return errStop
	})
	if err == nil && out == nil {
		err = errGone
	}
	return out, err
}

// fetch reads the block that has an offset, or a block of that event alone if the log has let go of it and there is a copy. errGone: there is none either.
// io.EOF: there is no such event yet.
func (p *Partition) fetch(id StreamID, at Offset) (place, block.Block, error) {
	found, b, err := p.fetchFromLog(id, at)
	if !errors.Is(err, errGone) {
		return found, b, err
	}
	aside, raw, ok, err := p.replica.copies.find(copyKey{id, at})
	if err == nil && ok && raw == nil {
		raw, err = p.readAside(aside)
	}
	switch {
	case err != nil:
		return place{}, block.Block{}, err
	case !ok:
		return place{}, block.Block{}, errGone
	}
	b, err = block.Open(raw)
	return place{stream: id, first: at, count: 1, index: aside.Index, section: aside.Section}, b, err
}

// entryReader is where entries of the log are read: a raftlog.Group.
type entryReader interface {
	// Read returns an entry; raftlog.ErrNotRetained when it isn't there.
	Read(index uint64) (raftlog.Entry, error)
	// Debt returns the first entries that this replica wants and lacks, since it got its state from a peer, which has yet to send them.
	Debt() (from, to uint64, owed bool)
}

// Bringing a replica up: its state comes as a checkpoint, from its own disk or from a peer, without the entries before. After a restore it tells the log
// from where on it wants entries (retain: the oldest that somebody needs in that state, or that is to be copied), and raftlog fetches those that
// it lacks. Whoever reads one meanwhile waits a little for it, and is then told that the replica is in debt, never that the event is gone.
const (
	debtWait = 2 * time.Second
	debtLook = 20 * time.Millisecond
)

// ErrInDebt is returned for an event that is on its way to this replica from a peer. Another may have it, and it will.
var ErrInDebt = fmt.Errorf("%w: the entry is yet to come from a peer", ErrUnavailable)

// read reads an entry. nil data: it is Raft's own. errGone: the log has let go of it.
func (p *Partition) read(index Index) ([]byte, error) {
	for waited := time.Duration(0); ; waited += debtLook {
		entry, err := p.entries.Read(uint64(index))
		switch {
		case err == nil:
			return entry.Data, nil
		case errors.Is(err, raftlog.ErrNoCommand):
			return nil, nil
		case !errors.Is(err, raftlog.ErrNotRetained):
			return nil, fmt.Errorf("reading entry %d: %w", index, err)
		}
		from, _, owed := p.entries.Debt()
		if !owed || uint64(index) < from {
			return nil, errGone
		}
		if waited >= debtWait {
			return nil, fmt.Errorf("%w: entry %d", ErrInDebt, index)
		}
		timer, stop := p.options.Clock.TimerAt(p.now().Add(debtLook))
		select {
		case <-timer:
		case <-p.closing:
			stop()
			return nil, ErrUnavailable
		}
		stop()
	}
}
