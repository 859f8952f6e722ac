package partition

import (
	"errors"
	"fmt"
	"io"

	"github.com/freshet-mq/freshet/proto/block"
	"github.com/freshet-mq/freshet/raftlog"
)

// leg is a stretch of a stream's way through the log: from a place up to the next reference. All block sections of the stream that lie in it were
// stored (refs.go), so counting their events gives their offsets.
type leg struct {
	stream StreamID
	// first is the offset of the block at index and section, end that of the first event behind the leg.
	first, end Offset
	index      Index
	section    uint32
	// What is in it was stored between these times.
	since, until Wall
}

// errGone: the log has let go of what was asked for.
var errGone = fmt.Errorf("partition: %w", raftlog.ErrNotRetained)

// legAt finds the leg that has an offset, and begins it as close before that as is known. io.EOF: the offset is at the head, or beyond.
func (p *Partition) legAt(id StreamID, at Offset) (l leg, err error) {
	known := false
	p.replica.look(func(m *Machine) {
		st := m.streams[id]
		if st == nil || st.leaving {
			return
		}
		known = true
		l, err = st.legAt(at, m.wall)
	})
	switch {
	case !known:
		return l, &RefusedError{Refusal: RefusedStream}
	case err != nil:
		return l, err
	}
	if pl, ok := p.places.before(id, at); ok && pl.first > l.first {
		l.first, l.index, l.section, l.since = pl.first, pl.index, pl.section, pl.stored
	}
	return l, nil
}

func (st *stream) legAt(at Offset, now Wall) (leg, error) {
	if at >= st.next {
		return leg{}, io.EOF
	}
	i := st.refAt(at)
	if i < 0 {
		return leg{}, errGone
	}
	r := &st.refs[i]
	l := leg{stream: st.id, first: r.first, end: st.next, index: r.index, section: r.section, since: r.stored, until: now}
	if i+1 < len(st.refs) {
		l.end, l.until = st.refs[i+1].first, st.refs[i+1].stored
	}
	return l, nil
}

// errStop ends a walk early.
var errStop = errors.New("partition: enough")

// walk reads a leg and calls visit for each of its blocks that has an offset from from on, until visit returns an error: errStop for none. Block
// bytes are the log's, and mustn't be changed.
func (p *Partition) walk(l leg, from Offset, visit func(place, *block.Block) error) error {
	at := l.first
	for index := l.index; at < l.end; index++ {
		data, err := p.read(index)
		if err != nil {
			return err
		}
		if data == nil {
			continue // Raft's own
		}
		w := legWalk{l: &l, at: at, from: from, index: index, stored: l.since, visit: visit}
		switch err := w.entry(data); {
		case errors.Is(err, errStop):
			return nil
		case err != nil:
			return err
		}
		at = w.at
	}
	return nil
}

// legWalk walks one entry of a leg, and notes the places of what it comes by.
type legWalk struct {
	l        *leg
	at, from Offset
	index    Index
	stored   Wall
	visit    func(place, *block.Block) error
}

func (w *legWalk) entry(data []byte) error {
	position := uint32(0)
	for raw, err := range sections(data) {
		if err != nil {
			return fmt.Errorf("entry %d: %w", w.index, err)
		}
		err = w.section(raw, position)
		if err != nil {
			return err
		}
		if w.at >= w.l.end {
			return nil
		}
		position++
	}
	return nil
}

func (w *legWalk) section(raw rawSection, position uint32) error {
	switch raw.kind {
	case sectionClock:
		if c, err := decodeClock(raw.body); err == nil { // the machine doesn't believe every reading
			w.stored = max(w.l.since, min(c.Wall, w.l.until))
		}
		return nil
	case sectionBlock:
	default:
		return nil
	}
	if w.index == w.l.index && position < w.l.section {
		return nil
	}
	sec, err := decodeBlock(raw.body)
	if err != nil {
		return fmt.Errorf("entry %d: %w", w.index, err)
	}
	if sec.Stream != w.l.stream {
		return nil
	}
	b, err := block.Open(sec.Block)
	if err != nil {
		return fmt.Errorf("%w: entry %d, section %d: %w", ErrCorrupt, w.index, position, err)
	}
	pl := place{
		stream: w.l.stream, first: w.at, count: uint32(b.Len()), index: w.index, section: position, stored: w.stored,
	}
	w.at = pl.end()
	if pl.end() <= w.from {
		return nil
	}
	return w.visit(pl, &b)
}

// fetchFromLog reads the block that has an offset. errGone: the log has let go of it. io.EOF: there is none yet.
func (p *Partition) fetchFromLog(id StreamID, at Offset) (found place, b block.Block, err error) {
	l, err := p.legAt(id, at)
	if err != nil {
		return found, b, err
	}
	if pl, ok := p.places.before(id, at); ok && pl.has(at) {
		b, err = p.load(&pl)
		return pl, b, err
	}
	err = p.walk(l, at, func(pl place, read *block.Block) error {
		found, b = pl, *read
		return errStop
	})
	switch {
	case err != nil:
		return found, b, err
	case !found.has(at):
		return found, b, fmt.Errorf("%w: offset %d isn't in its leg of the log, from %d on", ErrCorrupt, at, l.first)
	}
	p.places.note(found)
	return found, b, nil
}

// load reads a block whose place is known. The bytes are the log's, and mustn't be changed.
func (p *Partition) load(pl *place) (block.Block, error) {
	data, err := p.read(pl.index)
	if err != nil {
		return block.Block{}, err
	}
	position := uint32(0)
	for raw, err := range sections(data) {
		if err != nil {
			return block.Block{}, fmt.Errorf("entry %d: %w", pl.index, err)
		}
		if position != pl.section {
			position++
			continue
		}
		if raw.kind != sectionBlock {
			return block.Block{}, fmt.Errorf("%w: section %d of entry %d is %v, expected a block", ErrCorrupt, position, pl.index, raw.kind)
		}
		sec, err := decodeBlock(raw.body)
		if err != nil {
			return block.Block{}, err
		}
		return block.Open(sec.Block)
	}
	return block.Block{}, fmt.Errorf("%w: entry %d has no section %d", ErrCorrupt, pl.index, pl.section)
}

// afterGap returns the first offset behind one that is gone that may still be there.
func (p *Partition) afterGap(id StreamID, gone Offset) (at Offset) {
	p.replica.look(func(m *Machine) {
		if st := m.streams[id]; st != nil {
			if at = st.next; st.refAt(gone)+1 < len(st.refs) {
				at = st.refs[st.refAt(gone)+1].first
			}
			if a, ok := st.nextAside(gone + 1); ok {
				at = min(at, a)
			}
		}
	})
	return at
}
