package partition

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// waiters are those who wait for something to happen to a key: events on a cursor, blocks of a stream. Waiting costs memory for one
// channel, bounded by the calls that the broker admits, and nothing else.
type waiters[K comparable] struct {
	mu struct {
		sync.Mutex
		queues map[K][]*waiter
	}
	// joined counts who waits.
	joined atomic.Int64
}

// waiter is one of them; its channel gets a value when it is woken.
type waiter struct{ woken chan struct{} }

func (w *waiters[K]) init() { w.mu.queues = map[K][]*waiter{} }

// join begins to wait. Whoever joins before looking whether it is there already can't miss it.
func (w *waiters[K]) join(key K) *waiter {
	one := &waiter{woken: make(chan struct{}, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.queues[key] = append(w.mu.queues[key], one)
	w.joined.Add(1)
	return one
}

// leave ends waiting. One that was woken meanwhile passes it on, since another may wait for what it doesn't take.
func (w *waiters[K]) leave(key K, one *waiter) {
	w.mu.Lock()
	queue := w.mu.queues[key]
	for i, other := range queue {
		if other == one {
			w.set(key, append(queue[:i:i], queue[i+1:]...))
			w.joined.Add(-1)
			break
		}
	}
	w.mu.Unlock()
	select {
	case <-one.woken:
		w.wake(key, 1)
	default:
	}
}

// wake wakes those who have waited for longest, at most n of them.
func (w *waiters[K]) wake(key K, n uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	queue := w.mu.queues[key]
	k := int(min(n, uint64(len(queue))))
	for _, one := range queue[:k] {
		one.woken <- struct{}{}
	}
	w.set(key, queue[k:])
	w.joined.Add(int64(-k))
}

// some tells whether anybody waits at all.
func (w *waiters[K]) some() bool { return w.joined.Load() > 0 }

// wakeAll wakes everybody.
func (w *waiters[K]) wakeAll() {
	for _, key := range w.keys() {
		w.wake(key, ^uint64(0))
	}
}

// waiting tells whether anybody waits for a key.
func (w *waiters[K]) waiting(key K) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.mu.queues[key]) > 0
}

// keys returns what is waited for, in no order.
func (w *waiters[K]) keys() []K {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.mu.queues))
}

func (w *waiters[K]) set(key K, queue []*waiter) {
	if len(queue) == 0 {
		delete(w.mu.queues, key)
		return
	}
	w.mu.queues[key] = queue
}

// wait waits until there, or until it is woken. It returns the context's error when that ends first, ErrUnavailable when ended is closed.
func (w *waiters[K]) wait(ctx context.Context, ended <-chan struct{}, key K, there func() bool) error {
	one := w.join(key)
	if there() {
		w.leave(key, one)
		return nil
	}
	select {
	case <-one.woken:
		return nil
	case <-ctx.Done():
		w.leave(key, one)
		return ctx.Err()
	case <-ended:
		w.leave(key, one)
		return ErrUnavailable
	}
}
