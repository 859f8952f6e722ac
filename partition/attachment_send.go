package partition

import (
	"time"
)

// What is granted goes out here, delivery by delivery, and a parked session gets hints.

func (a *Attachment) push(g Grant, read time.Time) {
	a.mu.Lock()
	a.mu.grants = append(a.mu.grants, granted{g, read})
	a.mu.Unlock()
	a.poke()
}

func (a *Attachment) poke() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// run sends what the session is granted, until the attachment ends.
func (a *Attachment) run(attached Attached) {
	defer close(a.joined)
	if err := a.outlet.Attached(attached); err != nil {
		a.finish(err)
		return
	}
	hints := hinter{a: a}
	told := uint64(0)
	for {
		grants, credits, parked := a.next()
		for i := range grants {
			if err := a.send(&grants[i]); err != nil {
				a.finish(err)
				return
			}
		}
		if credits != told {
			if err := a.outlet.Credited(credits); err != nil {
				a.finish(err)
				return
			}
			told, hints.ready = credits, false // who is parked anew is told anew
			continue
		}
		if len(grants) > 0 {
			continue
		}
		if err := hints.wait(parked); err != nil {
			a.finish(err)
			return
		}
		select {
		case <-a.ended:
			return
		default:
		}
	}
}

// next takes what is to be sent. What was granted before a Credit was carried out is among it, or has been before: the carrier goes by the log's order,
// and leases are granted at an entry's end.
func (a *Attachment) next() (grants []granted, credits uint64, parked bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	grants, a.mu.grants = a.mu.grants, nil
	return grants, a.mu.credits, a.mu.parked
}

// send delivers one grant.
func (a *Attachment) send(g *granted) error {
	select {
	case <-a.ended:
		return nil
	default:
	}
	began := a.p.now()
	d, stored, err := a.p.pack(&g.grant)
	if err != nil {
		return err
	}
	if len(d.Runs) == 0 {
		return nil // the lease was over before it could be sent
	}
	d.Stamp = a.stampBefore(g.read)
	events, bytes := d.size() // the outlet may use the blocks' memory again as soon as it has them
	err = a.outlet.Deliver(d)
	a.p.delivered(a.cursor.Subscription, events, bytes, began, stored)
	return err
}

// hinter tells a parked session about events.
type hinter struct {
	a     *Attachment
	ready bool
}

const hintEvery = time.Second

// wait waits until the attachment's state changes; for a parked session, also until a hint is due, which it then sends.
func (h *hinter) wait(parked bool) error {
	a := h.a
	if !parked {
		h.ready = false
		select {
		case <-a.changed:
		case <-a.ended:
		}
		return nil
	}
	var woken <-chan struct{}
	if !h.ready { // who has been told waits for the timer alone, and mustn't be woken in another's place
		one := a.p.ready.join(a.cursor)
		defer a.p.ready.leave(a.cursor, one)
		woken = one.woken
	}
	if ready := a.p.isReady(a.cursor); ready != h.ready {
		h.ready = ready
		return a.outlet.Hint(ready)
	}
	timer, stop := a.p.options.Clock.TimerAt(a.p.now().Add(hintEvery))
	defer stop()
	select {
	case <-a.changed:
	case <-a.ended:
	case <-woken:
		// Others may wait for the same event, and this session takes none.
		a.p.ready.wake(a.cursor, 1)
	case <-timer:
		if h.ready && a.p.readyCount(a.cursor) > 0 {
			return a.outlet.Hint(true)
		}
	}
	return nil
}
