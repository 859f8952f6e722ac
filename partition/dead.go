package partition

import (
	"context"
	"fmt"
	"time"

	"github.com/freshet-mq/freshet/matcher"
	"github.com/freshet-mq/freshet/proto/block"
)

// DeadLetter is an event that a subscription gave up.
type DeadLetter struct {
	Offset   Offset
	Reason   DeadReason
	Detail   string
	Attempts uint16
	Died     time.Time
	// Block holds the event alone.
	Block []byte
}

// DeadFilter says which dead letters of a cursor are meant. The zero value means all of them.
type DeadFilter struct {
	Cursor CursorID
	// From is the lowest offset.
	From Offset
	// Runs, ascending and at most RedriveMax, are the offsets that are meant; none: all.
	Runs []Run
	// Reason that they must have; 0: any.
	Reason DeadReason
	// Pattern that the event must match; nil: any.
	Pattern *matcher.Pattern
	// Key that the event must have; empty: any.
	Key string
}

// readsEvents tells whether the filter needs more than the machine knows.
func (f *DeadFilter) readsEvents() bool { return f.Pattern != nil || f.Key != "" }

// deadReadsMax is how many events are read to answer one call, and deadLooksMax how many letters are looked at without that. A filter that
// few of them pass is answered with what was found, and where to go on.
const (
	deadReadsMax = 256
	deadLooksMax = 10_000
)

// DeadPage is a part of a list of dead letters.
type DeadPage struct {
	Letters []DeadLetter
	// More tells that there may be others, from Next on.
	More bool
	Next Offset
}

// DeadLetters lists dead letters in the order of their offsets, at most so many.
func (p *Partition) DeadLetters(ctx context.Context, f DeadFilter, limit int) (DeadPage, error) {
	return p.deadLetters(ctx, f, limit, true)
}

// deadLetters is DeadLetters; without events it only says which they are.
func (p *Partition) deadLetters(ctx context.Context, f DeadFilter, limit int, events bool) (DeadPage, error) {
	stream, page, err := p.deadLooked(f, min(limit, deadLooksMax))
	if err != nil {
		return DeadPage{}, err
	}
	reader := deadReader{p: p, stream: stream}
	found := page.Letters[:0]
	for i := range page.Letters {
		l := &page.Letters[i]
		if err := ctx.Err(); err != nil {
			return DeadPage{}, err
		}
		if err := reader.read(l); err != nil {
			return DeadPage{}, err
		}
		ok, err := reader.passes(&f, l)
		if err != nil {
			return DeadPage{}, err
		}
		if !ok || !events {
			l.Block = nil // they may be large, and many
		}
		if !ok {
			continue
		}
		if found = append(found, *l); len(found) == limit && i+1 < len(page.Letters) {
			page.More, page.Next = true, page.Letters[i+1].Offset
			break
		}
	}
	page.Letters = found
	return page, nil
}

// deadLooked lists, without their events, the letters that pass the filter as far as the machine knows: limit of them, or as many as may
// be read when the rest of the filter is about what they say.
func (p *Partition) deadLooked(f DeadFilter, limit int) (stream StreamID, page DeadPage, err error) {
	if f.readsEvents() {
		limit = deadReadsMax
	}
	err = &RefusedError{Refusal: RefusedSubscription}
	p.replica.look(func(m *Machine) {
		c := m.find(f.Cursor)
		if c == nil {
			return
		}
		stream, err = c.subscription.stream.id, nil
		pick := picking{sec: &redriveSection{Reason: f.Reason, From: f.From, Runs: f.Runs, Max: uint32(limit)}, looksMax: deadLooksMax}
		pick.pick(c)
		page.More, page.Next = pick.more, pick.next
		for _, d := range pick.picked {
			page.Letters = append(page.Letters, DeadLetter{
				Offset: d.offset, Reason: d.reason, Detail: d.detail, Attempts: d.attempts, Died: time.UnixMilli(int64(d.died)),
			})
		}
	})
	return stream, page, err
}

// deadReader reads dead letters' events.
type deadReader struct {
	p      *Partition
	stream StreamID
	block  block.Reader
}

func (r *deadReader) read(l *DeadLetter) error {
	d, _, err := r.p.pack(&Grant{Stream: r.stream, Runs: []EventRun{{Run: Run{l.Offset, 1}}}})
	if err == nil && len(d.Blocks) == 1 {
		l.Block = d.Blocks[0]
	}
	return err
}

// passes tells whether a letter's event passes what the filter says of events.
func (r *deadReader) passes(f *DeadFilter, l *DeadLetter) (bool, error) {
	if !f.readsEvents() {
		return true, nil
	}
	if l.Block == nil {
		return false, nil
	}
	b, err := block.Open(l.Block)
	if err != nil {
		return false, fmt.Errorf("dead letter at offset %d: %w", l.Offset, err)
	}
	r.block.Reset(&b)
	if !r.block.Next() {
		return false, fmt.Errorf("dead letter at offset %d: %w", l.Offset, r.block.Err())
	}
	v := r.block.View()
	if f.Key != "" && string(v.Key()) != f.Key {
		return false, nil
	}
	return f.Pattern.Match(matcherEvent(v, nil)), nil
}

// RedriveCommand makes dead letters ready again.
type RedriveCommand struct {
	DeadFilter
	// Max is how many at most, 1 to RedriveMax.
	Max int
	// DryRun: only count them.
	DryRun bool
}

// Redriven is what a RedriveCommand did.
type Redriven struct {
	Events int
	// More tells that there may be others, from Next on.
	More bool
	Next Offset
	// Planned are the offsets that a dry run counted.
	Planned []Run
}

// Redrive makes dead letters ready again, in the order of their offsets and with their attempts anew, as many as one entry takes: whoever
// wants more goes on at Next. What another has redriven meanwhile isn't counted.
func (p *Partition) Redrive(ctx context.Context, c RedriveCommand) (Redriven, error) {
	sec := redriveSection{Cursor: c.Cursor, Reason: c.Reason, From: c.From, Runs: c.Runs, Max: uint32(c.Max)}
	var page DeadPage
	var err error
	switch {
	case c.readsEvents():
		if page, err = p.deadLetters(ctx, c.DeadFilter, c.Max, false); err == nil {
			sec.Runs = runsOf(page.Letters)
		}
	case c.DryRun:
		_, page, err = p.deadLooked(c.DeadFilter, c.Max)
	}
	switch {
	case err != nil:
		return Redriven{}, err
	case c.DryRun, c.readsEvents() && len(page.Letters) == 0: // no runs would stand for all
		return Redriven{Events: len(page.Letters), More: page.More, Next: page.Next, Planned: runsOf(page.Letters)}, nil
	}
	res, err := p.control(ctx, sec)
	if c.readsEvents() {
		res.More, res.Next = page.More, page.Next
	}
	return Redriven{Events: int(res.Redriven), More: res.More, Next: res.Next}, err
}

func runsOf(letters []DeadLetter) (runs []Run) {
	for i := range letters {
		runs = joinRun(runs, Run{letters[i].Offset, 1})
	}
	return runs
}
