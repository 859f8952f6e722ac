package partition

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/freshet-mq/freshet/raftlog"
)

// image is what a state store would have of a machine: what its checkpoints add up to.
type image map[string][]byte

// take takes a checkpoint, and compares what there is then with the whole state.
func (i image) take(m *Machine, whole bool) error {
	if whole {
		clear(i)
	}
	seen := map[string]bool{}
	for _, r := range m.Checkpoint(whole) {
		key := string(r.Key)
		if seen[key] {
			return fmt.Errorf("the record %x comes twice", key)
		}
		seen[key] = true
		switch _, there := i[key]; {
		case r.Value != nil:
			i[key] = bytes.Clone(r.Value)
		case !there || whole:
			return fmt.Errorf("the record %x goes, which isn't there", key)
		default:
			delete(i, key)
		}
	}
	return i.compare(m)
}

// compare tells how the image differs from the machine's state.
func (i image) compare(m *Machine) error {
	want := image{}
	for _, r := range m.records() {
		want[string(r.Key)] = r.Value
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if got, there := i[key]; !there || !bytes.Equal(got, want[key]) {
			return fmt.Errorf("the record %x is %x (%v) as of all checkpoints, and %x of the state: a change wasn't marked", key, got, there, want[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(i)) {
		if _, there := want[key]; !there {
			return fmt.Errorf("the record %x should be gone: %x", key, i[key])
		}
	}
	return nil
}

// walk yields the records as a state store does: in the order of their keys, in bytes that are used again.
func (i image) walk() iter.Seq2[raftlog.Record, error] {
	return func(yield func(raftlog.Record, error) bool) {
		var key, value []byte
		for _, k := range slices.Sorted(maps.Keys(i)) {
			key, value = append(key[:0], k...), append(value[:0], i[k]...)
			if !yield(raftlog.Record{Key: key, Value: value}, nil) {
				return
			}
			for _, b := range [][]byte{key, value} {
				for at := range b {
					b[at] = 0xaa
				}
			}
		}
	}
}
