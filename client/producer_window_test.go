package client

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// windowWorld is a window, a model of a node, and what may be under way between them. All that can happen is a step; a seed chooses which.
// A block stands for its first event's number, so the model's log is a list of numbers.
type windowWorld struct {
	t      *testing.T
	rand   *rand.Rand
	window *window
	next   uint64 // number of the next block

	known   bool // the node's memory of the producer
	epoch   uint32
	last    uint64
	answers map[uint64]uint64 // sequence: offset
	log     []uint64

	toNode, toClient []windowMessage // of the connection at hand
	ghosts           []windowMessage // of broken ones: the node may still take them, at any time
	outcome          map[uint64]error
	offset           map[uint64]uint64
	forgets          bool
	withdrawn        int
}

type windowMessage struct {
	request  uint64
	number   block.Producer
	content  uint64
	response *freshetv1.PublishResponse
}

func newWindowWorld(t *testing.T, seed uint64) *windowWorld {
	r := rand.New(rand.NewPCG(seed, 0))
	return &windowWorld{
		t: t, rand: r, window: newWindow(block.ProducerID{1}), next: 1, answers: map[uint64]uint64{},
		outcome: map[uint64]error{}, offset: map[uint64]uint64{}, forgets: seed%4 == 0,
	}
}

// step does one thing that can happen.
func (w *windowWorld) step() {
	switch w.rand.IntN(12) {
	case 0, 1:
		if w.window.room() {
			w.window.push([]*pending{{number: w.next}}, nil)
			w.next++
		}
	case 2, 3, 4:
		w.send()
	case 5, 6:
		if len(w.toNode) > 0 { // in order
			m := w.toNode[0]
			w.toNode = w.toNode[1:]
			m.response = w.node(m)
			m.response.RequestId = m.request
			w.toClient = append(w.toClient, m)
		}
	case 7, 8, 9:
		if n := len(w.toClient); n > 0 { // in any order
			i := w.rand.IntN(n)
			m := w.toClient[i]
			w.toClient = slices.Delete(w.toClient, i, i+1)
			w.answered(m.response)
		}
	case 10:
		if n := len(w.ghosts); n > 0 && w.rand.IntN(2) == 0 {
			i := w.rand.IntN(n)
			m := w.ghosts[i]
			w.ghosts = slices.Delete(w.ghosts, i, i+1)
			w.node(m)
		}
	case 11:
		switch w.rand.IntN(12) {
		case 0, 1:
			w.breakConnection()
		case 2:
			if w.forgets && !w.firstUnderWay() {
				w.known, w.answers = false, map[uint64]uint64{}
			}
		case 3:
			if w.rand.IntN(4) == 0 {
				w.breakConnection()
				w.window.refuseFront(&Error{Code: CodeUnsupported})
				w.finish(w.window.resolve())
			}
		case 4: // slots move
			for _, f := range w.window.withdraw() {
				w.outcome[f.events[0].number] = errWithdrawn
				w.withdrawn++
			}
		}
	}
}

// errWithdrawn is the outcome of a block that isn't stored, and so may be placed anew.
var errWithdrawn = errors.New("withdrawn")

// firstUnderWay says that a first block of an epoch may still reach the node. A node that forgot its producer would take it for a new
// producer's, whether it has it already or not: nothing that a client could help, so such nodes don't forget here.
func (w *windowWorld) firstUnderWay() bool {
	first := func(m windowMessage) bool { return m.number.Sequence == 1 }
	return slices.ContainsFunc(w.ghosts, first) || slices.ContainsFunc(w.toNode, first) ||
		slices.ContainsFunc(w.window.flights, func(f *flight) bool { return f.number.Sequence == 1 })
}

func (w *windowWorld) send() {
	f := w.window.unsent()
	if f == nil {
		return
	}
	request := w.window.sent(f)
	w.toNode = append(w.toNode, windowMessage{request: request, number: f.number, content: f.events[0].number})
}

func (w *windowWorld) answered(r *freshetv1.PublishResponse) {
	if again := w.window.answered(r); again != nil && r.GetError() == nil {
		w.t.Fatalf("a stored block is to be sent again: %v", again)
	}
	w.finish(w.window.resolve())
}

func (w *windowWorld) breakConnection() {
	w.ghosts = append(w.ghosts, w.toNode...)
	w.toNode, w.toClient = nil, nil
	w.window.broken()
	w.finish(w.window.resolve())
}

// node answers a block by the rules; at random it is busy, doesn't know how it ended, or refuses for good.
func (w *windowWorld) node(m windowMessage) *freshetv1.PublishResponse {
	refuse := func(code freshetv1.ErrorCode, retryable, unknown bool) *freshetv1.PublishResponse {
		return &freshetv1.PublishResponse{Error: wireFault(code, retryable, unknown, "")}
	}
	switch {
	case w.rand.IntN(20) == 0:
		return refuse(freshetv1.ErrorCode_ERROR_CODE_BUSY, true, false)
	case w.rand.IntN(30) == 0:
		return refuse(freshetv1.ErrorCode_ERROR_CODE_TOPIC_NOT_FOUND, false, false) // it comes and goes
	case m.content%17 == 0:
		return refuse(freshetv1.ErrorCode_ERROR_CODE_LIMIT_EXCEEDED, false, false)
	}
	r := w.store(m, refuse)
	if r.GetError() == nil && w.rand.IntN(20) == 0 {
		return refuse(freshetv1.ErrorCode_ERROR_CODE_OUTCOME_UNKNOWN, false, true)
	}
	return r
}

func (w *windowWorld) store(m windowMessage, refuse func(freshetv1.ErrorCode, bool, bool) *freshetv1.PublishResponse) *freshetv1.PublishResponse {
	switch {
	case !w.known || m.number.Epoch > w.epoch:
		if m.number.Sequence != 1 {
			return refuse(freshetv1.ErrorCode_ERROR_CODE_PRODUCER_EXPIRED, false, true)
		}
		w.known, w.epoch, w.last, w.answers = true, m.number.Epoch, 0, map[uint64]uint64{}
	case m.number.Epoch < w.epoch:
		return refuse(freshetv1.ErrorCode_ERROR_CODE_PRODUCER_FENCED, false, false)
	case m.number.Sequence > w.last+1:
		return refuse(freshetv1.ErrorCode_ERROR_CODE_SEQUENCE_GAP, false, false)
	case m.number.Sequence <= w.last:
		return &freshetv1.PublishResponse{FirstOffset: w.answers[m.number.Sequence], Events: 1, Duplicate: true}
	}
	w.last = m.number.Sequence
	w.answers[w.last] = uint64(len(w.log))
	w.log = append(w.log, m.content)
	return &freshetv1.PublishResponse{FirstOffset: uint64(len(w.log) - 1), Events: 1}
}

func (w *windowWorld) finish(done []finish) {
	for _, d := range done {
		number := d.flight.events[0].number
		if _, twice := w.outcome[number]; twice {
			w.t.Fatalf("block %d finished twice", number)
		}
		w.outcome[number] = d.err
		if d.err == nil {
			w.offset[number] = d.flight.answer.GetFirstOffset()
		}
	}
}

// settle lets everything that is under way come to its end: ghosts too.
func (w *windowWorld) settle() {
	for len(w.window.flights) > 0 {
		w.send()
		for _, m := range w.toClient {
			w.answered(m.response)
		}
		w.toClient = nil
		for len(w.toNode) > 0 {
			m := w.toNode[0]
			w.toNode = w.toNode[1:]
			m.response = w.node(m)
			m.response.RequestId = m.request
			w.answered(m.response)
		}
	}
	for _, m := range w.ghosts {
		w.node(m)
	}
}

// check holds what publishers were told against what the log has.
func (w *windowWorld) check() (stored, refused, unknown int) {
	at := map[uint64]int{}
	var last uint64
	for i, number := range w.log {
		if before, twice := at[number]; twice {
			w.t.Fatalf("block %d is stored twice, at %d and %d", number, before, i)
		}
		if number < last {
			w.t.Fatalf("block %d is stored behind block %d", number, last)
		}
		at[number], last = i, number
	}
	for number := uint64(1); number < w.next; number++ {
		err, finished := w.outcome[number]
		offset, there := at[number]
		switch {
		case !finished:
			w.t.Fatalf("block %d has no outcome", number)
		case err == nil:
			stored++
			if !there || uint64(offset) != w.offset[number] {
				w.t.Fatalf("block %d: told that it is at %d; stored %v, at %d", number, w.offset[number], there, offset)
			}
		case errors.Is(err, ErrUnknownOutcome):
			unknown++
		default:
			refused++
			if there {
				w.t.Fatalf("block %d: told that it is refused (%v), and it is stored at %d", number, err, offset)
			}
		}
	}
	return stored, refused, unknown
}

// TestWindow drives windows at random and holds them to W1 to W3.
func TestWindow(t *testing.T) {
	var stored, refused, unknown, epochs, withdrawn int
	for seed := range uint64(600) {
		w := newWindowWorld(t, seed)
		ok := t.Run("", func(t *testing.T) {
			w.t = t
			for range 2_000 {
				w.step()
			}
			w.settle()
			s, r, u := w.check()
			stored, refused, unknown, epochs = stored+s, refused+r, unknown+u, epochs+int(w.window.epoch)
			withdrawn += w.withdrawn
		})
		if !ok {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d blocks stored, %d refused of which %d withdrawn, %d unknown, %d epochs", stored, refused, withdrawn, unknown, epochs)
	if stored == 0 || refused == withdrawn || unknown == 0 || withdrawn == 0 {
		t.Error("something never happened")
	}
}
