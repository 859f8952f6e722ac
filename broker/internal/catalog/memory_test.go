package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestMemoryIsBounded: requests are remembered up to so many bytes. Beyond them an old one makes room, and where there is none the next is refused, and done
// once there is.
func TestMemoryIsBounded(t *testing.T) {
	m, index := NewMachine(), uint64(0)
	ask := func(number uint64, atMs int64, c Command) Result {
		t.Helper()
		index++
		return apply(t, m, index, Requested{Command: c, Number: number, AtMs: atMs})
	}
	const began = 1_000_000
	if made := ask(1, began, CreateTopic{Name: "orders"}); !made.Created {
		t.Fatalf("%+v", made)
	}
	ask(2, began+1, DeleteTopic{Name: strings.Repeat("n", 128)})
	number := uint64(3)
	for ; m.requests.bytes < RequestBytesMax; number++ { // many more like the last
		index++
		next := *m.requests.known[2]
		next.number, next.index = number, index
		m.requests.add(&next)
	}
	if n := len(m.requests.order); n < 40_000 || n > RequestBytesMax/RequestBytes {
		t.Errorf("%d requests fit", n)
	}
	if err := restore(NewMachine(), snapshot(t, m)); err != nil {
		t.Errorf("a full memory isn't restored: %v", err)
	}
	for _, now := range []int64{began, began + RequestMs - 1, began - RequestMs + 1} {
		refused, ok := errors.AsType[*Error](ask(number, now, DeleteTopic{Name: "orders"}).Err)
		if !ok || refused.Code != freshetv1.ErrorCode_ERROR_CODE_BUSY {
			t.Fatalf("at %d: %v", now, refused)
		}
	}
	if again := ask(1, began+RequestMs-1, CreateTopic{Name: "orders"}); !again.Created {
		t.Errorf("the oldest is forgotten too early: %+v", again)
	}
	if gone := ask(number, began+RequestMs, DeleteTopic{Name: "orders"}); gone.Err != nil {
		t.Errorf("there is room, and it was refused when there was none: %v", gone.Err)
	}
	if m.requests.known[1] != nil || m.requests.known[2] == nil {
		t.Error("another one than the oldest made room")
	}
	if again := ask(1, began+RequestMs, CreateTopic{Name: "orders"}); again.Err == nil {
		t.Error("the second oldest made room too early")
	}
	// A clock that was set back by a year doesn't leave the memory full for a year.
	if again := ask(1, 0, CreateTopic{Name: "orders"}); !again.Created || again.Topic.ID != 2 {
		t.Errorf("what is forgotten is done again: %+v", again)
	}
}

// TestMemoryIsChecked: a checkpoint whose requests can't be is refused.
func TestMemoryIsChecked(t *testing.T) {
	m := NewMachine()
	for i, c := range []Command{
		CreateTopic{Name: "orders"}, CreateSubscription{Topic: "orders", Name: "billing", Kind: queue}, DeleteTopic{Name: "payments"},
		DeleteSubscription{Topic: "orders", Name: "billing"}, DeleteTopic{Name: "orders"},
	} {
		apply(t, m, uint64(i+1), Requested{Command: c, Number: uint64(i + 1), AtMs: 7})
	}
	refusal := &Error{Code: freshetv1.ErrorCode_ERROR_CODE_TOPIC_NOT_FOUND}
	for i, wrong := range []func(*request){
		func(r *request) { r.number = 0 },
		func(r *request) { r.number = 1 },
		func(r *request) { r.index = 1 },
		func(r *request) { r.atMs = -1 },
		func(r *request) { r.createdMs = createdMaxMs + 1 },
		func(r *request) { r.id = 0 },
		func(r *request) { r.id = 3 },
		func(r *request) { r.topicID = r.id },
		func(r *request) { r.topicID = 1 },
		func(r *request) { r.partitions = nil },
		func(r *request) { r.partitions = []uint32{1} },
		func(r *request) { r.refusal = refusal },
		func(r *request) { *r = request{number: 9, index: 9, refusal: &Error{}} },
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			damaged := newMemory()
			for n, r := range m.requests.order {
				copied := *r
				if n == len(m.requests.order)-1 {
					wrong(&copied)
				}
				damaged.order = append(damaged.order, &copied)
			}
			state, err := encode(m.View(), damaged)
			if err != nil {
				t.Fatal(err)
			}
			if err := restore(NewMachine(), state); !errors.Is(err, ErrCorrupt) {
				t.Errorf("restored: %v", err)
			}
		})
	}
	restored := NewMachine()
	if err := restore(restored, snapshot(t, m)); err != nil || !bytes.Equal(snapshot(t, restored), snapshot(t, m)) {
		t.Errorf("unharmed: %v", err)
	}
}
