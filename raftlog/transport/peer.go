package transport

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// redialFirst is up to how long after a connection broke the first attempt to make another comes.
	redialFirst = 5 * time.Millisecond
	// redialMin and redialMax are between what the pause after a failed attempt grows; a call that waits cuts it down to the
	// least.
	redialMin = 10 * time.Millisecond
	redialMax = 500 * time.Millisecond
)

// peer is the connections to one address.
type peer struct {
	t       *Transport
	address raft.ServerAddress
	lanes   [lanes]*lane

	used atomic.Bool   // since watch has looked last
	idle time.Duration // watch's
}

func newPeer(t *Transport, address raft.ServerAddress) *peer {
	p := &peer{t: t, address: address}
	for kind := range p.lanes {
		p.lanes[kind] = newLane(p, laneKind(kind))
	}
	return p
}

// stop closes the connections. Their goroutines are joined by the transport.
func (p *peer) stop() {
	for _, l := range p.lanes {
		l.stop()
	}
}

// lane is a connection of one kind to a peer, over and over again: one goroutine dials, reads until it breaks, and dials
// again. The control lane does so by itself for as long as the peer is in use, the others when a call wants them.
//
//	        wanted                    greeted
//	down ───────────▶ dialling ──────────────────▶ up
//	  ▲                  │ failed: those who wait     │
//	  └──── pause ◀──────┴────── are told  ◀──────────┘ broke
type lane struct {
	peer *peer
	kind laneKind

	start  sync.Once
	wanted chan struct{}   // holds one
	life   context.Context //nolint:containedctx // dials end with the lane
	end    context.CancelFunc

	mu struct {
		sync.Mutex
		stopped bool
		up      *caller
		attempt *attempt // somebody waits for it
	}
	// broken: a connection was up and broke, and none has been since. reported: PeerRefused was called for that.
	broken, reported bool
}

// attempt is one dial, as those see it who wait for it.
type attempt struct {
	done chan struct{}
	up   *caller
	err  error
}

// errIdle ends a lane whose peer was not used.
var errIdle = fmt.Errorf("%w: the peer was not used", ErrBroken)

func newLane(p *peer, kind laneKind) *lane {
	l := &lane{peer: p, kind: kind, wanted: make(chan struct{}, 1)}
	l.life, l.end = context.WithCancel(context.Background()) //nolint:forbidigo // no caller's: it ends with stop
	return l
}

// connection returns the lane's connection, and waits for the next attempt to make one when there is none.
func (l *lane) connection(cancelled <-chan struct{}) (*caller, error) {
	l.mu.Lock()
	if l.mu.stopped {
		l.mu.Unlock()
		return nil, errIdle
	}
	if up := l.mu.up; up != nil && up.err() == nil { // else the lane is about to notice
		l.mu.Unlock()
		return up, nil
	}
	a := l.mu.attempt
	if a == nil {
		a = &attempt{done: make(chan struct{})}
		l.mu.attempt = a
	}
	l.ensureStartedLocked()
	l.mu.Unlock()
	tell(l.wanted)
	select {
	case <-a.done:
		return a.up, a.err
	case <-cancelled:
		return nil, ErrClosed
	}
}

// keep starts the lane without waiting for it.
func (l *lane) keep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.mu.stopped {
		l.ensureStartedLocked()
	}
}

func (l *lane) ensureStartedLocked() {
	l.start.Do(func() { l.peer.t.spawn("lane "+l.kind.String(), l.run) })
}

// stop ends the lane.
func (l *lane) stop() {
	l.end()
	l.mu.Lock()
	up := l.mu.up
	l.mu.stopped, l.mu.up = true, nil
	l.settleLocked(nil, errIdle)
	l.mu.Unlock()
	if up != nil {
		up.fail(errIdle)
	}
}

// run is the lane's goroutine.
func (l *lane) run() {
	pause := time.Duration(0)
	for l.await(pause) {
		c, err := l.dial()
		if err == nil && !l.peer.t.track(c) {
			c.fail(ErrClosed)
			err = ErrClosed
		}
		if !l.settle(c, err) {
			if c != nil {
				c.fail(errIdle)
				l.peer.t.untrack(c)
			}
			return
		}
		if err != nil {
			l.noteFailed(err)
			pause = min(max(2*pause, redialMin), redialMax)
			continue
		}
		l.broken, l.reported = false, false
		c.running.Go(c.write)
		c.read()
		l.down(c)
		c.running.Wait()
		l.broken = true
		pause = 0
	}
}

// await returns when a connection should be made: true, or when the lane ends.
func (l *lane) await(pause time.Duration) bool {
	if l.kind != laneControl {
		select {
		case <-l.wanted:
		case <-l.life.Done():
			return false
		}
	}
	// Some jitter, so that not all nodes of a cluster dial at once.
	least := time.Duration(l.peer.t.options.Random() % uint64(redialFirst))
	switch {
	case !l.broken && pause == 0:
		least = 0
	case pause > 0:
		least += redialMin / 2
	}
	if !l.wait(least, nil) {
		return false
	}
	if l.kind != laneControl || pause <= least {
		return true
	}
	rest := pause/2 + time.Duration(l.peer.t.options.Random()%uint64(pause)) - least
	return l.wait(rest, l.wanted)
}

// wait returns after a while, or when it is cut short; false: the lane ends.
func (l *lane) wait(d time.Duration, cut <-chan struct{}) bool {
	if d <= 0 {
		select {
		case <-l.life.Done():
			return false
		default:
			return true
		}
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-cut:
	case <-l.life.Done():
		return false
	}
	return true
}

// settle tells those who wait what became of an attempt; false: the lane has ended.
func (l *lane) settle(c *caller, err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.stopped {
		return false
	}
	if err == nil {
		l.mu.up = c
	}
	l.settleLocked(c, err)
	return true
}

func (l *lane) settleLocked(c *caller, err error) {
	if a := l.mu.attempt; a != nil {
		l.mu.attempt = nil
		a.up, a.err = c, err
		close(a.done)
	}
	select { // what it stood for was done
	case <-l.wanted:
	default:
	}
}

// down takes a connection that has failed out of use.
func (l *lane) down(c *caller) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.up == c {
		l.mu.up = nil
	}
	l.peer.t.untrack(c)
	if !l.mu.stopped {
		l.peer.t.options.Logger.Info("a connection broke", "peer", l.peer.address, "lane", l.kind, "error", c.err())
	}
}

// noteFailed looks at why an attempt failed. A refusal where there was a connection before means that the peer's process is
// gone.
func (l *lane) noteFailed(err error) {
	t := l.peer.t
	t.counters.dialsFailed.Add(1)
	t.options.Logger.Debug("a peer is not reached", "peer", l.peer.address, "lane", l.kind, "error", err)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return
	}
	t.counters.dialsRefused.Add(1)
	if l.kind == laneControl && l.broken && !l.reported {
		l.reported = true
		t.counters.peersRefused.Add(1)
		t.options.Logger.Info("a peer's process is gone", "peer", l.peer.address)
		t.options.PeerRefused(l.peer.address)
	}
}

// dial connects and greets.
func (l *lane) dial() (*caller, error) {
	ctx, cancel := context.WithTimeout(l.life, l.peer.t.options.DialTimeout)
	defer cancel()
	return l.peer.t.dial(ctx, l.peer.address, l.kind)
}

// tell leaves a word in a channel that holds one, unless one is there already.
func tell(channel chan<- struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}
