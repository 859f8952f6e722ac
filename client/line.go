package client

// line is the events of one key that a consumer of an ordered queue has: one at a time is waiting for a handler or has one, the head; the others
// are behind it, in the order in which they came.
//
//	arrive ──▶ no line ──▶ head ──▶ handler ──▶ acked, rejected ──▶ the next behind is the head
//	       ──▶ behind ─────────────────▶ one is released, or too late ──▶ those behind are given back, the line is broken
//	       ──▶ broken ──▶ behind ──▶ the node has confirmed ──▶ what was leased after that goes on, the rest is given back
//
// The node takes what is behind back with the one that fails, also what is on its way here, and all of it comes again in its order. What was leased before
// tells its epoch, which is the index of an entry in the node's log: it is lower than that of the entry in which the failure was stored.
type line struct {
	head   *Delivery
	behind []*Delivery
	// failing is how many of its events were released, and the node hasn't confirmed it yet: nothing is begun meanwhile.
	failing int
	// epoch: what was leased before is given back. It is remembered until something that was leased later has arrived, whatever its key: deliveries
	// come in the order of their epochs.
	epoch uint64
}

// lineOf finds an event's line; nil when its queue isn't ordered, or it has no key. mu is held.
func (s *session) lineOf(d *Delivery) *line {
	if !s.mu.ordered || d.Event.Key == "" {
		return nil
	}
	return s.mu.lines[d.Event.Key]
}

// enqueue has an event wait for a handler, or behind the head of its line. mu is held.
func (s *session) enqueue(d *Delivery) {
	if !s.mu.ordered || d.Event.Key == "" {
		s.consumer.mu.waiting.add(d)
		return
	}
	k := d.Event.Key
	l := s.mu.lines[k]
	if l == nil {
		l = &line{}
		s.mu.lines[k] = l
	}
	if d.Epoch < l.epoch {
		s.decideWaiting(d)
		return
	}
	l.behind = append(l.behind, d)
	s.proceed(k, l)
}

// proceed makes the next of a line the head, when it can be, or forgets the line. mu is held.
func (s *session) proceed(k string, l *line) {
	for l.head == nil && l.failing == 0 && len(l.behind) > 0 {
		next := l.behind[0]
		l.behind = l.behind[1:]
		if next.lease.state == leaseHeld && !next.lease.expired {
			l.head = next
			s.consumer.mu.waiting.add(next)
		}
	}
	if l.head != nil || l.failing > 0 || len(l.behind) > 0 {
		return
	}
	if l.epoch <= s.mu.epoch {
		delete(s.mu.lines, k)
	} else {
		s.mu.remembered = append(s.mu.remembered, k)
	}
}

// passOn has the next of a line wait for a handler: its head is done with. mu is held.
func (s *session) passOn(head *Delivery) {
	if l := s.lineOf(head); l != nil && l.head == head {
		l.head = nil
		s.proceed(head.Event.Key, l)
	}
}

// breakLine has nothing of a line begun before the node has confirmed that an event of it was released: what comes meanwhile may go back with it.
// mu is held.
func (s *session) breakLine(d *Delivery) {
	if l := s.lineOf(d); l != nil && !d.lease.breaks {
		d.lease.breaks = true
		l.failing++
	}
}

// giveBackBehind gives back what is behind an event that fails: nobody has begun it. mu is held.
func (s *session) giveBackBehind(failed *Delivery) {
	l := s.lineOf(failed)
	if l == nil {
		return
	}
	behind := l.behind
	l.behind = nil
	for _, d := range behind {
		s.decideWaiting(d)
	}
}

// settledInLine lets a line go on, once the node has said what became of an event that broke it. err is nil when that took effect, in the entry of the
// epoch. Otherwise the lease was over: that what goes back with another is told so is no news, but if it was begun, or was given back because it had run
// out, it went with those behind it, also with those that were on their way here.
// mu is held.
func (s *session) settledInLine(d *Delivery, epoch uint64, err error) {
	l := s.lineOf(d)
	if l == nil || err == nil && !d.lease.breaks {
		return
	}
	if err == nil || !d.lease.decision().unstarted || d.lease.expired {
		l.epoch = max(l.epoch, epoch)
	}
	s.mend(d, l)
	if l.failing == 0 {
		s.sortLine(d.Event.Key, l)
	}
}

// mend takes back that an event breaks its line. mu is held.
func (s *session) mend(d *Delivery, l *line) {
	if d.lease.breaks {
		d.lease.breaks = false
		l.failing--
	}
}

// sortLine gives back what is over of what is behind, and goes on with the rest. mu is held.
func (s *session) sortLine(k string, l *line) {
	behind := l.behind
	l.behind = nil
	for _, d := range behind {
		if d.Epoch < l.epoch || s.consumer.mu.phase != consuming || s.consumer.mu.parked {
			s.decideWaiting(d)
		} else {
			l.behind = append(l.behind, d)
		}
	}
	before := s.consumer.mu.waiting.len()
	s.proceed(k, l)
	if s.consumer.mu.waiting.len() > before {
		s.consumer.employ()
	}
}

// arrivedAt forgets lines that were remembered for what was leased before: nothing of that can come any more. mu is held.
func (s *session) arrivedAt(epoch uint64) {
	if epoch <= s.mu.epoch {
		return
	}
	s.mu.epoch = epoch
	kept := s.mu.remembered[:0]
	for _, k := range s.mu.remembered {
		l := s.mu.lines[k]
		switch {
		case l == nil || l.head != nil || l.failing > 0 || len(l.behind) > 0: // it goes on, and is looked at when it ends
		case l.epoch <= epoch:
			delete(s.mu.lines, k)
		default:
			kept = append(kept, k)
		}
	}
	s.mu.remembered = kept
}

// mendLines lets lines go on in a session that was taken up again: what was lost meanwhile is known. mu is held.
func (s *session) mendLines() {
	for k, l := range s.mu.lines {
		if l.failing == 0 && l.head == nil {
			s.sortLine(k, l)
		}
	}
}

// loseLines forgets the lines of a session that is over. Where a handler still has an event, what comes in the next session waits behind it. mu is held.
func (s *session) loseLines() {
	s.mu.epoch, s.mu.remembered = 0, nil
	for k, l := range s.mu.lines {
		l.behind, l.failing, l.epoch = nil, 0, 0
		if l.head == nil || l.head.lease.work != workRunning {
			delete(s.mu.lines, k)
		}
	}
}
