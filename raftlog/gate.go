package raftlog

import "sync"

// gate lets in what is proposed until it is closed, and not while the library is another. Who closes it waits until nobody is inside, which may take as long
// as a leader without followers takes to step down: the library takes no change of members before. So it is no lock that readers share, whose waiters nothing
// wakes but its holders: virtual time, in which tests run, doesn't pass while somebody waits for a lock.
type gate struct {
	mu                 sync.Mutex
	closed, rebuilding bool
	inside             int
	// left is closed when nobody is inside any more; nil: nobody waits for that.
	left chan struct{}
}

// enter lets the caller in, who calls leave; or says why not.
func (g *gate) enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return ErrClosed
	case g.rebuilding:
		return ErrNotLeader
	}
	g.inside++
	return nil
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.left != nil {
		close(g.left)
		g.left = nil
	}
}

// unlessClosed does something short, which is over before close returns.
func (g *gate) unlessClosed(do func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		do()
	}
}

// close lets nobody in any more, and waits for who is inside.
func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.wait()
}

// rebuild lets nobody in until rebuilt, and waits for who is inside; false: it is closed.
func (g *gate) rebuild() bool {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return false
	}
	g.rebuilding = true
	g.mu.Unlock()
	g.wait()
	return true
}

func (g *gate) rebuilt() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rebuilding = false
}

func (g *gate) wait() {
	g.mu.Lock()
	if g.inside == 0 {
		g.mu.Unlock()
		return
	}
	if g.left == nil {
		g.left = make(chan struct{})
	}
	left := g.left
	g.mu.Unlock()
	<-left
}
