package partition

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/freshet-mq/freshet/matcher"
	"github.com/freshet-mq/freshet/proto/block"
)

// stretch is a part of the log that is to be read for a far cursor.
type stretch struct {
	cursor CursorID
	stream StreamID
	// from is the cursor's frontier, limit where it needs no more.
	from, limit Offset
	// events to look for. strict: not one more, and with their keys.
	events int
	strict bool
	// patterns that were in force, the oldest first: each for the events before an offset, the last for all behind.
	patterns []pastPattern
}

// stretchOf says what to read for a cursor; false when it isn't far, isn't there, or has enough.
func (p *Partition) stretchOf(id CursorID, events uint32) (s stretch, far bool) {
	waited := p.ready.waiting(id)
	p.replica.look(func(m *Machine) {
		c := m.find(id)
		if c == nil || c.reach == reachNear {
			return
		}
		appetite := m.appetite(c)
		if appetite == 0 && (c.assignable() > 0 || !waited) {
			return // what was asked for has come meanwhile
		}
		events = max(events, appetite)
		if c.order != nil { // whoever waits, waits for events of which most may be of keys that are held
			events = uint32(min(max(uint64(events), turnEvents), m.lookAhead(c)))
			if events == 0 {
				return
			}
		}
		sub, st := c.subscription, c.subscription.stream
		s = stretch{cursor: id, stream: st.id, from: c.frontier, limit: st.next, events: int(min(events, fillEventsMax)), strict: c.order != nil}
		if c.reach == reachClosing {
			s.limit = c.resume
		}
		s.patterns = append(append(s.patterns, sub.past...), pastPattern{until: st.next, pattern: sub.Pattern})
		far = true
	})
	return s, far
}

// stretcher reads stretches. What it holds is used again for each.
type stretcher struct {
	events  matchable
	matches matcher.Matches
	words   []uint64
	classes []sizeClass

	// compiled is the pattern that was needed last: a cursor's stretches mostly have one.
	compiled matcher.Set
	pattern  string
}

// read reads a stretch and matches its events again: a fill up to where enough was found or read.
func (st *stretcher) read(ctx context.Context, p *Partition, s stretch) (fillSection, error) {
	out := fillSection{Cursor: s.cursor, From: s.from, To: s.from}
	found, bytes := 0, 0
	for out.To < s.limit && found < s.events && bytes < fillReadBytes {
		l, err := p.legAt(s.stream, out.To)
		if err != nil {
			return out, s.explain(out.To, err)
		}
		err = p.walk(l, out.To, func(pl place, b *block.Block) error {
			if ctx.Err() != nil || out.To >= s.limit || found >= s.events || bytes >= fillReadBytes {
				return errStop
			}
			room := fillEventsMax
			if s.strict {
				room = s.events
			}
			n, err := st.add(&out, &s, pl, b, room-found)
			if errors.Is(err, errStop) {
				found = s.events // the next block's don't fit any more
				return err
			}
			if err != nil {
				return fmt.Errorf("matching offset %d: %w", pl.first, err)
			}
			p.places.note(pl)
			found, bytes = found+n, bytes+len(b.Bytes())
			return nil
		})
		if err != nil {
			return out, s.explain(out.To, err)
		}
		if err := ctx.Err(); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (s *stretch) explain(at Offset, err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: offset %d is at the stream's head, and the frontier was %d of %d", ErrCorrupt, at, s.from, s.limit)
	}
	return fmt.Errorf("reading offset %d: %w", at, err)
}

// add takes a block's matching events from the fill's end on, and says how many that were; errStop: they are more than there is room for.
func (st *stretcher) add(out *fillSection, s *stretch, pl place, b *block.Block, room int) (n int, err error) {
	words, err := st.match(s.patternAt(pl.first), b)
	if err != nil {
		return 0, err
	}
	from, to := int(out.To-pl.first), int(min(s.limit, pl.end())-pl.first)
	st.classes = sizesOf(st.classes[:0], b)
	before := len(out.Runs)
	add := func(at, count int) {
		end := min(at+count, to)
		if at = max(at, from); at >= end {
			return
		}
		if s.strict && end-at > room-n {
			end = at + room - n
			if to = end; at == end {
				return
			}
		}
		classes := st.classes
		if len(classes) > 1 {
			classes = classes[at:end]
		}
		r := sizedRun{Run: Run{pl.first + Offset(at), uint32(end - at)}, Classes: uniform(classes)}
		for i := at; s.strict && b.HasKeys() && i < end; i++ {
			r.Keys = append(r.Keys, b.KeyHash(i))
		}
		out.Runs = append(out.Runs, r)
		n += end - at
	}
	if words == nil {
		add(from, to-from)
	} else {
		eachRow(words, add)
	}
	if n > room {
		out.Runs = out.Runs[:before]
		return 0, errStop
	}
	out.To = pl.first + Offset(to)
	return n, nil
}

// uniform copies size classes, or just one when all are the same.
func uniform(classes []sizeClass) []sizeClass {
	for _, c := range classes[1:] {
		if c != classes[0] {
			return append([]sizeClass(nil), classes...)
		}
	}
	return append([]sizeClass(nil), classes[0])
}

// patternAt returns the pattern that was in force when an offset was stored (P3). No block has events on both sides of a change.
func (s *stretch) patternAt(at Offset) string {
	for _, p := range s.patterns {
		if at < p.until {
			return p.pattern
		}
	}
	return s.patterns[len(s.patterns)-1].pattern
}

// match finds a block's matching events: a bit for each; nil for all.
func (st *stretcher) match(pattern string, b *block.Block) ([]uint64, error) {
	if pattern == "" {
		return nil, nil
	}
	if st.compiled == nil || st.pattern != pattern {
		parsed, err := matcher.Parse([]byte(pattern))
		if err != nil {
			return nil, err
		}
		set := matcher.NewSet()
		if err := set.Add(1, parsed); err != nil {
			return nil, err
		}
		st.compiled, st.pattern = set, pattern
	}
	events, err := st.events.load(b)
	if err != nil {
		return nil, err
	}
	st.compiled.Snapshot().MatchBlock(events, &st.matches)
	n := (b.Len() + 63) / 64
	if cap(st.words) < n {
		st.words = make([]uint64, n)
	}
	st.words = st.words[:n]
	clear(st.words)
	for _, m := range st.matches.Rules() {
		if m.Words != nil {
			copy(st.words, m.Words)
			continue
		}
		return nil, nil // all
	}
	return st.words, nil
}
