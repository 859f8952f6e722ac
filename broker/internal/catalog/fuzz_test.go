package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/freshet-mq/freshet/raftlog"
)

// FuzzCommand applies whatever bytes, after some proper commands. Nothing may panic but what a newer release wrote, the
// catalog must stay one that can be restored, and what decodes must encode to the same command.
func FuzzCommand(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		data, err := Encode(randomCommand(r))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		command, err := decode(data)
		if err != nil {
			if !errors.Is(err, ErrVersion) && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("an error of no class: %v", err)
			}
			return
		}
		m := NewMachine()
		apply(t, m, 1, CreateTopic{Name: "topic-1"})
		before := m.View().Version()
		result, _ := m.Apply(raftlog.Entry{Index: 2, Data: data}).(Result)
		after, changed := snapshot(t, m), m.View().Version() != before
		requested, once := command.(Requested)
		if once {
			command = requested.Command
		}
		_, deletes := command.(DeleteTopic)
		if !deletes && result.Created != changed {
			t.Fatalf("created: %v, changed: %v", result.Created, changed)
		}
		restored := NewMachine()
		if err := restore(restored, after); err != nil {
			t.Fatalf("after %+v the catalog can't be restored: %v", command, err)
		}
		if once { // M6
			second, _ := restored.Apply(raftlog.Entry{Index: 3, Data: data}).(Result)
			if fmt.Sprintf("%+v", second) != fmt.Sprintf("%+v", result) || !bytes.Equal(snapshot(t, restored), after) {
				t.Fatalf("answered %+v, and %+v when it came again", result, second)
			}
		}
		if result.Err != nil {
			return
		}
		again, err := Encode(command)
		if err != nil {
			t.Fatalf("%+v was applied, and is refused by Encode: %v", command, err)
		}
		if second, _ := m.Apply(raftlog.Entry{Index: 3, Data: again}).(Result); !deletes && second.Err != nil || second.Created {
			t.Fatalf("applied again: %+v", second)
		}
	})
}

// FuzzState restores whatever bytes. What is taken must be a catalog: it encodes to one that restores to the same.
func FuzzState(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, entries := range []uint64{0, 1, 5, 50} {
		m := NewMachine()
		for index := uint64(1); index <= entries; index++ {
			apply(f, m, index, randomCommand(r))
		}
		f.Add(snapshot(f, m))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m := NewMachine()
		if err := restore(m, data); err != nil {
			if !errors.Is(err, ErrVersion) && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("an error of no class: %v", err)
			}
			return
		}
		state := snapshot(t, m)
		again := NewMachine()
		if err := restore(again, state); err != nil {
			t.Fatalf("its own snapshot is refused: %v", err)
		}
		if !bytes.Equal(state, snapshot(t, again)) {
			t.Fatal("restored twice, another snapshot")
		}
		for topic, subscription := range m.View().Since(0) {
			if subscription == nil {
				if found, ok := m.View().TopicByID(topic.ID); !ok || !reflect.DeepEqual(found, topic) {
					t.Fatalf("topic %+v is not found by its id", topic)
				}
			} else if _, ok := m.View().SubscriptionByID(subscription.ID); !ok {
				t.Fatalf("subscription %+v is not found by its id", subscription)
			}
		}
	})
}
