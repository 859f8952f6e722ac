package raftlogtest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet-mq/freshet/raftlog"
)

func testNothingYet(t *testing.T, open OpenStateStore) {
	s := closed(t, open(t, vfs.NewMem()))
	if _, found, err := s.Latest(1); found || err != nil {
		t.Fatalf("a new store has a checkpoint of group 1: %v, %v", found, err)
	}
	if r, err := s.Open(1); err == nil {
		t.Fatal("a checkpoint that isn't there was opened", r.Close())
	}
	if err := s.Remove(1); err != nil {
		t.Fatalf("removing what isn't there: %v", err)
	}
	if groups, err := s.Groups(); err != nil || len(groups) != 0 {
		t.Fatalf("a new store has groups %v, %v", groups, err)
	}
}

func testWholeThenChanges(t *testing.T, open OpenStateStore) {
	fs := vfs.NewMem()
	s := open(t, fs)
	var want *state
	step := func(at uint64, whole bool, records ...raftlog.Record) {
		t.Helper()
		commit(t, s, 1, at, whole, records...)
		want = want.apply(metaAt(at), records, whole)
		expect(t, s, 1, want)
	}
	step(3, true, record("a", "1"), record("b", "2"), record("c", "3"))
	step(5, false, record("b", "two"), gone("c"), record("d", "4"))
	step(5, false) // nothing changed, at the same entry
	step(6, false, gone("never there"), record("c", "again"))
	s = again(t, open, fs, s)
	expect(t, s, 1, want)
	step(9, true, record("b", "whole"), record("e", ""))
	step(10, false, gone("b"))
	step(12, true) // a state of nothing
	step(12, true, record("x", "y"))
	s = again(t, open, fs, s)
	expect(t, s, 1, want)
	step(11, true, record("older", "state")) // another node's may be behind
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func testAwkwardRecords(t *testing.T, open OpenStateStore) {
	fs := vfs.NewMem()
	s := open(t, fs)
	records := []raftlog.Record{
		{Key: []byte{}, Value: []byte("no key")}, {Key: []byte{0}, Value: []byte{}}, {Key: []byte{0, 0}, Value: []byte{0}},
		{Key: []byte{0xff}, Value: []byte("high")}, {Key: bytes.Repeat([]byte{0xff}, 40), Value: []byte("higher")},
		{Key: bytes.Repeat([]byte("k"), raftlog.RecordKeyBytesMax), Value: []byte("long key")}, {Key: []byte("large"), Value: make([]byte, 3<<20)},
	}
	slices.SortFunc(records, func(a, b raftlog.Record) int { return bytes.Compare(a.Key, b.Key) })
	highest := ^raftlog.GroupNumber(0)
	meta := raftlog.CheckpointMeta{Index: 1<<64 - 1, Term: 1 << 60}
	for _, g := range []raftlog.GroupNumber{0, highest} {
		if err := s.Commit(g, meta, sequence(records...), true); err != nil {
			t.Fatal(err)
		}
	}
	s = closed(t, again(t, open, fs, s))
	want := (*state)(nil).apply(meta, records, true)
	expect(t, s, 0, want)
	expect(t, s, highest, want)
	if err := s.Remove(0); err != nil {
		t.Fatal(err)
	}
	expect(t, s, 0, nil)
	expect(t, s, highest, want)
}

// testRecordsAreCopied: a sequence's keys and values are valid until the next step only.
func testRecordsAreCopied(t *testing.T, open OpenStateStore) {
	s := closed(t, open(t, vfs.NewMem()))
	want := &state{meta: metaAt(1), records: map[string]string{}}
	key, value := []byte("key 0"), []byte("value 0")
	walk := func(yield func(raftlog.Record, error) bool) {
		for i := range byte(10) {
			key[4], value[6] = '0'+i, '0'+i
			want.records[string(key)] = string(value)
			if !yield(raftlog.Record{Key: key, Value: value}, nil) {
				return
			}
		}
	}
	for _, whole := range []bool{true, false} {
		meta := metaAt(1)
		if err := s.Commit(1, meta, walk, whole); err != nil {
			t.Fatal(err)
		}
		copy(meta.Membership, "scribbled") // it is the caller's again
		key[4], value[6] = 'x', 'x'
		expect(t, s, 1, want)
	}
}

func testGroupsAreApart(t *testing.T, open OpenStateStore) {
	fs := vfs.NewMem()
	s := open(t, fs)
	want := map[raftlog.GroupNumber]*state{}
	for at, g := range []raftlog.GroupNumber{7, 1, 256, 7, 255, 1, 7} {
		records := []raftlog.Record{record("same key", fmt.Sprint(g, at)), record(fmt.Sprint("of ", at), "x")}
		_, known := want[g]
		commit(t, s, g, uint64(at), !known || at == 6, records...)
		want[g] = want[g].apply(metaAt(uint64(at)), records, !known || at == 6)
	}
	s = closed(t, again(t, open, fs, s))
	for g, state := range want {
		expect(t, s, g, state)
	}
	groups, err := s.Groups()
	if expected := slices.Sorted(maps.Keys(want)); err != nil || !slices.Equal(groups, expected) {
		t.Fatalf("groups are %v, %v; expected %v", groups, err, expected)
	}
}

func testRemove(t *testing.T, open OpenStateStore) {
	fs := vfs.NewMem()
	s := open(t, fs)
	for g := range raftlog.GroupNumber(3) {
		commit(t, s, g, 1, true, record("a", fmt.Sprint(g)))
	}
	for range 2 { // the second time there is nothing
		if err := s.Remove(1); err != nil {
			t.Fatal(err)
		}
		expect(t, s, 1, nil)
	}
	s = closed(t, again(t, open, fs, s))
	groups, err := s.Groups()
	if err != nil || !slices.Equal(groups, []raftlog.GroupNumber{0, 2}) {
		t.Fatalf("groups are %v, %v", groups, err)
	}
	commit(t, s, 1, 1, true, record("b", "new"))
	expect(t, s, 1, &state{meta: metaAt(1), records: map[string]string{"b": "new"}})
}

// testReaderSeesOneCheckpoint keeps a reader open while its checkpoint is changed, replaced and removed.
func testReaderSeesOneCheckpoint(t *testing.T, open OpenStateStore) {
	s := closed(t, open(t, vfs.NewMem()))
	var records []raftlog.Record
	for i := range 500 {
		records = append(records, record(fmt.Sprintf("%04d", i), strings.Repeat("x", i)))
	}
	commit(t, s, 1, 1, true, records...)
	want := (*state)(nil).apply(metaAt(1), records, true)
	r, err := s.Open(1)
	if err != nil {
		t.Fatal(err)
	}
	for step, change := range []func(){
		func() {},
		func() { commit(t, s, 1, 2, false, gone("0000"), record("0001", "changed"), record("new", "")) },
		func() { commit(t, s, 1, 3, true, record("0002", "replaced")) },
		func() {
			if err := s.Remove(1); err != nil {
				t.Fatal(err)
			}
		},
	} {
		seen := 0
		for _, err := range r.Records() { // the change comes in the middle of a walk, and between two
			if err != nil {
				t.Fatal(err)
			}
			if seen++; seen == 100 {
				change()
			}
		}
		got, err := walk(r)
		if err != nil {
			t.Fatal(err)
		}
		if d := differ(got, want); d != "" || seen != len(records) {
			t.Fatalf("after change %d the reader sees %d records: %s", step, seen, d)
		}
	}
	for _, err := range r.Records() { // a walk may end early
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	expect(t, s, 1, nil)
}

var errBroken = errors.New("the sequence breaks off")

// testBrokenSequences: a state that breaks off on its way, or says that a whole state lacks what it has, changes nothing.
func testBrokenSequences(t *testing.T, open OpenStateStore) {
	fs := vfs.NewMem()
	s := open(t, fs)
	broken := func(yield func(raftlog.Record, error) bool) {
		for i := range 3_000 {
			if !yield(record(fmt.Sprintf("%05d", i), strings.Repeat("y", 4<<10)), nil) {
				return
			}
		}
		yield(raftlog.Record{}, errBroken)
	}
	if err := s.Commit(1, metaAt(5), broken, true); !errors.Is(err, errBroken) {
		t.Fatalf("a first state that breaks off is answered with %v", err)
	}
	expect(t, s, 1, nil)
	commit(t, s, 1, 6, true, record("a", "1"), record("00001", "b"))
	want := &state{meta: metaAt(6), records: map[string]string{"a": "1", "00001": "b"}}
	for _, whole := range []bool{true, false} {
		if err := s.Commit(1, metaAt(7), broken, whole); !errors.Is(err, errBroken) {
			t.Fatalf("a state that breaks off (whole: %v) is answered with %v", whole, err)
		}
		expect(t, s, 1, want)
	}
	if err := s.Commit(1, metaAt(7), sequence(record("b", "2"), gone("a")), true); err == nil {
		t.Fatal("a whole state with a record that is gone was taken")
	}
	expect(t, s, 1, want)
	s = closed(t, again(t, open, fs, s))
	expect(t, s, 1, want)
	commit(t, s, 1, 8, true, record("c", "3"))
	expect(t, s, 1, &state{meta: metaAt(8), records: map[string]string{"c": "3"}})
}

// testRefusals: changes need something to change, and don't lead back.
func testRefusals(t *testing.T, open OpenStateStore) {
	s := closed(t, open(t, vfs.NewMem()))
	if err := s.Commit(1, metaAt(5), sequence(record("a", "1")), false); err == nil {
		t.Fatal("changes to no checkpoint were taken")
	}
	expect(t, s, 1, nil)
	commit(t, s, 1, 5, true, record("a", "1"))
	if err := s.Commit(1, metaAt(4), sequence(record("a", "older")), false); err == nil {
		t.Fatal("changes that lead back from entry 5 to 4 were taken")
	}
	expect(t, s, 1, &state{meta: metaAt(5), records: map[string]string{"a": "1"}})
}

// testLarge has states of many batches, one after the other.
func testLarge(t *testing.T, open OpenStateStore) {
	fs := vfs.NewMem()
	s := open(t, fs)
	var want *state
	for round := range 3 {
		records := make([]raftlog.Record, 0, 4_000)
		for i := range 4_000 - 500*round {
			records = append(records, record(fmt.Sprintf("%02d-%06d", i%7, i), strings.Repeat(fmt.Sprint(round), 1<<10)))
		}
		slices.SortFunc(records, func(a, b raftlog.Record) int { return bytes.Compare(a.Key, b.Key) })
		commit(t, s, 1, uint64(round), true, records...)
		want = want.apply(metaAt(uint64(round)), records, true)
	}
	s = closed(t, again(t, open, fs, s))
	expect(t, s, 1, want)
}
