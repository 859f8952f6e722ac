package demo

import (
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

// TestWitness: a run in order has no finding, and each kind of broken promise that the ledger can't see, or sees otherwise, has one.
func TestWitness(t *testing.T) {
	const held = 1000 * history.Time(1e9)
	come := func(w *witness, at Place, digest Digest, epoch uint64, got history.Time) int32 {
		return w.note(w.recorder.Deliver(history.Delivery{
			Digest: uint64(digest), Place: history.Place(at), Attempt: int(epoch), Epoch: epoch, Consumer: uint32(epoch), Asked: got, Got: got, Held: held,
		}))
	}
	ack := func(w *witness, number int32) {
		decision, err := w.recorder.Decide(number, history.Ack)
		w.recorder.Decided(w.note(decision, err), history.OK)
	}
	for name, c := range map[string]struct {
		run  func(w *witness)
		want string
	}{
		"in order": {func(w *witness) {
			ack(w, come(w, Place{Offset: 7}, 1, 1, w.recorder.Now()))
			ack(w, come(w, Place{Offset: 8}, 2, 1, w.recorder.Now()))
		}, ""},
		"never arrived": {func(w *witness) { ack(w, come(w, Place{Offset: 7}, 1, 1, w.recorder.Now())) }, "lost: 1"},
		"in two hands": {func(w *witness) {
			first, second := come(w, Place{Offset: 7}, 1, 1, w.recorder.Now()), come(w, Place{Offset: 7}, 1, 2, w.recorder.Now())
			ack(w, second)
			ack(w, come(w, Place{Offset: 8}, 2, 1, w.recorder.Now()))
			_ = first // is never decided
		}, "early_lease: 1"},
		"an ack of a lease that is over": {func(w *witness) {
			first, second := come(w, Place{Offset: 7}, 1, 1, w.recorder.Now()), come(w, Place{Offset: 7}, 1, 2, w.recorder.Now())
			ack(w, first)
			ack(w, second)
			ack(w, come(w, Place{Offset: 8}, 2, 1, w.recorder.Now()))
		}, "fence: "},
		"other bytes": {func(w *witness) {
			ack(w, come(w, Place{Offset: 7}, 3, 1, w.recorder.Now()))
			ack(w, come(w, Place{Offset: 8}, 2, 1, w.recorder.Now()))
		}, "phantom: 1"},
		"unpublished": {func(w *witness) {
			for offset, digest := range []Digest{1, 2, 9} {
				ack(w, come(w, Place{Offset: uint64(7 + offset)}, digest, 1, w.recorder.Now()))
			}
		}, "phantom: 1"},
		"a key's second event first": {func(w *witness) {
			ack(w, come(w, Place{Offset: 8}, 2, 1, w.recorder.Now()))
			ack(w, come(w, Place{Offset: 7}, 1, 1, w.recorder.Now()))
		}, "order: 1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWitness(2)
			w.made([]reader{{}}, []Subscription{{Name: "orders", Ordered: true}}, w.recorder.Now())
			for event, digest := range []Digest{1, 2} {
				w.sent(event, ReaderSet(0).With(0), digest, "key")
				w.answered(event, Place{Offset: uint64(7 + event)}, nil)
			}
			c.run(w)
			w.recorder.Drained()
			judged, lines := w.findings()
			found := strings.Join(lines, "\n")
			if judged == 0 {
				t.Error("nothing was judged")
			}
			if (c.want == "") != (found == "") || !strings.Contains(found, c.want) {
				t.Errorf("found %q, want %q", found, c.want)
			}
		})
	}
}

// TestWitnessKnowsWhatIsOpen: an event of which no publisher has heard may arrive, and one of which it heard that it was refused may not; a
// witness that had no room says nothing.
func TestWitnessKnowsWhatIsOpen(t *testing.T) {
	for outcome, want := range map[error]string{client.ErrUnknownOutcome: "", client.ErrNotFound: "phantom: 1"} {
		w := newWitness(1)
		w.made([]reader{{}}, []Subscription{{Name: "orders"}}, w.recorder.Now())
		w.sent(0, ReaderSet(0).With(0), 5, "")
		w.answered(0, Place{}, outcome)
		now := w.recorder.Now()
		w.note(w.recorder.Deliver(history.Delivery{Digest: 5, Attempt: 1, Epoch: 1, Asked: now, Got: now, Held: now}))
		_, lines := w.findings()
		if found := strings.Join(lines, "\n"); (want == "") != (found == "") || !strings.Contains(found, want) {
			t.Errorf("%v: found %q, want %q", outcome, found, want)
		}
		w.note(0, history.ErrFull)
		if judged, lines := w.findings(); judged != 0 || lines != nil {
			t.Error("a history that lacks something is judged")
		}
	}
}
