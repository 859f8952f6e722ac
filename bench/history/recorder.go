package history

import (
	"errors"
	"sync"
	"time"
)

// ErrFull is what a recorder says that has no room for another operation (H4). Whoever
// asks clients to work should end that.
var ErrFull = errors.New("history: the record is full")

// recordsDefault is a few hundred MB.
const recordsDefault = 2_000_000

// Recorder writes a history down. It is told by many at once.
type Recorder struct {
	began time.Time
	most  int
	mu    struct {
		sync.Mutex
		history History
		records int
	}
}

// History is what was written down.
type History struct {
	Readers    []ReaderInfo
	Publishes  []Publish
	Deliveries []Delivery
	Decisions  []Decision
	Faults     []Fault
	Applied    []Applied
	Reads      []Read
	Dead       []Dead
	Held       []Held
	Named      []Named
	// Drained: the nodes said that they held nothing any more, after all faults. What
	// has not arrived then never will; otherwise it is stuck, for all that is known.
	Drained bool
	// Full: something was not written down.
	Full bool
}

// New makes a recorder for so many records, each of at most 100 bytes; 0: two million.
func New(recordsMax int) *Recorder {
	if recordsMax <= 0 {
		recordsMax = recordsDefault
	}
	return &Recorder{began: time.Now(), most: recordsMax}
}

// Now reads the clock (H3).
func (r *Recorder) Now() Time { return time.Since(r.began) }

// At is a moment on the recorder's clock.
func (r *Recorder) At(t time.Time) Time { return t.Sub(r.began) }

// room takes room for a record. mu is held.
func (r *Recorder) room() bool {
	if r.mu.records >= r.most {
		r.mu.history.Full = true
		return false
	}
	r.mu.records++
	return true
}

// put adds a record to a list of the history's.
func put[T any](r *Recorder, list func(*History) *[]T, record T) (int32, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.room() {
		return -1, ErrFull
	}
	to := list(&r.mu.history)
	*to = append(*to, record)
	return int32(len(*to) - 1), nil
}

// Reader adds a reader, and says its number. There are at most ReadersMax.
func (r *Recorder) Reader(info ReaderInfo) (Reader, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.mu.history.Readers) == ReadersMax {
		return 0, ErrFull
	}
	r.mu.history.Readers = append(r.mu.history.Readers, info)
	return Reader(len(r.mu.history.Readers) - 1), nil
}

// Change changes what is known of a reader: that it was made, or removed.
func (r *Recorder) Change(reader Reader, change func(*ReaderInfo)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.mu.history.Readers[reader])
}

// Invoke notes a publish that is about to be sent, and says its number (H1).
func (r *Recorder) Invoke(p Publish) (int32, error) {
	p.Invoked, p.Returned, p.Outcome = r.Now(), Never, Unknown
	return put(r, func(h *History) *[]Publish { return &h.Publishes }, p)
}

// Answer notes what became of a publish.
func (r *Recorder) Answer(publish int32, outcome Outcome, at Place) {
	now := r.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.mu.history.Publishes[publish]
	p.Returned, p.Outcome, p.Place = now, outcome, at
}

// Deliver notes an event that a consumer has, and says its number.
func (r *Recorder) Deliver(d Delivery) (int32, error) {
	return put(r, func(h *History) *[]Delivery { return &h.Deliveries }, d)
}

// HeldUntil notes until when the consumer of a delivery believed in its lease.
func (r *Recorder) HeldUntil(delivery int32, until Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.history.Deliveries[delivery].Held = until
}

// Decide notes that a consumer is about to say a word on a delivery, from when on it
// doesn't hold it, and says the word's number.
func (r *Recorder) Decide(delivery int32, verb Verb) (int32, error) {
	return put(r, func(h *History) *[]Decision { return &h.Decisions }, Decision{
		Delivery: delivery, Verb: verb, Invoked: r.Now(), Returned: Never,
	})
}

// Decided notes what became of it.
func (r *Recorder) Decided(decision int32, outcome Outcome) {
	now := r.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	d := &r.mu.history.Decisions[decision]
	d.Returned, d.Outcome = now, outcome
}

// Fault, Applied, Read, Dead, Held and Named note what their types say; a full
// recorder remembers that it was full.

// Fault notes something that was done to the cluster.
func (r *Recorder) Fault(f Fault) error {
	_, err := put(r, func(h *History) *[]Fault { return &h.Faults }, f)
	return err
}

// Applied notes the state of a replica.
func (r *Recorder) Applied(a Applied) error {
	_, err := put(r, func(h *History) *[]Applied { return &h.Applied }, a)
	return err
}

// Read notes what a reading of the log showed.
func (r *Recorder) Read(read Read) error {
	_, err := put(r, func(h *History) *[]Read { return &h.Reads }, read)
	return err
}

// Dead notes a dead letter.
func (r *Recorder) Dead(d Dead) error {
	_, err := put(r, func(h *History) *[]Dead { return &h.Dead }, d)
	return err
}

// Held notes what the nodes hold at the end.
func (r *Recorder) Held(held Held) error {
	_, err := put(r, func(h *History) *[]Held { return &h.Held }, held)
	return err
}

// Named notes an operation on a name.
func (r *Recorder) Named(n Named) error {
	_, err := put(r, func(h *History) *[]Named { return &h.Named }, n)
	return err
}

// Drained notes that the nodes hold nothing any more.
func (r *Recorder) Drained() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.history.Drained = true
}

// History is what was written down so far. Nothing may be told any more.
func (r *Recorder) History() *History {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &r.mu.history
}
