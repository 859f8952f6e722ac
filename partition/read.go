package partition

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"time"

	"github.com/freshet-mq/freshet/raftlog"
)

// Stored is a block as the log has it.
type Stored struct {
	First    Offset
	Count    uint32
	StoredAt time.Time
	// Block in the format of proto/block. It is the log's, and mustn't be changed.
	Block []byte
}

// Head returns the offset of the next event of a stream.
func (p *Partition) Head(id StreamID) (head Offset, err error) {
	err = p.stream(id, func(st *stream) { head = st.next })
	return head, err
}

// Held returns the offset of the first event that can still be read.
func (p *Partition) Held(id StreamID) (held Offset, err error) {
	err = p.stream(id, func(st *stream) { held = st.held() })
	return held, err
}

// OffsetAt returns the offset of the first event that was stored at a time or later, or the head.
func (p *Partition) OffsetAt(id StreamID, at time.Time) (offset Offset, err error) {
	wall := Wall(at.UnixMilli())
	err = p.stream(id, func(st *stream) {
		offset = st.next
		if i := sort.Search(len(st.blocks), func(i int) bool { return st.blocks[i].stored >= wall }); i < len(st.blocks) {
			offset = st.blocks[i].first
		}
	})
	return offset, err
}

// stream looks at a stream.
func (p *Partition) stream(id StreamID, f func(*stream)) error {
	var found bool
	p.replica.look(func(m *Machine) {
		if st := m.streams[id]; st != nil {
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
		var ref blockRef
		find := func() bool {
			found := false
			p.replica.look(func(m *Machine) {
				if st := m.streams[id]; st != nil {
					if i := st.blockAt(from); i < len(st.blocks) {
						ref, found = st.blocks[i], true
					}
				}
			})
			return found
		}
		if !find() {
			if err := p.stream(id, func(*stream) {}); err != nil {
				return Stored{}, err
			}
			if !follow {
				return Stored{}, io.EOF
			}
			if err := p.appended.wait(ctx, p.closing, id, find); err != nil {
				return Stored{}, err
			}
			continue
		}
		b, err := p.load(&ref)
		switch {
		case errors.Is(err, raftlog.ErrNotRetained):
			from = ref.end() // it went while we looked: a gap like any other
			continue
		case err != nil:
			return Stored{}, fmt.Errorf("reading offset %d: %w", from, err)
		}
		return Stored{
			First: ref.first, Count: ref.count, StoredAt: time.UnixMilli(int64(ref.stored)), Block: b.Bytes(),
		}, nil
	}
}
