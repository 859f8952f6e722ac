package client

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
)

// eventSlot is the slot of an event that has a key or a dedup id. Looking is put off until a topic has several partitions.
type eventSlot struct {
	number uint16
	known  slotKnown
}

type slotKnown uint8

const (
	slotUnknown slotKnown = iota
	slotPlaced
	slotNone // the event may go to any partition
)

// of looks what an event's slot is. nil stands for one that has neither.
func (s *eventSlot) of(e *block.Event) {
	if s.known != slotUnknown {
		return
	}
	if e == nil {
		s.known = slotNone
		return
	}
	var dedup block.DedupHash
	hash := block.HashKey(e.Key)
	if hash == 0 {
		dedup = block.HashDedupID(e.DedupID)
	}
	s.known = slotNone
	if slot, placed := block.SlotOf(hash, dedup); placed {
		s.number, s.known = slot, slotPlaced
	}
}

const (
	// filledBytes is the size of a block that is worth an entry of its own in the partition's log.
	filledBytes = 16 << 10
	// fillsLasts is for how long a producer that has made such a block takes turns of its own, so that it has blocks under way on all partitions at once.
	// Another follows block.Turn: its events share entries with those of other producers.
	fillsLasts = time.Second
	// stickyLasts is for how long such a producer's events without a slot go to one partition at least, unless a block's worth of them comes sooner. Taking
	// turns event by event would make many small blocks.
	stickyLasts = 5 * time.Millisecond
)

// places is a producer's partitions, and which is to get what. Producer.mu guards it.
type places struct {
	// lines have a sender for each partition of the route that has had an event, in the route's order. None while the route isn't known.
	lines []*sender
	// unplaced waits until the route is known, or while slots move.
	unplaced gathering
	// sticky is the line that events without a slot go to, since when.
	sticky      int
	stickySince time.Time
	// filled is when a block was last made, or full, that is worth an entry.
	filled time.Time
}

// place puts an event where it belongs. It returns the sender that has to look, nil if none has. mu is held.
func (p *Producer) place(w *pending) *sender {
	if len(p.mu.lines) == 0 || p.mu.moving != nil {
		w.sender = nil
		p.mu.unplaced.add(w, p.eventsMax())
		return nil
	}
	s := p.line(w)
	w.sender = s
	wake := s.mu.gathering.add(w, p.eventsMax())
	if w.slot.known == slotNone && s.mu.gathering.full(p.eventsMax()) {
		p.fills()
		p.turnSticky()
	}
	if wake {
		return s
	}
	return nil
}

// line returns the sender of an event's partition. mu is held.
func (p *Producer) line(w *pending) *sender {
	if len(p.mu.lines) == 1 {
		return p.lineAt(0)
	}
	if w.slot.of(w.record.more); w.slot.known == slotPlaced {
		return p.lineAt(int(p.mu.route.slots[w.slot.number]))
	}
	if s := p.mu.lines[p.mu.sticky]; s == nil || s.mu.gathering.events == 0 {
		p.followTurn()
	}
	if s := p.mu.lines[p.mu.sticky]; s != nil && s.mu.trouble != nil {
		p.turnSticky()
	}
	return p.lineAt(p.mu.sticky)
}

// lineAt returns a line's sender, which begins if it hasn't yet. mu is held.
func (p *Producer) lineAt(i int) *sender {
	if p.mu.lines[i] == nil {
		s := newSender(p, p.mu.route.partitions[i].number)
		p.mu.lines[i] = s
		p.senders.Go(s.run)
	}
	return p.mu.lines[i]
}

// turnSticky has events without a slot go to the next partition, and past those that are in trouble. mu is held.
func (p *Producer) turnSticky() {
	for range p.mu.lines {
		p.mu.sticky = (p.mu.sticky + 1) % len(p.mu.lines)
		if s := p.mu.lines[p.mu.sticky]; s == nil || s.mu.trouble == nil {
			break
		}
	}
	p.mu.stickySince = time.Now()
}

// followTurn has events without a slot go where everybody's go now, unless the producer fills blocks. mu is held.
func (p *Producer) followTurn() {
	if now := time.Now(); now.Sub(p.mu.filled) >= fillsLasts {
		p.mu.sticky = block.Turn(now, len(p.mu.lines))
	}
}

// fills notes that the producer fills blocks: from the next on it takes turns of its own, of which the first is anywhere. mu is held.
func (p *Producer) fills() {
	now := time.Now()
	if now.Sub(p.mu.filled) >= fillsLasts {
		p.mu.sticky, p.mu.stickySince = rand.IntN(len(p.mu.lines)), now //nolint:gosec // a choice that keeps no secret
	}
	p.mu.filled = now
}

// sealedAt notes that a block was made of so many bytes of a line's events: the next without a slot may go elsewhere. mu is held.
func (p *Producer) sealedAt(s *sender, bytes int) {
	if len(p.mu.lines) < 2 {
		return
	}
	if bytes >= filledBytes {
		p.fills()
	}
	if p.mu.lines[p.mu.sticky] == s && time.Since(p.mu.filled) < fillsLasts && time.Since(p.mu.stickySince) >= stickyLasts {
		p.turnSticky()
	}
}

// lay lays out lines for a route, with the senders that there are for its partitions, and places all that waits. It returns the senders of
// partitions that the topic isn't on any more. mu is held.
func (p *Producer) lay(to *route) (gone []*sender) {
	known := map[uint32]*sender{}
	var waiting []*pending
	for _, s := range p.mu.lines {
		if s != nil {
			known[s.partition] = s
			waiting = append(waiting, s.mu.gathering.takeAll()...)
		}
	}
	waiting = append(waiting, p.mu.unplaced.takeAll()...)
	slices.SortFunc(waiting, func(a, b *pending) int { return cmp.Compare(a.number, b.number) })

	p.mu.lines = make([]*sender, len(to.partitions))
	for i, partition := range to.partitions {
		p.mu.lines[i] = known[partition.number]
		delete(known, partition.number)
	}
	p.mu.route, p.mu.moving = to, nil
	p.mu.sticky, p.mu.stickySince = 0, time.Now()
	for _, w := range waiting {
		p.place(w)
	}
	for _, s := range known {
		gone = append(gone, s)
	}
	return gone
}

// pokeSenders has all senders look. mu is held.
func (p *Producer) pokeSenders() {
	for _, s := range p.mu.lines {
		if s != nil {
			poke(s.wake)
		}
	}
}
