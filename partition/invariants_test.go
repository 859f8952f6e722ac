package partition

import (
	"fmt"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
)

// checkInvariants recounts what the machine keeps books of, and asserts that no event is in two places at once (P2, P4).
func checkInvariants(m *Machine) error {
	leasedBy := map[*cursor]*roaring64.Bitmap{}
	events := map[*session]uint32{}
	bytes := map[*session]uint64{}
	var err error
	m.deadlines.Ascend(func(l *lease) bool {
		set := leasedBy[l.cursor]
		if set == nil {
			set = roaring64.New()
			leasedBy[l.cursor] = set
		}
		st := l.cursor.subscription.stream
		for _, r := range l.runs {
			for at := r.First; at < r.end(); at++ {
				if set.Contains(uint64(at)) {
					err = fmt.Errorf("P4: offset %d of cursor %v is under two leases", at, l.cursor.id())
				}
				set.Add(uint64(at))
				if l.session != nil {
					events[l.session]++
					bytes[l.session] += st.bytesOf(Run{at, 1})
				}
			}
			if r.Attempt == 0 || r.Attempt > l.cursor.subscription.AttemptsMax {
				err = fmt.Errorf("P7: offset %d is leased for attempt %d of %d", r.First, r.Attempt, l.cursor.subscription.AttemptsMax)
			}
		}
		if len(l.runs) == 0 {
			err = fmt.Errorf("lease %d holds nothing", l.id)
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, st := range m.streamOrder {
		next := Offset(0)
		for i, b := range st.blocks {
			if i > 0 && b.first != next {
				return fmt.Errorf("P1: block at %d follows one that ends at %d", b.first, next)
			}
			next = b.end()
		}
		if len(st.blocks) > 0 && next != st.next {
			return fmt.Errorf("P1: the last block ends at %d, the stream at %d", next, st.next)
		}
		for _, sub := range st.subscriptions {
			for _, c := range sub.cursors {
				if err := checkCursor(c, leasedBy[c]); err != nil {
					return fmt.Errorf("cursor %v: %w", c.id(), err)
				}
				for _, s := range c.sessions {
					if s.heldEvents != events[s] || s.heldBytes != bytes[s] {
						return fmt.Errorf("session %v is booked with %d events of %d bytes, and holds %d of %d",
							s.id, s.heldEvents, s.heldBytes, events[s], bytes[s])
					}
				}
			}
		}
	}
	return nil
}

func checkCursor(c *cursor, leased *roaring64.Bitmap) error {
	if leased == nil {
		leased = roaring64.New()
	}
	if c.leased != leased.GetCardinality() {
		return fmt.Errorf("%d events are booked as leased, %d are", c.leased, leased.GetCardinality())
	}
	held := leased.Clone()
	c.delayed.Ascend(func(d delayedEvent) bool {
		held.Add(uint64(d.offset))
		return true
	})
	if !held.Equals(c.held) {
		return fmt.Errorf("held is %v, leased or delayed is %v", c.held, held)
	}
	dead := roaring64.New()
	c.dead.Ascend(func(d deadLetter) bool {
		dead.Add(uint64(d.offset))
		return true
	})
	if c.ready.Intersects(c.held) || c.ready.Intersects(dead) || c.held.Intersects(dead) {
		return fmt.Errorf("an event is in two places: ready %v, held %v, dead %v", c.ready, c.held, dead)
	}
	if at, ok := c.oldest(); ok {
		if st := c.subscription.stream; at < st.held() {
			return fmt.Errorf("offset %d isn't settled, and the stream holds only %d and on", at, st.held())
		}
	}
	return nil
}
