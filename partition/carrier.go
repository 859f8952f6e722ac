package partition

import (
	"context"
	"errors"
	"fmt"

	"github.com/freshet-mq/freshet/raftlog"
)

// retainEvery is how many entries pass between two looks at how much of the log is still wanted; a replica looks every trimBytes of them, too (copies.go).
const retainEvery = 64

// carry carries out the effects of this leader's entries in the order of the log, until the proposer ends.
func (p *Partition) carry(ctx context.Context) {
	for s := range p.carrying {
		<-s.future.Done() // every future ends, with the group if not before
		applied, err := s.future.Wait(ctx)
		p.flying.Add(-s.bytes)
		<-p.inFlight
		p.landed.note(&s, p.queued.publications.Load(), p.now())
		fx, ok := applied.Result.(*Effects)
		if err == nil && !ok {
			err = fmt.Errorf("%w: applying failed: %v", ErrOutcomeUnknown, applied.Result)
		}
		if err != nil {
			err = outcome(err)
			for _, c := range s.commands {
				if c != nil {
					c.done(Result{}, err)
				}
			}
			p.resync.Store(true)
			p.reschedule(s, tickBucket)
			continue
		}
		p.since(StageCommit, s.proposed)
		p.carryOut(s, fx)
	}
}

// outcome tells what is known of an entry that wasn't applied here. Only what proves that it was never appended is no unknown outcome.
func outcome(err error) error {
	for _, proof := range []error{raftlog.ErrNotLeader, raftlog.ErrClosed, raftlog.ErrFull, raftlog.ErrTooLarge} {
		if errors.Is(err, proof) {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
}

func (p *Partition) carryOut(s sealed, fx *Effects) {
	p.reschedule(s, 0)
	for i, c := range s.commands {
		if c == nil {
			continue
		}
		res := fx.Results[i]
		if _, topology := c.section.(subscriptionSection); res.Refused == RefusedSetVersion || topology && res.Refused != Done {
			p.resync.Store(true)
		}
		c.done(res, nil)
	}
	for _, b := range fx.Appended {
		p.places.note(place{stream: b.Stream, first: b.First, count: b.Count, index: fx.Index, section: b.Section, stored: b.Stored})
	}
	p.tellGone(fx)
	for i := range fx.Grants {
		p.deliver(&fx.Grants[i], s)
	}
	for _, t := range fx.Truncated {
		p.options.Logger.Warn("events were dropped by their topic's retention before they were settled", "partition", p.options.Number,
			"subscription", t.Cursor.String(), "truncated_at", uint64(t.At), "dropped", t.Dropped, "unread", t.Unread)
	}
	for _, b := range fx.Behind {
		p.filler.ask(b.Cursor, b.Events)
	}
	for _, c := range fx.Ready {
		p.ready.wake(c, p.readyCount(c))
	}
	if fx.Index%retainEvery == 0 {
		p.retain()
	}
	if fx.Hash.Index != 0 {
		select {
		case p.controls <- &command{section: stateHashSection{fx.Hash}, done: func(Result, error) {}}:
		default: // the lane is full: there will be other hashes
		}
	}
}

// tellGone tells those who consume, read or wait for what was removed.
func (p *Partition) tellGone(fx *Effects) {
	for _, u := range fx.Unused {
		p.options.Logger.Warn("a fan-out's member that nobody used has expired", "partition", p.options.Number, "member", u.Cursor.String(),
			"unsettled", u.Unsettled, "unread", u.Unread)
	}
	for _, g := range fx.Gone.Sessions {
		if a := p.attachments.find(g.Session, g.Connection); a != nil {
			a.finish(ErrRemoved)
		}
	}
	for _, c := range fx.Gone.Cursors {
		p.ready.wake(c, ^uint64(0))
	}
}

// reschedule tells the proposer when the machine wants the next entry, which is after a pause when one has just failed: its reading is lost,
// and what was due by it is due all the same (P10).
func (p *Partition) reschedule(s sealed, pause Tick) {
	var next schedule
	p.replica.look(func(m *Machine) { next = scheduleOf(m, s.read) })
	next.turn = s.turn
	next.next = max(next.next, next.clock+pause)
	select {
	case <-p.schedule: // stale news
	default:
	}
	p.schedule <- next // the carrier alone sends, so there is room
}

// deliver hands a grant to the session's attachment. Where there is none, the session is detached, so that it isn't given more.
func (p *Partition) deliver(g *Grant, s sealed) {
	if a := p.attachments.find(g.Session, g.Connection); a != nil {
		a.push(*g, s.read)
		return
	}
	select {
	case p.controls <- detachOf(g.Session, g.Connection):
	default: // the lane is full: the next grant tries again, and the lease runs out at worst
	}
}

// detachOf detaches a session whose consumer isn't there to ask for it.
func detachOf(session SessionID, connection ConnectionID) *command {
	return &command{section: detachSection{Session: session, Connection: connection}, done: func(Result, error) {}}
}
