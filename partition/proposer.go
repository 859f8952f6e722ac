package partition

import (
	"context"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
	"github.com/freshet-mq/freshet/raftlog"
)

// sealed is an entry on its way, with those who wait for it.
type sealed struct {
	commands []*command // by section; nil for the clock's
	future   *raftlog.Future
	bytes    int64
	// read is when the entry's clock section was read.
	read time.Time
	// proposed is when it was.
	proposed time.Time
	// turn is the proposer's.
	turn uint64
}

// schedule is what the proposer has to know of the machine: what its clock was when the last entry was read, and when it is next due.
type schedule struct {
	clock Tick
	read  time.Time
	next  Tick
	due   bool
	// turn is that of the entry: news of an earlier turn is none.
	turn uint64
}

// proposer is the state of the goroutine that seals entries.
//
// While an entry is on its way, what comes gathers in the lanes; as soon as one of the few places in flight is free, all of it becomes the
// next entry. So a lone command waits for nothing, and under load entries grow by themselves.
type proposer struct {
	p      *Partition
	routes routes
	// turn counts the times that the replica has led.
	turn uint64
	// read is when the clock was last put into an entry.
	read     time.Time
	schedule schedule
	// away has detached sessions, the longest away first.
	away []awaySession
	// first is the command that the next entry begins with (gather).
	first   *command
	company company
	draft   draft
}

// propose runs the proposer: a turn for each time that the replica leads. In between it refuses what still comes: whoever put it into a lane
// believed that the replica led.
func (p *Partition) propose(ctx context.Context) {
	pr := &proposer{p: p}
	pr.routes.indexBytesMax = p.shares.index
	pr.routes.lookUpIDs = func(s *blockSection, b *block.Block) { p.lookUpIDs(s, b, pr.clock()) }
	defer close(p.carrying)
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-p.controls:
			p.refuse(c)
		case c := <-p.publications:
			p.refuse(c)
		case l, open := <-p.group.Leadership():
			switch {
			case !open:
				pr.refuseUntil(ctx)
				return
			case l.Leading:
				pr.lead(ctx)
			}
		}
	}
}

// lead proposes until leadership is lost. The log tells of leadership once its own term's barrier is applied: before that, entries of
// earlier leaders could still come, which the routes wouldn't know.
func (pr *proposer) lead(ctx context.Context) {
	p := pr.p
	if !pr.begin() {
		return
	}
	p.lead(true)
	stopFilling := p.startFilling(ctx)
	defer func() {
		p.lead(false)
		stopFilling()
		p.attachments.endAll(ErrUnavailable, false)
	}()
	for {
		first, ok := pr.wait(ctx)
		if !ok || first != nil && !pr.gather(ctx, first) {
			return
		}
		select {
		case p.inFlight <- struct{}{}:
		case <-ctx.Done():
			pr.refuseFirst()
			return
		}
		if p.resync.Swap(false) && !pr.resync(ctx) {
			pr.refuseFirst()
			return
		}
		pr.seal()
	}
}

// begin takes the state over from the leader before: the routes, the clock, and the sessions, none of which is attached any more.
func (pr *proposer) begin() bool {
	p := pr.p
	pr.turn++
	pr.read = p.now()
	var err error
	p.replica.look(func(m *Machine) {
		err = pr.routes.rebuild(m)
		pr.schedule = scheduleOf(m, pr.read)
		if _, some := m.nextByWall(); some { // nobody has read the wall clock while nobody led
			pr.schedule.next, pr.schedule.due = m.clock, true
		}
		pr.findAway(m, func(*session) bool { return true })
	})
	if err != nil {
		p.options.Fatal(err)
		return false
	}
	return true
}

// findAway lists the sessions that are away, from now on.
func (pr *proposer) findAway(m *Machine, away func(*session) bool) {
	pr.away = nil
	at := pr.p.now().Add(pr.p.options.AwayAfter)
	for _, st := range m.streamOrder {
		for _, sub := range st.subscriptions {
			for _, c := range sub.cursors {
				for _, s := range c.sessions {
					if away(s) {
						pr.away = append(pr.away, awaySession{s.id, s.connection, at})
					}
				}
			}
		}
	}
}

func scheduleOf(m *Machine, read time.Time) schedule {
	s := schedule{clock: m.clock, read: read}
	s.next, s.due = m.NextDeadline()
	return s
}

// resync waits until nothing is on its way and takes over anew what an entry that failed would have changed: the routes, and who is away.
// It is called with one place in flight taken, and keeps it.
func (pr *proposer) resync(ctx context.Context) bool {
	p := pr.p
	for range entriesInFlight - 1 {
		select {
		case p.inFlight <- struct{}{}:
		case <-ctx.Done():
			return false
		}
	}
	var err error
	p.replica.look(func(m *Machine) {
		err = pr.routes.rebuild(m)
		pr.findAway(m, func(s *session) bool { return !s.live(m.term) })
	})
	for range entriesInFlight - 1 {
		<-p.inFlight
	}
	if err != nil {
		p.options.Fatal(err)
	}
	return err == nil
}

// wait returns when there is something to propose: a command, or time alone (nil). False means that the replica no longer leads, or ends.
func (pr *proposer) wait(ctx context.Context) (*command, bool) {
	p := pr.p
	for {
		var timer <-chan time.Time
		stop := func() {}
		if at, some := pr.nextDue(); some {
			timer, stop = p.options.Clock.TimerAt(at)
		}
		select {
		case c := <-p.controls:
			stop()
			return c, true
		case c := <-p.publications:
			stop()
			return c, true
		case s := <-p.schedule:
			stop()
			if s.turn == pr.turn {
				pr.schedule = s
			}
		case <-timer:
			if at, some := pr.nextDue(); some && !at.After(p.now()) {
				return nil, true
			}
		case l := <-p.group.Leadership():
			stop()
			if !l.Leading { // lost, or the log has closed
				return nil, false
			}
		case <-ctx.Done():
			stop()
			return nil, false
		}
	}
}

// clock returns what the partition clock is now, as far as is known.
func (pr *proposer) clock() Tick {
	return pr.schedule.clock + Tick(max(pr.p.now().Sub(pr.schedule.read), 0)/time.Millisecond)
}

// nextDue returns when a deadline of the machine, or a session that stays away, wants an entry.
func (pr *proposer) nextDue() (at time.Time, some bool) {
	if s := pr.schedule; s.due {
		at, some = s.read.Add((s.next - s.clock).duration()), true
	}
	if len(pr.away) > 0 && (!some || pr.away[0].at.Before(at)) {
		at, some = pr.away[0].at, true
	}
	return at, some
}

// seal makes one entry of its first command and everything that waits, within the entry's shares, and proposes it. The control lane goes first.
func (pr *proposer) seal() {
	p := pr.p
	s, began := sealed{turn: pr.turn}, p.now()
	pr.draft.begin()
	// What the control lane holds comes along, however much is published. What comes after the reading doesn't: a lease that it
	// begins or extends counts from the reading, and from a later time for its client, who would believe in it for too long (P4).
	waiting := len(p.controls)
	read, due := pr.read, pr.schedule.due
	s.read = pr.readClock(&s)
	some := pr.first != nil
	if some {
		pr.add(&s, pr.first)
		pr.first = nil
	}
	pr.drain(&s, p.controls, waiting, p.shares.controls)
	pr.drain(&s, p.publications, len(p.publications), p.shares.gathered)
	pr.addAway(&s)
	if some && len(s.commands) == 1 {
		// All were refused. A full log mustn't fill up with readings of the clock.
		pr.read, pr.schedule.due = read, due
		<-p.inFlight
		return
	}
	entry := pr.draft.entry()
	s.bytes = int64(len(entry)) + raftlog.EntryOverhead
	p.flying.Add(s.bytes)
	s.proposed = p.now()
	s.future = p.group.Propose(entry)
	p.since(StagePropose, began)
	p.options.Observer.Batch(StagePropose, len(s.commands), len(entry))
	p.carrying <- s // never full: there are as many places as there may be in flight
}

// drain adds the first n of what waits in a lane while the entry is below a size.
func (pr *proposer) drain(s *sealed, lane <-chan *command, n, size int) {
	for ; n > 0 && pr.draft.bytes < size; n-- {
		select {
		case c := <-lane:
			pr.add(s, c)
		default:
			return
		}
	}
}

// readClock begins an entry with a reading of both clocks.
func (pr *proposer) readClock(s *sealed) time.Time {
	now := pr.p.now()
	delta := Tick(max(now.Sub(pr.read), 0) / time.Millisecond)
	pr.read = pr.read.Add(delta.duration())
	pr.draft.add(clockSection{
		Delta: delta, Wall: Wall(max(now.UnixMilli(), 0)),
		Agreed: pr.p.options.WallAgreed(),
	})
	s.commands = append(s.commands, nil)
	// The deadline that brought this entry about is dealt with when it is applied; until then it mustn't bring about another.
	pr.schedule.due = false
	return pr.read
}

// add puts a command into the entry.
func (pr *proposer) add(s *sealed, c *command) {
	pr.p.queued.remove(c)
	var sec section
	var err error
	if c.publication != nil {
		// Those that were let in while the log had room may be more than it has room for.
		if err = pr.p.roomFor(pr.draft.bytes + len(c.publication.Block)); err == nil {
			began := pr.p.now()
			pr.p.options.Observer.Took(StageWait, began.Sub(c.publication.taken))
			sec, err = pr.routes.match(c.publication)
			pr.p.since(StageMatch, began)
		}
	} else {
		sec = c.section
		err = pr.routes.follow(sec)
	}
	if err != nil {
		c.done(Result{}, err)
		return
	}
	if d, ok := sec.(detachSection); ok && !d.Away {
		pr.away = append(pr.away, awaySession{d.Session, d.Connection, pr.p.now().Add(pr.p.options.AwayAfter)})
	}
	pr.draft.add(sec)
	s.commands = append(s.commands, c)
}

// awaySession is a detached session, and when it has been away for too long.
type awaySession struct {
	session    SessionID
	connection ConnectionID
	at         time.Time
}

// addAway forgets sessions that stayed away. One that has come back since has another connection, and isn't touched.
func (pr *proposer) addAway(s *sealed) {
	now := pr.p.now()
	n := 0
	for ; n < len(pr.away) && !pr.away[n].at.After(now); n++ {
		pr.draft.add(detachSection{Session: pr.away[n].session, Connection: pr.away[n].connection, Away: true})
		s.commands = append(s.commands, nil)
	}
	pr.away = pr.away[n:] // append moves the rest to a new array at times
}

// refuseUntil refuses everything once the log has ended by itself, until the partition is closed.
func (pr *proposer) refuseUntil(ctx context.Context) {
	for {
		select {
		case c := <-pr.p.controls:
			pr.p.refuse(c)
		case c := <-pr.p.publications:
			pr.p.refuse(c)
		case <-ctx.Done():
			return
		}
	}
}

// refuse answers a command that was taken out of a lane for nothing.
func (p *Partition) refuse(c *command) {
	p.queued.remove(c)
	c.done(Result{}, ErrUnavailable)
}

// refuseWaiting answers everything that still waits when the replica has ended.
func (p *Partition) refuseWaiting() {
	for {
		select {
		case c := <-p.controls:
			p.refuse(c)
		case c := <-p.publications:
			p.refuse(c)
		default:
			return
		}
	}
}
