package demo

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

// witness writes a run down for bench/history, beside the ledger, which counts while the run goes on. History has the times of all
// that was asked for and told, and so sees what no count shows: a lease that was given away early, an ack that a lease was too old
// for, an attempt that was counted wrongly, a publish that lies before one that it came after (D8).
//
// history knows an event by a number in its bytes. The demo's bytes are published untouched (D2), so the number is the event's position in
// the run, and deliveries get theirs when all is over: by their place, as the receipts name it, and by their digest where there is
// no receipt.
//
// A record takes some 100 bytes, and there are at most history's two million: then the witness has nothing more to say. Safe for concurrent use.
type witness struct {
	recorder *history.Recorder
	// numbers are the publishes' in the history, by position. Each is written before its outcome can be known.
	numbers []int32
	keys    map[string]uint32 // by the publisher alone
	mu      struct {
		sync.Mutex
		// full: something was not written down. Nothing more is then.
		full                bool
		consumers, requests uint32
	}
}

func newWitness(events int) *witness {
	return &witness{recorder: history.New(0), numbers: make([]int32, events), keys: map[string]uint32{}}
}

// unheard is the number of what was not written down.
const unheard = -1

// note takes a record's number, and remembers that there was no room for it.
func (w *witness) note(number int32, err error) int32 {
	if err == nil {
		return number
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.full = true
	return unheard
}

// made says that readers are there, whose making was asked for at a time and is confirmed now.
func (w *witness) made(readers []reader, of []Subscription, asked history.Time) {
	for _, r := range readers {
		_, err := w.recorder.Reader(history.ReaderInfo{
			Name: r.name(of), Ordered: of[r.subscription].Ordered, AttemptsMax: attempts, Asked: asked, Made: w.recorder.Now(),
		})
		w.note(0, err)
	}
}

// sent says that an event is about to be published. One publisher calls it.
func (w *witness) sent(event int, wanted ReaderSet, digest Digest, key string) {
	number := uint32(0)
	if key != "" {
		if number = w.keys[key]; number == 0 {
			number = uint32(len(w.keys) + 1)
			w.keys[key] = number
		}
	}
	w.numbers[event] = w.note(w.recorder.Invoke(history.Publish{
		Message: history.Message(event + 1), Digest: uint64(digest), Key: number, Matches: history.ReaderSet(wanted),
	}))
}

// answered says what became of it.
func (w *witness) answered(event int, at Place, err error) {
	if w.numbers[event] == unheard {
		return
	}
	outcome := history.Fail
	switch {
	case err == nil:
		outcome = history.OK
	case errors.Is(err, client.ErrUnknownOutcome), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		outcome = history.Unknown
	}
	w.recorder.Answer(w.numbers[event], outcome, history.Place(at))
}

// consumer numbers somebody who consumes, request a request that may bring several events.
func (w *witness) consumer() uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.consumers++
	return w.mu.consumers
}

func (w *witness) request() uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.requests++
	return w.mu.requests
}

// handover is how events came: to whom, with which request (0: each by itself), asked for and had when.
type handover struct {
	consumer, request uint32
	asked, got        history.Time
}

// came says that a reader has an event, and numbers that.
func (w *witness) came(r Reader, d *client.Delivery, digest Digest, how handover) int32 {
	return w.note(w.recorder.Deliver(history.Delivery{
		Reader: history.Reader(r), Digest: uint64(digest), Place: history.Place{Partition: d.Partition, Offset: d.Offset}, Attempt: d.Attempt,
		Epoch: d.Epoch, Consumer: how.consumer, Batch: how.request, Asked: how.asked, Got: how.got, Held: w.recorder.At(d.Deadline()),
	}))
}

// decide says a word on what came, and notes what became of it.
func (w *witness) decide(number int32, d *client.Delivery, verb history.Verb, say func() error) error {
	if number == unheard {
		return say()
	}
	w.recorder.HeldUntil(number, min(w.recorder.Now(), w.recorder.At(d.Deadline())))
	decision := w.note(w.recorder.Decide(number, verb))
	err := say()
	if decision == unheard {
		return err
	}
	switch {
	case err == nil:
		w.recorder.Decided(decision, history.OK)
	case errors.Is(err, client.ErrLeaseLost) && !errors.Is(err, client.ErrUnknownOutcome):
		w.recorder.Decided(decision, history.Fail)
	default:
		w.recorder.Decided(decision, history.Unknown)
	}
	return err
}

// dead says that the broker lists an event among a reader's dead letters.
func (w *witness) dead(r Reader, at Place) {
	w.note(0, w.recorder.Dead(history.Dead{Reader: history.Reader(r), Place: history.Place(at)}))
}

// livesMax is how many events' lives are searched for an order: a second's work.
const livesMax = 500

// findings are what history finds, a line each, and how many records it has judged: none where there was more than it can hold. Ask when the run is over.
func (w *witness) findings() (judged int, lines []string) {
	w.mu.Lock()
	full := w.mu.full
	w.mu.Unlock()
	if full {
		return 0, nil
	}
	h := w.recorder.History()
	identify(h)
	judged = len(h.Publishes) + len(h.Deliveries) + len(h.Decisions)
	verdict := history.Check(h, history.Options{Straggle: visibility, Lives: livesMax})
	found := 0
	for _, n := range verdict.Counts() {
		found += n
	}
	if found == 0 {
		return judged, nil
	}
	return judged, strings.Split(strings.TrimSuffix(verdict.String(), "\n"), "\n")
}

// identify says of each delivery which event it is: the one that a receipt names at its place, or else one of which no publisher has
// heard and that has these bytes. What is neither has no number: a phantom.
func identify(h *history.History) {
	places, unknown := make(map[history.Place]history.Message, len(h.Publishes)), map[uint64]history.Message{}
	for i := range h.Publishes {
		switch p := &h.Publishes[i]; p.Outcome {
		case history.OK:
			places[p.Place] = p.Message
		case history.Unknown:
			unknown[p.Digest] = p.Message
		case history.Fail:
		}
	}
	for i := range h.Deliveries {
		d := &h.Deliveries[i]
		var ok bool
		if d.Message, ok = places[d.Place]; !ok {
			d.Message = unknown[d.Digest]
		}
	}
}
