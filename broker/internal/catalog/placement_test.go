package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// TestPlacement: a topic goes to the partitions that hold the fewest, also after topics have gone and after a restart.
func TestPlacement(t *testing.T) {
	m, index := NewMachine(), uint64(0)
	do := func(c Command) Result {
		t.Helper()
		index++
		return apply(t, m, index, c)
	}
	place := func(partitions uint32, want ...uint32) {
		t.Helper()
		res := do(CreateTopic{Name: fmt.Sprintf("t%d", index), Partitions: partitions})
		if res.Err != nil || !slices.Equal(res.Topic.Partitions, want) || res.Topic.Epoch != 1 {
			t.Fatalf("a topic of %d partitions is on %v in epoch %d, want %v: %v", partitions, res.Topic.Partitions, res.Topic.Epoch, want, res.Err)
		}
	}
	do(FoundCluster{Name: "dev", ID: "c1", ReceiptKey: ReceiptKey{1}, Partitions: 4})
	place(1, 0) // t1
	place(0, 1) // as many as the default: 1
	place(3, 0, 2, 3)
	place(2, 1, 2)
	place(4, 0, 1, 2, 3)
	do(DeleteTopic{Name: "t3"})
	do(DeleteTopic{Name: "t1"})
	place(1, 0)
	restored := NewMachine()
	if err := restore(restored, snapshot(t, m)); err != nil {
		t.Fatal(err)
	}
	m = restored
	place(2, 0, 3)
	if refused, ok := errors.AsType[*Error](do(CreateTopic{Name: "wide", Partitions: 5}).Err); !ok || refused.Field != "partitions" || refused.Limit != 4 {
		t.Errorf("more partitions than there are: %v", refused)
	}
	if refused, ok := errors.AsType[*Error](do(CreateTopic{Name: "t2", Partitions: 2}).Err); !ok || refused.Field != "partitions" {
		t.Errorf("a topic that is there on another number of partitions: %v", refused)
	}
}

// TestNodes: the last word of a node is in force, and what it has said before changes nothing.
func TestNodes(t *testing.T) {
	m := NewMachine()
	apply(t, m, 1, PutNode{Name: "n2", APIAddress: "b:1", PeerAddress: "b:2", Version: "v1"})
	apply(t, m, 2, PutNode{Name: "n1", APIAddress: "a:1", PeerAddress: "a:2", Version: "v1"})
	before := m.View()
	if apply(t, m, 3, PutNode{Name: "n2", APIAddress: "b:1", PeerAddress: "b:2", Version: "v1"}); m.View() != before {
		t.Error("what was known already made a new view")
	}
	apply(t, m, 4, PutNode{Name: "n2", APIAddress: "b:3", PeerAddress: "b:2", Version: "v2"})
	want := []Node{
		{Name: "n1", APIAddress: "a:1", PeerAddress: "a:2", Version: "v1", Changed: 2}, {Name: "n2", APIAddress: "b:3", PeerAddress: "b:2", Version: "v2", Changed: 4},
	}
	if got := m.View().Nodes(); !slices.Equal(got, want) {
		t.Errorf("nodes are %+v", got)
	}
	if got := before.Nodes(); got[1].Version != "v1" {
		t.Errorf("an old view changed: %+v", got) // M4
	}
	restored := NewMachine()
	if err := restore(restored, snapshot(t, m)); err != nil || !slices.Equal(restored.View().Nodes(), want) || !bytes.Equal(snapshot(t, m), snapshot(t, restored)) {
		t.Errorf("restored are %+v, %v", restored.View().Nodes(), err)
	}
	if _, err := Encode(PutNode{Name: "n1", APIAddress: string(make([]byte, AddressBytesMax+1))}); err == nil {
		t.Error("an address of 256 bytes is taken")
	}
	for i := range NodesMax - 2 {
		if res := apply(t, m, uint64(5+i), PutNode{Name: fmt.Sprintf("m%d", i)}); res.Err != nil {
			t.Fatal(res.Err)
		}
	}
	if res := apply(t, m, 100, PutNode{Name: "more"}); res.Err == nil {
		t.Error("there are more nodes than may be")
	}
}
