package raftlogtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet-mq/freshet/raftlog"
)

// StateStore is an implementation under test, which can be closed.
type StateStore interface {
	raftlog.StateStore
	io.Closer
}

// OpenStateStore opens the store that is on a file system, or makes it. The same file system is opened again after Close,
// and copies of it as a crash would have left them.
type OpenStateStore func(tb testing.TB, fs vfs.FS) StateStore

// TestStateStore runs every test of a raftlog.StateStore's contract.
func TestStateStore(t *testing.T, open OpenStateStore) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, OpenStateStore)
	}{
		{"NothingYet", testNothingYet},
		{"WholeThenChanges", testWholeThenChanges},
		{"AwkwardRecords", testAwkwardRecords},
		{"RecordsAreCopied", testRecordsAreCopied},
		{"GroupsAreApart", testGroupsAreApart},
		{"Remove", testRemove},
		{"ReaderSeesOneCheckpoint", testReaderSeesOneCheckpoint},
		{"BrokenSequences", testBrokenSequences},
		{"Refusals", testRefusals},
		{"Large", testLarge},
		{"Crash", testCrash},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open) })
	}
}

// state is a checkpoint in the most obvious form.
type state struct {
	meta    raftlog.CheckpointMeta
	records map[string]string
}

func (s *state) apply(meta raftlog.CheckpointMeta, records []raftlog.Record, whole bool) *state {
	next := &state{meta: meta, records: map[string]string{}}
	if s != nil && !whole {
		maps.Copy(next.records, s.records)
	}
	for _, r := range records {
		if r.Value == nil {
			delete(next.records, string(r.Key))
		} else {
			next.records[string(r.Key)] = string(r.Value)
		}
	}
	return next
}

func metaAt(index uint64) raftlog.CheckpointMeta {
	return raftlog.CheckpointMeta{
		Index: index, Term: index/10 + 1, Membership: fmt.Appendf(nil, "members of %d", index/3), MembershipIndex: index / 3,
	}
}

func record(key, value string) raftlog.Record {
	return raftlog.Record{Key: []byte(key), Value: []byte(value)}
}

func gone(key string) raftlog.Record { return raftlog.Record{Key: []byte(key)} }

func sequence(records ...raftlog.Record) iter.Seq2[raftlog.Record, error] {
	return func(yield func(raftlog.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func commit(t testing.TB, s raftlog.StateStore, g raftlog.GroupNumber, at uint64, whole bool, records ...raftlog.Record) {
	t.Helper()
	if err := s.Commit(g, metaAt(at), sequence(records...), whole); err != nil {
		t.Fatalf("committing group %d at %d: %v", g, at, err)
	}
}

// read returns a group's checkpoint, nil when there is none, and what is wrong with how it is told.
func read(s raftlog.StateStore, g raftlog.GroupNumber) (*state, error) {
	meta, found, err := s.Latest(g)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, nil
	}
	r, err := s.Open(g)
	if err != nil {
		return nil, fmt.Errorf("there is a checkpoint at %d, and opening it: %w", meta.Index, err)
	}
	if !equalMeta(r.Meta(), meta) {
		return nil, errors.Join(fmt.Errorf("latest is %+v, the reader's is %+v", meta, r.Meta()), r.Close())
	}
	got, err := walk(r)
	return got, errors.Join(err, r.Close())
}

func walk(r raftlog.StateReader) (*state, error) {
	got := &state{meta: r.Meta(), records: map[string]string{}}
	last, first := []byte(nil), true
	for record, err := range r.Records() {
		switch {
		case err != nil:
			return nil, err
		case record.Value == nil:
			return nil, fmt.Errorf("the record %q has no value", record.Key)
		case !first && bytes.Compare(record.Key, last) <= 0:
			return nil, fmt.Errorf("the record %q comes after %q", record.Key, last)
		}
		last, first = bytes.Clone(record.Key), false
		got.records[string(record.Key)] = string(record.Value)
	}
	return got, nil
}

func equalMeta(a, b raftlog.CheckpointMeta) bool {
	return a.Index == b.Index && a.Term == b.Term && a.MembershipIndex == b.MembershipIndex && bytes.Equal(a.Membership, b.Membership)
}

// differ says how two states differ; empty when they don't.
func differ(got, want *state) string {
	switch {
	case got == nil && want == nil:
		return ""
	case got == nil:
		return fmt.Sprintf("there is no checkpoint, there was one at %d", want.meta.Index)
	case want == nil:
		return fmt.Sprintf("there is a checkpoint at %d, there was none", got.meta.Index)
	case !equalMeta(got.meta, want.meta):
		return fmt.Sprintf("it stands for %+v, expected %+v", got.meta, want.meta)
	}
	for _, key := range slices.Sorted(maps.Keys(want.records)) {
		if value, found := got.records[key]; !found || value != want.records[key] {
			return fmt.Sprintf("at %d, the record %q is %.40q (%v), expected %.40q", got.meta.Index, key, value, found, want.records[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got.records)) {
		if _, found := want.records[key]; !found {
			return fmt.Sprintf("at %d, there is a record %q, expected none", got.meta.Index, key)
		}
	}
	return ""
}

func expect(t testing.TB, s raftlog.StateStore, g raftlog.GroupNumber, want *state) {
	t.Helper()
	got, err := read(s, g)
	if err != nil {
		t.Fatalf("reading group %d: %v", g, err)
	}
	if d := differ(got, want); d != "" {
		t.Fatalf("group %d: %s", g, d)
	}
}

// closed closes a store when the test ends.
func closed(t testing.TB, s StateStore) StateStore {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

// again closes a store and opens it anew.
func again(t testing.TB, open OpenStateStore, fs vfs.FS, s StateStore) StateStore {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("closing: %v", err)
	}
	return open(t, fs)
}
