package client

import (
	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// window is the blocks of a producer that are numbered and not answered, and what is known of each. It is pure: no clock, no connection.
// The sender tells it what was sent, answered and broken; it says what to send next and which events are finished.
//
// # Goal
//
// Each event is stored exactly once and in order, or its publisher is told that it isn't (a refusal), or that it can't be known
// (ErrUnknownOutcome). Never is an event that isn't stored reported stored, nor one that may be stored reported refused. Memory is
// bounded: windowBlocks blocks.
//
// # The node's rules
//
// For each producer id and topic a node remembers an epoch and the last sequence that it stored. Of the same epoch it stores last+1 alone.
// What is at or below last it answers from memory, as a duplicate, and as PRODUCER_EXPIRED where its memory ends. What is above it
// refuses as SEQUENCE_GAP. A higher epoch begins at 1, and everything of lower ones is refused from then on as PRODUCER_FENCED. A producer
// that it has forgotten may begin a higher epoch or is EXPIRED. A block that is refused for what it is doesn't use its sequence up, so what
// was in flight behind it finds a gap.
//
// # What an answer means
//
// An answer speaks of one attempt. When a connection breaks, attempts without an answer may be carried out later still: they are ghosts, and
// may come to life for as long as the node would take their number. So:
//
//   - W1: a number (epoch, sequence) is given to one block only, ever. Otherwise a ghost of the first could be stored in the place of the
//     second, and the second be taken for its duplicate: an event reported stored that isn't.
//   - W2: a block is sent again under another number only when no attempt under the old one can ever be stored. Otherwise it could be
//     stored twice.
//   - W3: a refusal is reported as such only when every attempt of the block was refused (it is clean), otherwise as unknown.
//
// A block in front that is refused for good, and is clean, was never stored and never will be under its number; by the node's rules nothing
// behind it in this epoch can be, ghosts or not. So the rest goes on in the next epoch under new numbers (W2), nothing need be waited
// for, and the epoch's numbers aren't used again (W1). The first block of the new epoch fences every ghost of the old. If the
// front isn't clean, a ghost of it may be stored, and ghosts of the blocks behind it after it: of those only the clean ones go on, the
// others' outcome is unknown for good.
//
// EXPIRED and GAP in front mean that the node doesn't have what we know that it stored: it forgot us, or lost its data. A clean block goes on
// in a new epoch; so an idle producer that was forgotten never notices. For a block behind the front they mean only that
// something before it isn't stored yet: it waits for the front (blocked), since sent at once it would meet the same answer.
//
// When slots move, a window is emptied (withdraw): what is clean behind a clean front goes back to be placed anew. The node refuses by the route before it
// looks at numbers, so of a front that isn't clean it can't be learnt whether it was stored, unless it still has its place.
//
// Tried and left: renumbering within the epoch after a refusal, as the node's last sequence would allow. It needs the answers of all that is in
// flight first, and when the connection breaks while they are awaited W1 can't be kept.
type window struct {
	id      block.ProducerID
	epoch   uint32
	last    uint64 // highest sequence given in this epoch
	flights []*flight
	// attempts on the stream at hand that aren't answered, by request id.
	attempts map[uint64]*flight
	request  uint64 // the last request id
	fenced   error  // set when another producer has our id: nothing can be published any more
}

// Bounds of the window.
const (
	windowBlocks = 4
	// attemptsInFlight bounds what a stream may owe us, first tries and later ones.
	attemptsInFlight = 4 * windowBlocks
)

// flight is a block on its way.
type flight struct {
	events    []*pending
	encoded   []byte
	encodedAs block.Producer // what stands in encoded; another than number has to be encoded anew
	number    block.Producer

	state   flightState
	request uint64 // of the latest attempt
	open    int    // attempts on the stream at hand that aren't answered
	ghost   bool   // an attempt whose outcome can't be learned any more, but by sending again

	answer *freshetv1.PublishResponse // when stored
	err    *Error                     // when refused or forgotten
}

// flightState is what is to be done with a block.
//
//	          send             stored
//	unsent --------> sent --------------> stored
//	   ^              | |
//	   |   try again  | +---------------> refused       for good
//	   +--------------+ +---------------> forgotten     EXPIRED or GAP, in front
//	   ^                |
//	   +--- blocked <---+                 EXPIRED or GAP, behind the front
//	  the front moves
type flightState uint8

const (
	flightUnsent flightState = iota
	flightSent
	flightBlocked
	flightStored
	flightRefused
	flightForgotten
)

// clean says that every attempt so far was refused, or that there was none.
func (f *flight) clean() bool { return f.open == 0 && !f.ghost }

// finish is a block whose outcome is known: stored with an answer, or an error.
type finish struct {
	flight *flight
	err    error
}

func newWindow(id block.ProducerID) *window {
	return &window{id: id, epoch: 1, attempts: map[uint64]*flight{}}
}

// room says that another block may be pushed.
func (w *window) room() bool { return len(w.flights) < windowBlocks }

// nextNumber is what the next block that is pushed is numbered.
func (w *window) nextNumber() block.Producer {
	return block.Producer{ID: w.id, Epoch: w.epoch, Sequence: w.last + 1}
}

// push adds a block that is encoded under nextNumber.
func (w *window) push(events []*pending, encoded []byte) {
	number := w.nextNumber()
	w.last = number.Sequence
	w.flights = append(w.flights, &flight{events: events, encoded: encoded, encodedAs: number, number: number})
}

// unsent returns the first block that is to be sent, nil if there is none or the stream owes too many answers.
func (w *window) unsent() *flight {
	if len(w.attempts) >= attemptsInFlight {
		return nil
	}
	for _, f := range w.flights {
		if f.state == flightUnsent {
			return f
		}
	}
	return nil
}

// unsettled returns the block in front if it is to be sent to learn what became of it: when nothing else may be sent any more.
func (w *window) unsettled() *flight {
	if len(w.flights) == 0 || len(w.attempts) > 0 || w.flights[0].state != flightUnsent || w.flights[0].clean() {
		return nil
	}
	return w.flights[0]
}

// withdraw takes all blocks out, none of which is or will be stored; none, if that can't be said (yet).
func (w *window) withdraw() []*flight {
	if len(w.attempts) > 0 || len(w.flights) == 0 || !w.flights[0].clean() {
		return nil
	}
	// The front isn't stored, so nothing of this epoch behind it is, and its number isn't used again (W1).
	withdrawn := w.flights
	w.flights = nil
	w.epoch++
	w.last = 0
	return withdrawn
}

// sent notes an attempt and returns its request id.
func (w *window) sent(f *flight) uint64 {
	w.request++
	f.state, f.request = flightSent, w.request
	f.open++
	w.attempts[w.request] = f
	return w.request
}

// broken notes that the stream is gone: what it owed will never be answered.
func (w *window) broken() {
	clear(w.attempts)
	for _, f := range w.flights {
		if f.open > 0 {
			f.open, f.ghost = 0, true
		}
		if f.state == flightSent || f.state == flightBlocked {
			f.state = flightUnsent
		}
	}
}

// refuseFront notes that the stream itself was refused for good: the block in front was what it was refused with.
func (w *window) refuseFront(err *Error) {
	w.broken()
	if len(w.flights) > 0 {
		w.flights[0].state, w.flights[0].err = flightRefused, err
	}
}

// answered notes an answer. It reports why the block is to be sent again after a pause, nil if it isn't. resolve has to follow.
func (w *window) answered(r *freshetv1.PublishResponse) (again *Error) {
	f := w.attempts[r.GetRequestId()]
	if f == nil {
		return nil // of an attempt in an epoch that is over
	}
	delete(w.attempts, r.GetRequestId())
	f.open--
	if r.GetError() == nil {
		f.state, f.answer = flightStored, r
		return nil
	}
	err := errorOfProto(r.GetError())
	code := err.Code
	if err.OutcomeUnknown && code != CodeProducerExpired || code == CodeInternal {
		f.ghost = true // of a fault of the node nobody knows how far it got
	}
	if r.GetRequestId() != f.request || f.state == flightStored {
		return nil // a later attempt decides
	}
	switch {
	case code == CodeProducerFenced:
		w.fenced = err
	case code == CodeSequenceGap || code == CodeProducerExpired:
		f.state, f.err = flightForgotten, err
		if f != w.flights[0] {
			f.state = flightBlocked
		}
	case err.Retryable || err.OutcomeUnknown:
		w.again(f)
		return err
	default:
		f.state, f.err = flightRefused, err
	}
	return nil
}

// again has a block sent again, and with it what is behind it, which will find a gap.
func (w *window) again(from *flight) {
	behind := false
	for _, f := range w.flights {
		behind = behind || f == from
		if behind && (f.state == flightSent || f.state == flightBlocked) {
			f.state = flightUnsent
		}
	}
}

// resolve takes from the front what is decided.
func (w *window) resolve() []finish {
	if w.fenced != nil {
		return w.fail(w.fenced)
	}
	var done []finish
	for len(w.flights) > 0 {
		f := w.flights[0]
		switch f.state {
		case flightStored:
			done = append(done, finish{flight: f})
			w.flights = w.flights[1:]
		case flightRefused, flightForgotten:
			if f.open > 0 {
				return done // an earlier attempt's answer comes, or the stream breaks
			}
			clean := f.clean()
			// A first block can't be forgotten: if a node says so, going on in yet another epoch would never end.
			if goesOn := f.state == flightForgotten && clean && f.number.Sequence > 1; !goesOn {
				done = append(done, finish{f, f.refusal()})
				w.flights = w.flights[1:]
			}
			done = append(done, w.restart(clean)...)
		case flightBlocked:
			w.again(f)
		case flightUnsent, flightSent:
			return done
		}
	}
	return done
}

// refusal is what the events of a refused block are told (W3).
func (f *flight) refusal() error {
	if f.clean() {
		return f.err
	}
	return unknown(f.err)
}

// restart begins the next epoch with the blocks that may go on. unstorable says that nothing of this epoch can be stored any more.
func (w *window) restart(unstorable bool) []finish {
	var done []finish
	w.epoch++
	w.last = 0
	clear(w.attempts)
	kept := w.flights[:0:0]
	for _, f := range w.flights {
		if f.state == flightStored {
			kept = append(kept, f)
			continue
		}
		if !unstorable && !f.clean() { // W2
			done = append(done, finish{f, unknown(&Error{Code: CodeProducerExpired, Message: "a block before it was lost", OutcomeUnknown: true})})
			continue
		}
		f.number = w.nextNumber() // W1
		w.last = f.number.Sequence
		f.state, f.open, f.ghost, f.err = flightUnsent, 0, false, nil
		kept = append(kept, f)
	}
	w.flights = kept
	return done
}

// fail gives up everything.
func (w *window) fail(err error) []finish {
	var done []finish
	for _, f := range w.flights {
		switch {
		case f.state == flightStored:
			done = append(done, finish{flight: f})
		case f.clean():
			done = append(done, finish{f, err})
		default:
			done = append(done, finish{f, unknown(err)})
		}
	}
	w.flights = nil
	clear(w.attempts)
	return done
}
