package transport

import (
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// heartbeats holds heartbeats until those of all groups go together. The library has a goroutine for each follower of each group, and
// each sends at random moments, so that a node of many groups wakes its peers all the time. Held, what is said to a peer, or to all
// of them, is one write, at a moment at which others are awake too.
//
//	library ──▶ hold ──┐
//	library ──▶ hold ──┼── the clock shows a multiple of HeartbeatEvery ──▶ release: all that are held, a write for each peer
//	library ──▶ hold ──┘
//
// A request is registered when it is held (caller.begin), so the end of its connection, of its group and of its patience are what they are for
// any other; only its frame waits. Who wants an answer soon says so: GroupTransport.Hasten.
type heartbeats struct {
	t    *Transport
	wake chan struct{} // holds one: the first is held
	mu   struct {
		sync.Mutex
		held []heldHeartbeat
	}
}

type heldHeartbeat struct {
	caller *caller
	frame  *frame
	number uint64
	group  GroupNumber
}

// isHeartbeat says whether a request comes from the library's heartbeat goroutines, which know nothing of the log.
func isHeartbeat(r *raft.AppendEntriesRequest) bool {
	return len(r.Entries) == 0 && r.PrevLogEntry == 0 && r.LeaderCommitIndex == 0
}

// hold takes a frame that is sealed, and whose request is registered.
func (h *heartbeats) hold(b heldHeartbeat) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.held = append(h.mu.held, b)
	if len(h.mu.held) == 1 {
		tell(h.wake)
	}
}

// run releases what is held until the transport closes.
func (h *heartbeats) run() {
	timer := time.NewTimer(h.t.options.HeartbeatEvery) // set anew before it is looked at
	defer timer.Stop()
	for {
		select {
		case <-h.wake:
		case <-h.t.closing:
			return // what is held ends with its connection
		}
		timer.Reset(untilMultiple(time.Now(), h.t.options.HeartbeatEvery))
		select {
		case <-timer.C:
		case <-h.t.closing:
			return
		}
		h.release(func(heldHeartbeat) bool { return true })
	}
}

// release sends what is held and wanted. It does not block: the connections' writers write.
func (h *heartbeats) release(wanted func(heldHeartbeat) bool) {
	h.mu.Lock()
	var now, later []heldHeartbeat
	for _, b := range h.mu.held {
		if wanted(b) {
			now = append(now, b)
		} else {
			later = append(later, b)
		}
	}
	h.mu.held = later
	h.mu.Unlock()
	if len(now) == 0 {
		return
	}
	withheld := h.t.options.Withhold() // the disk may have stopped while they waited
	var order []*caller
	frames := map[*caller][]heldHeartbeat{}
	for _, b := range now {
		if withheld {
			b.drop(ErrWithheld)
			continue
		}
		if frames[b.caller] == nil {
			order = append(order, b.caller)
		}
		frames[b.caller] = append(frames[b.caller], b)
	}
	for _, c := range order {
		c.sendHeld(frames[c])
	}
}

// drop fails a heartbeat that is not sent.
func (b *heldHeartbeat) drop(why error) {
	b.caller.t.buffers.free(b.frame)
	if e := b.caller.take(b.number); e != nil {
		b.caller.t.counters.withheld.Add(1)
		b.caller.window.give(e.group, e.bytes)
		_ = e.failWith(why) // it is told to who waits
	}
}

// sendHeld has the writer write heartbeats, those that somebody still waits for.
func (c *caller) sendHeld(held []heldHeartbeat) {
	held = slices.DeleteFunc(held, func(b heldHeartbeat) bool {
		gone := !c.awaits(b.number)
		if gone {
			c.t.buffers.free(b.frame)
		}
		return gone
	})
	c.out.Lock()
	defer c.out.Unlock()
	if len(held) == 0 || c.out.err != nil {
		return // who waited has been told
	}
	for _, b := range held {
		c.out.queue.put(b.frame, b.group)
	}
	if !c.out.writing {
		c.out.writing = true
		c.wake <- struct{}{} // there is room: it is written to once until the writer has stopped
	}
}

// awaits says whether a request still waits for its answer.
func (c *caller) awaits(number uint64) bool {
	c.exchanges.Lock()
	defer c.exchanges.Unlock()
	return c.exchanges.byNumber[number] != nil
}
