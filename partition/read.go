package partition

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
)

// Stored is a block as the log has it.
type Stored struct {
	First    Offset
	Count    uint32
	StoredAt time.Time
	// Block in the format of proto/block. It is the log's, and mustn't be changed.
	Block []byte
	// Repeats are the positions of events that repeat another by their dedup ids, ascending: in the log, and nobody's.
	Repeats []uint32
}

// Head returns the offset of the next event of a stream.
func (p *Partition) Head(id StreamID) (head Offset, err error) {
	err = p.stream(id, func(st *stream) { head = st.next })
	return head, err
}

// Held returns the offset of the first event that can still be read: whatever the log has yet, but for what a retention has dropped.
func (p *Partition) Held(id StreamID) (held Offset, err error) {
	from := Index(p.group.Usage().First)
	err = p.stream(id, func(st *stream) {
		held = st.next
		if i := sort.Search(len(st.refs), func(i int) bool { return st.refs[i].index >= from }); i < len(st.refs) {
			held = st.refs[i].first
		}
		held = max(held, st.dropped)
	})
	return held, err
}

// OffsetAt returns the offset of the first event that was stored at a time or later, or the head.
func (p *Partition) OffsetAt(id StreamID, at time.Time) (offset Offset, err error) {
	wall := Wall(at.UnixMilli())
	before := -1 // the reference behind which it lies
	var l leg
	err = p.stream(id, func(st *stream) {
		offset = st.next
		i := sort.Search(len(st.refs), func(i int) bool { return st.refs[i].stored >= wall })
		if i < len(st.refs) {
			offset = st.refs[i].first
		}
		if before = i - 1; before >= 0 {
			l, _ = st.legAt(st.refs[before].first, wall) // a reference that is there has a leg
		}
	})
	if err != nil || before < 0 {
		return offset, err
	}
	err = p.walk(l, l.first, func(pl place, _ *block.Block) error {
		if pl.stored < wall {
			return nil
		}
		offset = pl.first
		return errStop
	})
	if errors.Is(err, errGone) {
		return offset, nil
	}
	return offset, err
}

// stream looks at a stream.
func (p *Partition) stream(id StreamID, f func(*stream)) error {
	var found bool
	p.replica.look(func(m *Machine) {
		if st := m.streams[id]; st != nil && !st.leaving {
			found = true
			f(st)
		}
	})
	if !found {
		return &RefusedError{Refusal: RefusedStream}
	}
	return nil
}

// Next returns the block that holds the offset, or the first one behind it: a First above from is a gap in what the log still
// has. At the head it waits when it follows, and otherwise returns io.EOF. It has no side effects: nothing is leased, and
// nothing is kept for the reader.
func (p *Partition) Next(ctx context.Context, id StreamID, from Offset, follow bool) (Stored, error) {
	for {
		pl, b, err := p.fetch(id, from)
		switch {
		case errors.Is(err, io.EOF) && follow:
			there := func() bool {
				head, err := p.Head(id)
				return err != nil || head > from
			}
			if err := p.appended.wait(ctx, p.closing, id, there); err != nil {
				return Stored{}, err
			}
		case errors.Is(err, io.EOF):
			return Stored{}, io.EOF
		case errors.Is(err, errGone):
			from = p.afterGap(id, from)
		case err != nil:
			return Stored{}, fmt.Errorf("reading offset %d: %w", from, err)
		default:
			return Stored{
				First: pl.first, Count: pl.count, StoredAt: time.UnixMilli(int64(pl.stored)), Block: b.Bytes(),
				Repeats: p.repeatsIn(id, runOf(pl.first, pl.first+Offset(pl.count))),
			}, nil
		}
	}
}

// repeatsIn returns which events of a run repeat another, counted from its first.
func (p *Partition) repeatsIn(id StreamID, r Run) (positions []uint32) {
	p.replica.look(func(m *Machine) {
		if st := m.streams[id]; st != nil && st.repeats != nil {
			it := st.repeats.Iterator()
			for it.AdvanceIfNeeded(uint64(r.First)); it.HasNext() && it.PeekNext() < uint64(r.end()); {
				positions = append(positions, uint32(it.Next()-uint64(r.First)))
			}
		}
	})
	return positions
}
