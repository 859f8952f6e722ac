package partition

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/proto/block"
)

// seedEntries returns entries that use every kind of section.
func seedEntries(tb testing.TB) [][]byte {
	tb.Helper()
	queue := CursorID{Subscription: 10}
	all := [][]section{
		{
			streamSection{Stream: 1},
			subscriptionSection{SubscriptionConfig{ID: 10, Stream: 1, Kind: KindQueue, Visibility: 1_000, AttemptsMax: 2}},
			subscriptionSection{SubscriptionConfig{
				ID: 11, Stream: 1, Kind: KindFanout, Visibility: 1_000, AttemptsMax: 2, Pattern: `{"a":[1]}`, Members: []string{"x", "y"},
			}},
			attachSection{Session: sessionNamed("a"), Connection: 1, Cursor: queue, CreditEvents: 2, CreditBytes: 1_000},
		},
		{
			blockSection{
				Stream: 1, SetVersion: 2, Block: testBlock(tb, 4, 40, block.Producer{ID: block.ProducerID{1}, Epoch: 1, Sequence: 1}),
				Matches: appendMatchIndex(nil, 4, []matched{{Subscription: 11, Words: []uint64{0b101}}}),
			},
			takeSection{Cursor: queue, Events: 1, Bytes: 100},
			blockSection{
				Stream: 1, SetVersion: 2, Matches: appendMatchIndex(nil, 3, nil), Checked: 1, Repeats: []Repeat{{1, 0}},
				Block: testBlockWith(tb, 3, 40, block.Producer{}, func(i int) string { return "abb"[i : i+1] }),
			},
		},
		{
			settleSection{Session: sessionNamed("a"), Sequence: 1, Received: 1, Decisions: []Decision{
				{Verb: VerbAck, Leased: []Leased{{Delivery: 1, Runs: []Run{{1, 1}}}}},
				{Verb: VerbRelease, Leased: []Leased{{Delivery: 1}}, After: 500, Reason: "later"},
				{Verb: VerbExtend},
			}},
			returnSection{Decision: Decision{Verb: VerbReject, Reason: "no"}, Receipts: []Receipt{{queue, 0, 2}}},
			creditSection{Session: sessionNamed("a"), Connection: 1, Events: 9, Bytes: 9_000},
		},
		{blockSection{Stream: 1, SetVersion: 2, Matches: appendMatchIndex(nil, 5, nil), Block: testBlock(tb, 5, 40, block.Producer{})}},
		{ // holes in a delivery's positions, and a part of it with a lease of its own
			settleSection{Session: sessionNamed("a"), Sequence: 2, Received: 3, Decisions: []Decision{
				{Verb: VerbAck, Leased: []Leased{{Delivery: 3, ByPosition: true, Runs: []Run{{1, 1}, {3, 1}, {9, 7}}}}},
				{Verb: VerbExtend, Leased: []Leased{{Delivery: 3, ByPosition: true, Runs: []Run{{4, 1}}}}, After: 3_000},
			}},
		},
		{
			detachSection{Session: sessionNamed("a"), Connection: 1},
			attachSection{Session: sessionNamed("b"), Connection: 2, Stamp: 1 << 40, Answered: 1 << 39, Cursor: CursorID{11, "z"}, CreditEvents: 5, CreditBytes: 100},
		},
		{
			subscriptionSection{SubscriptionConfig{
				ID: 12, Stream: 1, Kind: KindQueue, Visibility: 1_000, AttemptsMax: 2, From: FromEarliest,
			}},
			fillSection{Cursor: CursorID{Subscription: 12}, From: 0, To: 3, Runs: []sizedRun{
				{Run: Run{0, 1}, Classes: []sizeClass{9}}, {Run: Run{1, 2}, Classes: []sizeClass{9, 10}, Keys: []uint64{7, 0}},
			}},
			streamSection{Stream: 1, Retention: &Retention{Age: 1_000, Bytes: 1 << 20, Drop: true}},
		},
		{
			subscriptionSection{SubscriptionConfig{ID: 14, Stream: 1, Kind: KindQueue, Visibility: 1_000, AttemptsMax: 2, Ordered: true}},
			attachSection{Session: sessionNamed("c"), Connection: 3, Cursor: CursorID{Subscription: 14}, CreditEvents: 2, CreditBytes: 10_000},
			blockSection{Stream: 1, SetVersion: 4, Matches: []byte{0}, Block: eventsBlock(tb, block.Producer{}, []block.Event{
				{Data: []byte("1"), ContentType: "text/plain", Key: "a"}, {Data: []byte("2"), ContentType: "text/plain", Key: "a"},
				{Data: []byte("3"), ContentType: "text/plain", Key: "a", DeliverAtMillis: 1_500},
				{Data: []byte("4"), ContentType: "text/plain", Key: "b", DeliverAtMillis: 9_000_000},
			})},
		},
		{settleSection{Session: sessionNamed("c"), Sequence: 1, Received: 1, Decisions: []Decision{
			{Verb: VerbRelease, Leased: []Leased{{Delivery: 1}}},
		}}},
		{closeSection{Session: sessionNamed("a"), Received: 2, Unstarted: []Leased{{Delivery: 2}}}},
		{
			redriveSection{Cursor: queue, Reason: DeadRejected, Max: 5},
			redriveSection{Cursor: queue, Max: 5, Runs: []Run{{0, 2}, {3, 1}}},
		},
		{
			removeSection{Stream: 1, Subscription: 11, Member: "x"},
			removeSection{Stream: 1, Subscription: 10},
		},
		{removeSection{Stream: 1}, stateHashSection{StateHash{3, 1, 2}}, stateLevelSection{StateLevel}},
	}
	var entries [][]byte
	for _, secs := range all {
		entry := appendSection(appendEntryHeader(nil), clockSection{Delta: 600, Wall: 1_000})
		for _, s := range secs {
			entry = appendSection(entry, s)
		}
		entries = append(entries, entry)
	}
	return entries
}

// FuzzEntry applies any bytes as an entry, once to an empty machine and once to one in which things have happened: it is refused as corrupt, or the books
// still add up and a snapshot of what came of it can be restored.
func FuzzEntry(f *testing.F) {
	seeds := seedEntries(f)
	for _, e := range seeds {
		f.Add(e)
	}
	f.Fuzz(func(t *testing.T, entry []byte) {
		for _, before := range [][][]byte{nil, seeds[:3]} {
			m := NewMachine()
			for i, e := range before {
				if _, err := m.Apply(Index(i+1), 1, e); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := m.Apply(10, 1, entry); err != nil {
				if !errors.Is(err, ErrCorrupt) {
					t.Fatal(err)
				}
				continue
			}
			if _, err := Restore(m.Snapshot()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzSnapshot restores any bytes: they are refused as corrupt, or give a machine that can go on.
// TestKeptSnapshots: the snapshots that a fuzz target has found are of the version that is read, or they would be refused for another reason than what they have.
func TestKeptSnapshots(t *testing.T) {
	kept, err := filepath.Glob("testdata/fuzz/FuzzSnapshot/*")
	if err != nil || len(kept) == 0 {
		t.Fatalf("%d snapshots, %v", len(kept), err)
	}
	for _, path := range kept {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, literal, _ := strings.Cut(string(text), "[]byte(")
		snapshot, err := strconv.Unquote(strings.TrimSuffix(strings.TrimSpace(literal), ")"))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if _, err := Restore([]byte(snapshot)); err == nil || strings.Contains(err.Error(), "version") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func FuzzSnapshot(f *testing.F) {
	seeds := seedEntries(f)
	m := NewMachine()
	for i, e := range seeds {
		if _, err := m.Apply(Index(i+1), 1, e); err != nil {
			f.Fatal(err)
		}
		f.Add(m.Snapshot())
	}
	f.Fuzz(func(t *testing.T, snapshot []byte) {
		m, err := Restore(snapshot)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if _, err := Restore(m.Snapshot()); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzMatchIndex walks any bytes as a match index over a block of any length, and writes what it found again.
func FuzzMatchIndex(f *testing.F) {
	f.Add(appendMatchIndex(nil, 70, []matched{{1, nil}, {2, []uint64{1, 1}}, {3, []uint64{1 << 40, 32}}}), uint16(70))
	f.Fuzz(func(t *testing.T, index []byte, n uint16) {
		events := int(n)%block.EventsMax + 1
		var list []matched
		err := eachMatched(index, events, func(m matched) {
			if m.Words != nil {
				m.Words = append([]uint64(nil), m.Words...)
			}
			list = append(list, m)
		})
		if err != nil {
			return
		}
		i := 0
		err = eachMatched(appendMatchIndex(nil, events, list), events, func(m matched) {
			if m.Subscription != list[i].Subscription {
				t.Fatalf("subscription %d came back as %d", list[i].Subscription, m.Subscription)
			}
			for e := range events {
				if has(m, e) != has(list[i], e) {
					t.Fatalf("event %d of subscription %d differs", e, m.Subscription)
				}
			}
			i++
		})
		if err != nil || i != len(list) {
			t.Fatalf("written again: %d of %d, %v", i, len(list), err)
		}
	})
}

func has(m matched, i int) bool {
	if m.Words == nil {
		return true
	}
	return m.Words[i/64]>>(i%64)&1 == 1
}
