package partition

import (
	"fmt"
	"testing"

	"github.com/freshet-mq/freshet/proto/block"
)

func (w *walk) publish(tb testing.TB, delta Tick) {
	st := w.streams[w.rng.IntN(len(w.streams))]
	who := w.rng.IntN(2)
	switch w.rng.IntN(12) {
	case 0, 1, 2: // again
		st.sequences[who] = max(st.sequences[who], 1)
	case 3: // the next epoch
		st.epochs[who]++
		st.sequences[who] = 1
	default:
		st.sequences[who]++
	}
	producer := block.Producer{ID: block.ProducerID{byte(1 + who)}, Epoch: st.epochs[who], Sequence: st.sequences[who]}
	if producer.Epoch > 1 && w.rng.IntN(10) == 0 { // one that was fenced
		producer.Epoch--
		producer.Sequence = 1 + w.rng.Uint64N(8)
	}
	n := 1 + w.rng.IntN(90)
	if w.rng.IntN(4) > 0 {
		n = 1 + n%8
	}
	words := make([]uint64, (n+63)/64)
	for i := range n {
		words[i/64] |= uint64(w.rng.IntN(2)) << (i % 64)
	}
	selected := matched{Subscription: 11, Words: words}
	events := w.events(n)
	sec := blockSection{Stream: st.id, SetVersion: st.version, Block: eventsBlock(tb, producer, events)}
	sec.Matches = appendMatchIndex(nil, n, []matched{selected})
	w.judge(tb, &sec, w.m.clock+delta)
	classes := classesOf(tb, sec.Block)
	stale := w.rng.IntN(15) == 0
	if stale {
		sec.SetVersion--
		if st.sequences[who]--; st.sequences[who] == 0 && st.epochs[who] > 1 {
			st.epochs[who]--
			st.sequences[who] = 1 // a duplicate, or forgotten
		}
	}
	w.add(sec, func(r Result) error {
		switch {
		case stale:
			if r.Refused != RefusedSetVersion {
				return fmt.Errorf("P3: a block that was matched against another set is answered %v", r.Refused)
			}
			return nil
		case r.Refused != Done:
			return nil
		}
		before, again := st.stored[producer]
		switch {
		case r.Duplicate && again && before == r.First:
			return nil
		case r.Duplicate || again:
			return fmt.Errorf("block %+v, stored %v at %d, is answered %+v", producer, again, before, r)
		case producer.Epoch < st.latest[who]:
			return fmt.Errorf("block %+v is stored after epoch %d", producer, st.latest[who])
		case r.First != st.next || r.Count != uint32(n):
			return fmt.Errorf("P1: %d events at %d, after %d", r.Count, r.First, st.next)
		}
		if err := st.deduped(w.m.clock, r, events); err != nil {
			return err
		}
		st.stored[producer], st.latest[who] = r.First, producer.Epoch
		st.next += Offset(n)
		st.sizes = append(st.sizes, classes...)
		for i := range events {
			st.keys, st.due = append(st.keys, events[i].Key), append(st.due, Wall(events[i].DeliverAtMillis))
		}
		for i := range n {
			st.selected[r.First+Offset(i)] = has(selected, i)
		}
		for _, l := range w.ledgers {
			l.stored(st, r.First, n, selected)
		}
		for _, repeat := range r.Repeats {
			st.repeated[r.First+Offset(repeat.Event)] = true
			for _, l := range w.ledgers {
				if l.stream == st {
					l.wanted[r.First+Offset(repeat.Event)] = false
				}
			}
		}
		return nil
	})
}

// events makes n events, some of them with one of a few keys, some to be delivered later, and some with one of a few dedup ids, which repeat within a
// block too.
func (w *walk) events(n int) []block.Event {
	events, size, delayed, named := make([]block.Event, n), 1+w.rng.IntN(300), w.rng.IntN(5) == 0, w.rng.IntN(3) == 0
	for i := range events {
		e := &events[i]
		e.Data, e.ContentType = make([]byte, size), "application/octet-stream"
		if key := w.rng.IntN(6); key > 0 {
			e.Key = string(rune('a' + key))
		}
		if named && w.rng.IntN(3) > 0 {
			e.DedupID = fmt.Sprint(w.rng.IntN(200))
		}
		if delayed && w.rng.IntN(3) == 0 {
			if e.DeliverAtMillis = int64(w.m.wall) + w.rng.Int64N(20_000); w.rng.IntN(10) == 0 {
				e.DeliverAtMillis += w.rng.Int64N(3 * 3_600_000)
			}
		}
	}
	return events
}

// judge does what the leader does with dedup ids; when few generations are there, it may be one that had looked before any id came.
func (w *walk) judge(tb testing.TB, sec *blockSection, now Tick) {
	b, err := block.Open(sec.Block)
	if err != nil {
		tb.Fatal(err)
	}
	if len(w.m.dedup.generations) < dedupLiveMax && w.rng.IntN(4) == 0 {
		return
	}
	var generations []*generation
	generations, sec.Checked = w.m.dedup.frozen()
	sec.judge(&b, generations, now)
}

// deduped checks what a stored block's dedup ids were answered, and remembers the new ones.
func (st *walkStream) deduped(now Tick, r Result, events []block.Event) error {
	repeats := map[int]Offset{}
	for _, repeat := range r.Repeats {
		repeats[int(repeat.Event)] = repeat.First
	}
	for i := range events {
		id := events[i].DedupID
		seen, known := st.ids[id]
		first, repeated := repeats[i]
		switch age := now - seen.when; {
		case repeated && (id == "" || !known || age > dedupWindow+dedupWindow/dedupGenerations || first != seen.at):
			return fmt.Errorf("event %d with dedup id %q repeats %d, it was first stored %v ago: %+v", i, id, first, age, seen)
		case !repeated && id != "" && known && age < dedupWindow:
			return fmt.Errorf("event %d with dedup id %q repeats none, %+v is known since %v", i, id, seen, age)
		case !repeated && id != "":
			st.ids[id] = firstSeen{r.First + Offset(i), now}
		}
	}
	return nil
}

// classesOf returns the class of each of a block's events.
func classesOf(tb testing.TB, raw []byte) []sizeClass {
	tb.Helper()
	b, err := block.Open(raw)
	if err != nil {
		tb.Fatal(err)
	}
	classes := sizesOf(nil, &b)
	for len(classes) < b.Len() {
		classes = append(classes, classes[0])
	}
	return classes
}
