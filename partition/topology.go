package partition

import (
	"slices"
	"sync"
)

// topology tells when streams, subscriptions or members of a replica have come, gone or changed, whoever led.
type topology struct {
	mu      sync.Mutex
	changed chan struct{}
}

func (t *topology) init() { t.changed = make(chan struct{}) }

func (t *topology) tell() {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.changed)
	t.changed = make(chan struct{})
}

// TopologyChanged returns a channel that is closed when streams, subscriptions or members of this replica next come, go or change.
func (p *Partition) TopologyChanged() <-chan struct{} {
	p.topology.mu.Lock()
	defer p.topology.mu.Unlock()
	return p.topology.changed
}

// HasStream tells whether this replica holds a stream. One that is being removed it doesn't.
func (p *Partition) HasStream(id StreamID) (there bool) {
	p.replica.look(func(m *Machine) {
		st := m.streams[id]
		there = st != nil && !st.leaving
	})
	return there
}

// HasSubscription tells whether this replica holds a subscription, likewise.
func (p *Partition) HasSubscription(id SubscriptionID) (there bool) {
	p.replica.look(func(m *Machine) {
		sub := m.subscriptions[id]
		there = sub != nil && !sub.leaving
	})
	return there
}

// HasMember tells whether this replica holds a member of a subscription, likewise.
func (p *Partition) HasMember(id SubscriptionID, member string) (there bool) {
	p.replica.look(func(m *Machine) {
		sub := m.subscriptions[id]
		there = sub != nil && !sub.leaving && slices.Contains(sub.members(), member)
	})
	return there
}

// told is told what an entry has done on this replica, or that a snapshot has taken the state's place. Who waits for what every replica
// knows, not the leader alone, is woken here.
func (p *Partition) told(fx *Effects, topology bool) {
	if topology {
		p.topology.tell()
	}
	switch {
	case !p.appended.some():
	case fx == nil:
		p.appended.wakeAll()
	default:
		for _, b := range fx.Appended {
			p.appended.wake(b.Stream, ^uint64(0))
		}
		for _, id := range fx.Gone.Streams {
			p.appended.wake(id, ^uint64(0))
		}
	}
}
