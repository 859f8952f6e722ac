package partition

import (
	"fmt"
	"slices"

	"github.com/freshet-mq/freshet/proto/block"
)

// fill does what the leader does for a cursor that is far: it brings it a stretch of the log, or one that isn't for its frontier.
func (w *walk) fill(l *ledger) {
	c := w.m.find(l.id)
	if c == nil || c.reach == reachNear {
		return
	}
	limit := c.subscription.stream.next
	if c.reach == reachClosing {
		limit = c.resume
	}
	sec := fillSection{Cursor: l.id, From: c.frontier}
	if sec.To = limit; w.rng.IntN(2) == 0 {
		sec.To = c.frontier + Offset(w.rng.Uint64N(uint64(limit-c.frontier)+1))
	}
	stale := false
	switch w.rng.IntN(12) {
	case 0:
		stale, sec.From = sec.To > sec.From, sec.From+1
	case 1:
		stale, sec.To = true, c.subscription.stream.next+1_000
	}
	room := w.m.lookAhead(c)
	for at := sec.From; at < min(sec.To, l.stream.next); at++ {
		// The leader matches what the log has, repeats as well.
		if !l.wanted[at] && (!l.stream.repeated[at] || l.selective && !l.stream.selected[at]) {
			continue
		}
		if room == 0 {
			sec.To = at
			break
		}
		room--
		if l.ordered {
			r := sizedRun{Run: Run{at, 1}, Classes: []sizeClass{l.stream.sizes[at]}, Keys: []uint64{0}}
			if key := l.stream.keys[at]; key != "" {
				r.Keys[0] = block.HashKey(key)
			}
			sec.Runs = append(sec.Runs, r)
			continue
		}
		if n := len(sec.Runs); n > 0 && sec.Runs[n-1].end() == at {
			sec.Runs[n-1].Count++
			sec.Runs[n-1].Classes = append(sec.Runs[n-1].Classes, l.stream.sizes[at])
			continue
		}
		sec.Runs = append(sec.Runs, sizedRun{Run: Run{at, 1}, Classes: []sizeClass{l.stream.sizes[at]}})
	}
	if sec.To < sec.From {
		return
	}
	w.add(sec, func(r Result) error {
		if stale && r.Refused != RefusedFrontier && (!l.ordered || r.Refused != RefusedTooMany) && r.First < sec.To {
			return fmt.Errorf("P2: a fill from %d to %d of %v is answered %v", sec.From, sec.To, l.id, r)
		}
		return nil
	})
}

func (w *walk) take() {
	l := w.ledgers[w.rng.IntN(len(w.ledgers))]
	sec := takeSection{Cursor: l.id, Events: 1 + w.rng.Uint32N(3), Bytes: 400, Visibility: Tick(w.rng.IntN(2)) * 2_000}
	w.add(sec, func(r Result) error {
		if r.Refused == RefusedLeaving {
			return nil
		}
		l.begun(w.m)
		for _, run := range r.Taken.Runs {
			for at := run.First; at < run.end(); at++ {
				w.receipts = append(w.receipts, Receipt{l.id, at, r.Taken.Epoch})
			}
			if err := l.granted(w.m, run, hold{epoch: r.Taken.Epoch, until: w.m.clock + r.Taken.Visibility}); err != nil {
				return err
			}
		}
		return nil
	})
}

// remove removes a member, or a subscription and makes it anew once it is gone.
func (w *walk) remove() error {
	l := w.ledgers[w.rng.IntN(len(w.ledgers))]
	st := l.stream
	w.add(removeSection{Stream: st.id, Subscription: l.id.Subscription, Member: l.id.Member}, nil)
	if l.id.Member != "" {
		return w.apply(0)
	}
	st.version++
	for again := true; again; {
		if err := w.apply(0); err != nil {
			return err
		}
		w.add(subscriptionSection{w.configs[l.id.Subscription]}, func(r Result) error {
			if again = r.Refused == RefusedLeaving; !again {
				l.begun(w.m)
			}
			return nil
		})
		st.version++
		if err := w.apply(0); err != nil {
			return err
		}
	}
	return nil
}

// gone notes that a cursor has left: whoever comes now finds another one.
func (w *walk) gone(id CursorID) {
	l := w.ledger(id)
	ordered := l.ordered
	*l = *newLedger(id, l.stream, l.selective)
	l.ordered = ordered
	for _, s := range w.consumers {
		if s.ledger == l {
			s.conn = 0
		}
	}
}

// redrive gives some dead letters of a cursor another life, in their order.
func (w *walk) redrive() {
	l := w.ledgers[w.rng.IntN(len(w.ledgers))]
	sec := redriveSection{Cursor: l.id, Max: 1 + w.rng.Uint32N(5), From: Offset(w.rng.IntN(20)), Reason: DeadReason(w.rng.IntN(5))}
	if w.rng.IntN(2) == 0 {
		sec.Runs = []Run{{Offset(w.rng.IntN(30)), 1 + w.rng.Uint32N(30)}}
	}
	w.addRedrive(l, sec)
}

func (w *walk) addRedrive(l *ledger, sec redriveSection) {
	w.add(sec, func(r Result) error {
		if r.Refused != Done {
			return nil
		}
		return l.redriven(w.m, r.Redriven)
	})
}

// giveBack settles a few receipts, old ones among them.
func (w *walk) giveBack() {
	sec := returnSection{Decision: Decision{Verb: Verb(1 + w.rng.IntN(4)), After: Tick(w.rng.IntN(2) * 900)}}
	for range min(len(w.receipts), 4) {
		sec.Receipts = append(sec.Receipts, w.receipts[w.rng.IntN(len(w.receipts))])
	}
	w.add(sec, func(r Result) error {
		for i, receipt := range sec.Receipts {
			l := w.ledger(receipt.Cursor)
			if err := l.returned(w.m.clock, sec.Decision, receipt, slices.Contains(r.LostReceipts, uint32(i))); err != nil {
				return err
			}
		}
		for _, l := range w.ledgers {
			l.recall()
		}
		return nil
	})
}

func (w *walk) ledger(id CursorID) *ledger {
	return w.ledgers[slices.IndexFunc(w.ledgers, func(l *ledger) bool { return l.id == id })]
}
