package transport

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

// caller is the end of a connection that sends requests: the one that dialled.
type caller struct {
	*connection
	peer   remote
	limit  int // bytes of a message that the peer takes
	window window
	names  names // the reading goroutine's

	exchanges struct {
		sync.Mutex
		byNumber map[uint64]*exchange
		err      error
	}
}

// exchange is a request that waits for its answer.
type exchange struct {
	number  uint64
	group   GroupNumber
	kind    frameKind
	bytes   int // of the window
	expires time.Time
	held    bool     // it is a heartbeat that waits for others
	waiting awaiting // nil: it has been told that it took too long
}

// lateFactor is how many times longer than its caller the window waits for an answer. Until then the peer is taken to hold
// the request: it must not be sent more on its account.
const lateFactor = 10

// awaiting is told what became of a request: once, and by a goroutine that must not be held up.
type awaiting interface {
	// answer decodes an answer, or takes the reason why there will be none. An error is ErrCorrupt.
	answer(payload []byte, n *names, err error) error
}

func newCaller(t *Transport, stream net.Conn, lane laneKind) *caller {
	c := &caller{connection: newConnection(t, stream, lane)}
	c.exchanges.byNumber = map[uint64]*exchange{}
	c.onFail = c.failAll
	return c
}

// begin registers a request before it is sent.
func (c *caller) begin(e *exchange) error {
	e.number = c.t.requests.Add(1)
	patience := c.t.options.AnswerTimeout
	if e.kind == kindFetch {
		patience *= fetchPatience
	}
	e.expires = time.Now().Add(patience)
	c.exchanges.Lock()
	defer c.exchanges.Unlock()
	if c.exchanges.err != nil {
		return c.exchanges.err
	}
	c.exchanges.byNumber[e.number] = e
	return nil
}

// take removes a request from those that wait: whoever gets it settles it.
func (c *caller) take(number uint64) *exchange {
	c.exchanges.Lock()
	defer c.exchanges.Unlock()
	e := c.exchanges.byNumber[number]
	delete(c.exchanges.byNumber, number)
	return e
}

// forget gives up a request; false: it is being settled just now.
func (c *caller) forget(e *exchange) bool {
	if c.take(e.number) == nil {
		return false
	}
	c.window.give(e.group, e.bytes)
	return true
}

// submit registers a request and sends its frame.
func (c *caller) submit(f *frame, e *exchange) error {
	if n := f.payloadBytes(); n > c.limit {
		c.window.give(e.group, e.bytes)
		c.t.buffers.free(f)
		return fmt.Errorf("%w: a message of %d bytes; the peer takes %d", ErrTooLarge, n, c.limit)
	}
	if err := c.begin(e); err != nil {
		c.window.give(e.group, e.bytes)
		return err
	}
	f.seal(e.kind, e.group, e.number)
	if e.held {
		c.t.heartbeats.hold(heldHeartbeat{caller: c, frame: f, number: e.number, group: e.group})
		return nil
	}
	if err := c.send(f, e.group, true); err != nil && c.forget(e) {
		return err
	}
	return nil
}

// read takes answers until the connection fails.
func (c *caller) read() {
	for {
		if err := c.readAnswer(); err != nil {
			c.fail(err)
			return
		}
	}
}

func (c *caller) readAnswer() error {
	h, err := c.readHeader()
	if err != nil {
		return err
	}
	payload := c.t.buffers.get(int(h.length))
	if err := c.readPayload(payload.bytes); err != nil {
		return err
	}
	if err := h.check(payload.bytes); err != nil {
		return err
	}
	if h.kind == kindPing|answerBit {
		c.t.buffers.put(payload)
		return nil
	}
	e := c.take(h.request)
	if e == nil { // given up, or answered twice
		c.t.counters.answersUnwanted.Add(1)
		c.t.buffers.put(payload)
		return nil
	}
	c.window.give(e.group, e.bytes)
	if e.waiting == nil {
		c.t.counters.answersUnwanted.Add(1)
		c.t.buffers.put(payload)
		return nil
	}
	if e.kind|answerBit != h.kind || e.group != h.group {
		err = fmt.Errorf("%w: %v of group %d to %v of group %d", ErrCorrupt, h.kind, h.group, e.kind, e.group)
		return e.failWith(err)
	}
	err = e.waiting.answer(payload.bytes, &c.names, nil)
	if h.kind != kindFetch|answerBit { // whose entries are the payload
		c.t.buffers.put(payload)
	}
	return err
}

// failWith settles an exchange without an answer, and returns the error.
func (e *exchange) failWith(err error) error {
	if e.waiting != nil {
		_ = e.waiting.answer(nil, nil, err) // it has no payload that could be corrupt
	}
	return err
}

// failAll settles everything when the connection has failed.
func (c *caller) failAll(err error) {
	c.exchanges.Lock()
	c.exchanges.err = err
	all := c.exchanges.byNumber
	c.exchanges.byNumber = nil
	c.exchanges.Unlock()
	for _, number := range slices.Sorted(maps.Keys(all)) { // as they were sent
		c.window.give(all[number].group, all[number].bytes)
		_ = all[number].failWith(err) // it is the error that fails everything already
	}
}

// expire tells those who have waited too long, and much later gives up the answer as well.
func (c *caller) expire(now time.Time) {
	c.exchanges.Lock()
	var late []*exchange
	var waiting []awaiting
	for number, e := range c.exchanges.byNumber {
		switch {
		case now.Before(e.expires):
		case e.waiting != nil:
			late, waiting = append(late, e), append(waiting, e.waiting)
			e.waiting = nil
			e.expires = now.Add(lateFactor * c.t.options.AnswerTimeout)
		default:
			delete(c.exchanges.byNumber, number)
			c.window.give(e.group, e.bytes)
		}
	}
	c.exchanges.Unlock()
	for i, e := range late {
		c.t.counters.timeouts.Add(1)
		_ = waiting[i].answer(nil, nil, fmt.Errorf("%w: %v to %s", ErrTimeout, e.kind, c.peer.address)) // reported where it is awaited
	}
}

// watchOver is called once a tick: it asks for a sign of life when there was none, and gives up what takes too long.
func (c *caller) watchOver(now time.Time, tick time.Duration) {
	limit := c.t.options.SilenceTimeout
	if silent := c.watch(tick, limit); silent >= limit/4 {
		c.ping(kindPing)
	}
	c.expire(now)
}
