package raftlog

import "sync"

// Status is what a group tells about itself.
type Status struct {
	// Leader is the name of the node that leads, as far as this one knows; empty when it knows of none.
	Leader string
	// Address is the leader's.
	Address string
	// Term is Raft's.
	Term uint64
	// Applied is the index of the last command that the machine has applied, or restored.
	Applied uint64
}

// Status returns the group's state now. It is for people: by the time that it is read, it may be different.
func (g *Group) Status() Status {
	library := g.raft.Load()
	address, leader := library.LeaderWithID()
	return Status{Leader: string(leader), Address: string(address), Term: library.CurrentTerm(), Applied: g.applier.applied.Load()}
}

// LeaderChanged returns a channel that is closed when the group next learns of another leader, or that there is none: whoever calls it before Status
// misses nothing.
func (g *Group) LeaderChanged() <-chan struct{} { return g.leaderChange.next() }

// leaderChange tells that a group has another leader. The library's goroutines tell it, so it doesn't wait for anything.
type leaderChange struct {
	mu      sync.Mutex
	changed chan struct{} // nil until somebody waits
}

func (l *leaderChange) next() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

func (l *leaderChange) tell() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}
