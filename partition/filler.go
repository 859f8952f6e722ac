package partition

import (
	"context"
	"errors"
	"sync"
	"time"
)

// filler reads the log for far cursors, while the replica leads.
//
//	effect: 10 is behind     somebody waits for 10
//	            |                   |
//	            v                   v
//	        +---------------------------+   stretch of the log    +-----------+
//	        | wanted: first come, first |------------------------>| fillers   |  match, and propose
//	        | served, each once         |                         | (two)     |  a fill section
//	        +---------------------------+                         +-----------+
//	            ^                                                       |
//	            +----- still behind, says the fill's own effect --------+
//
// A cursor gets one stretch at a time and then queues again behind the others, so that one with a long backlog doesn't hold them up; and
// there are two stretches on their way at most, whatever waits. Reading and matching hold no lock of the machine's. A fill that comes too
// late, because another leader's or a change of the frontier was first, changes nothing.
type filler struct {
	mu struct {
		sync.Mutex
		// order in which cursors are wanted, and how many events for each: at most one entry a cursor.
		order []CursorID
		want  map[CursorID]uint32
		// busy cursors are being read for, again those that were wanted meanwhile.
		busy  map[CursorID]bool
		again map[CursorID]uint32
		// later holds what failed, by when it is tried again.
		later []retriedFill
	}
	// woken has a value when somebody who waits should look again.
	woken chan struct{}
}

// retriedFill is a cursor for which reading failed.
type retriedFill struct {
	cursor CursorID
	at     time.Time
}

const (
	// fillers is how many stretches are read at a time: one is read while the other's fill is on its way through the log.
	fillers = 2
	// fillReadBytes is how long a stretch is at most, to within one block.
	fillReadBytes = 4 << 20
	// fillEventsMin is how many events are looked for at least: for who asks for one soon asks for the next.
	fillEventsMin = 256
	// fillRetry is how long it takes until what couldn't be read is read again.
	fillRetry = time.Second
)

func (f *filler) init() {
	f.mu.want, f.mu.busy, f.mu.again = map[CursorID]uint32{}, map[CursorID]bool{}, map[CursorID]uint32{}
	f.woken = make(chan struct{}, fillers)
}

// ask has a cursor read for, soon, for about so many events.
func (f *filler) ask(id CursorID, events uint32) {
	f.mu.Lock()
	f.askLocked(id, max(events, fillEventsMin))
	f.mu.Unlock()
	f.wake()
}

func (f *filler) askLocked(id CursorID, events uint32) {
	if f.mu.busy[id] {
		f.mu.again[id] = max(f.mu.again[id], events)
		return
	}
	if _, queued := f.mu.want[id]; !queued {
		f.mu.order = append(f.mu.order, id)
	}
	f.mu.want[id] = max(f.mu.want[id], events)
}

func (f *filler) wake() {
	select {
	case f.woken <- struct{}{}:
	default:
	}
}

// done says that a cursor was read for. What was asked for it meanwhile is next in its turn; what failed after a pause.
func (f *filler) done(id CursorID, failed bool, now time.Time) {
	f.mu.Lock()
	delete(f.mu.busy, id)
	events, again := f.mu.again[id]
	delete(f.mu.again, id)
	switch {
	case failed:
		f.mu.later = append(f.mu.later, retriedFill{id, now.Add(fillRetry)})
	case again:
		f.askLocked(id, events)
	}
	f.mu.Unlock()
	f.wake()
}

// next takes the next cursor, if there is one; otherwise it says when a failed one is due, if there is one.
func (f *filler) next(now time.Time) (id CursorID, events uint32, ok bool, due time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.mu.later) > 0 && !f.mu.later[0].at.After(now) {
		f.askLocked(f.mu.later[0].cursor, fillEventsMin)
		f.mu.later = f.mu.later[1:]
	}
	if len(f.mu.order) == 0 {
		if len(f.mu.later) > 0 {
			due = f.mu.later[0].at
		}
		return id, 0, false, due
	}
	id = f.mu.order[0]
	f.mu.order = f.mu.order[1:]
	events = f.mu.want[id]
	delete(f.mu.want, id)
	f.mu.busy[id] = true
	return id, events, true, due
}

// forget drops everything that was asked for, when leadership ends. Who still waits asks again.
func (f *filler) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.order, f.mu.later = nil, nil
	clear(f.mu.want)
	clear(f.mu.busy)
	clear(f.mu.again)
}

// startFilling reads for far cursors until the function that it returns is called, which joins the goroutines.
func (p *Partition) startFilling(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var joined sync.WaitGroup
	for range fillers {
		joined.Go(func() { p.labelled("filler", stageDeliver, func() { p.runFiller(ctx) }) })
	}
	for _, id := range p.ready.keys() { // they wait since before this replica led
		p.askIfFar(id)
	}
	return func() {
		cancel()
		joined.Wait()
		p.filler.forget()
	}
}

// runFiller reads stretch after stretch.
func (p *Partition) runFiller(ctx context.Context) {
	var st stretcher
	for {
		id, events, ok, due := p.filler.next(p.now())
		if ok {
			p.filler.wake() // there may be one more for the other
			failed := p.fillOnce(ctx, &st, id, events)
			p.filler.done(id, failed, p.now())
			if !failed && p.ready.waiting(id) {
				p.askIfFar(id)
			}
			if ctx.Err() != nil {
				return
			}
			continue
		}
		var timer <-chan time.Time
		stop := func() {}
		if !due.IsZero() {
			timer, stop = p.options.Clock.TimerAt(due)
		}
		select {
		case <-p.filler.woken:
		case <-timer:
		case <-ctx.Done():
			stop()
			return
		}
		stop()
	}
}

// fillOnce reads one stretch for a cursor and proposes what it found.
func (p *Partition) fillOnce(ctx context.Context, st *stretcher, id CursorID, events uint32) (failed bool) {
	job, far := p.stretchOf(id, events)
	if !far {
		return false
	}
	sec, err := st.read(ctx, p, job)
	switch {
	case ctx.Err() != nil:
		return false
	case err == nil:
		_, err = p.control(ctx, sec)
		_, refused := errors.AsType[*RefusedError](err) // it came too late: the effects of what was first have asked again
		return err != nil && !refused && ctx.Err() == nil
	}
	if now, far := p.stretchOf(id, events); !far || now.from != job.from {
		return false // what is gone isn't needed any more
	}
	p.options.Logger.Warn("reading the log for a subscription that is behind",
		"partition", p.options.Number, "subscription", id.String(), "offset", job.from, "error", err)
	return true
}

// askIfFar asks for a fill for who waits for a cursor's next event, where that may be in the log.
func (p *Partition) askIfFar(id CursorID) {
	far := false
	p.replica.look(func(m *Machine) {
		c := m.find(id)
		far = c != nil && c.reach != reachNear && c.assignable() == 0
	})
	if far {
		p.filler.ask(id, fillEventsMin)
	}
}
