package load

import (
	"context"
	"sync"
	"time"
)

// pacer says which events of an account are to be sent when. At full speed that is at
// once; at a rate each has its moment, whatever became of those before (an open
// loop): a batch is what has become due since the last one.
type pacer struct {
	batch int
	// interval is between two events; 0 at full speed.
	interval float64 // nanoseconds
	now      func() int64

	mu    sync.Mutex
	next  uint64 // number
	turns int    // how many flights there were
	begin int64  // when the event 0 is due
}

// tick is how often events become due at most: at high rates a batch has those of a
// millisecond.
const tick = time.Millisecond

// newPacer returns the pacer of an account, of several that share a rate.
func newPacer(o *Options, account, accounts int, now func() int64) *pacer {
	p := &pacer{batch: o.Batch, now: now, begin: now(), turns: account}
	if o.Rate > 0 {
		p.interval = float64(time.Second) / float64(o.Rate) * float64(accounts)
		// Accounts take turns, so that events are spread evenly also at low rates.
		p.begin += int64(p.interval * float64(account) / float64(accounts))
	}
	return p
}

// flight is events that are sent together.
type flight struct {
	first uint64
	count int
	pacer *pacer
	at    int64 // at full speed, when they are sent
	turn  int   // grows by one from flight to flight
}

// moment is when the flight's event is to be sent.
func (f *flight) moment(i int) int64 {
	if f.pacer.interval == 0 {
		return f.at
	}
	return f.pacer.due(f.first + uint64(i))
}

func (p *pacer) due(number uint64) int64 { return p.begin + int64(float64(number)*p.interval) }

// take waits until events are due and returns them, or tells that ctx has ended.
func (p *pacer) take(ctx context.Context) (flight, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.interval > 0 && !p.await(ctx) {
		return flight{}, false
	}
	if ctx.Err() != nil || p.next+uint64(p.batch) > eventsMax {
		return flight{}, false // the ledger can't tell more events apart
	}
	now := p.now()
	count := p.batch
	if p.interval > 0 {
		count = min(p.batch, int(float64(now-p.due(p.next))/p.interval)+1)
	}
	f := flight{first: p.next, count: count, pacer: p, at: now, turn: p.turns}
	p.next += uint64(count)
	p.turns++
	return f, true
}

// await waits until the next event is due, and where a batch has several until a tick is
// over. mu is held, so that those who come meanwhile wait for their turn.
func (p *pacer) await(ctx context.Context) bool {
	wait := time.Duration(p.due(p.next) - p.now())
	if wait <= 0 {
		return true // behind the rate already
	}
	if p.interval < float64(tick) {
		wait = max(wait, tick)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
