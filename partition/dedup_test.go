package partition

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
)

// TestDedupPartition publishes through the leader's half: its verdict and what applying finds say the same, and a restored replica goes on with both.
func TestDedupPartition(t *testing.T) {
	dir := t.TempDir()
	p := openPartition(t, dir)
	p.replica.mu.Lock()
	p.replica.mu.machine.dedup.generationIDs = 3
	p.replica.mu.Unlock()
	publish := func(ids ...string) Published {
		t.Helper()
		raw := testBlockWith(t, len(ids), 10, block.Producer{}, func(i int) string { return ids[i] })
		pub, err := p.Publish(t.Context(), Publication{Stream: 1, Block: raw, ReportMatches: true})
		if err != nil {
			t.Fatal(err)
		}
		return pub
	}
	for i := range 10 {
		id := fmt.Sprint("order-", i)
		publish(id, "")
		want := Repeat{Event: 1, First: Offset(i * 4)}
		if pub := publish("", id); len(pub.Repeats) != 1 || pub.Repeats[0] != want || fmt.Sprint(pub.Matched) != "[{10 [0]}]" {
			t.Errorf("%s again: %+v", id, pub)
		}
	}
	p.replica.look(func(m *Machine) {
		if n := len(m.dedup.generations); n < 3 {
			t.Errorf("ten ids are in %d generations", n)
		}
	})
	if pub := publish("order-0", "order-9"); fmt.Sprint(pub.Repeats) != "[{0 0} {1 36}]" || len(pub.Matched) != 0 {
		t.Errorf("%+v", pub)
	}
	if s, err := p.Next(t.Context(), 1, 40, false); err != nil || fmt.Sprint(s.Repeats) != "[0 1]" {
		t.Errorf("read %+v, %v", s.Repeats, err)
	}
}

// TestDedupIDsAreBounded publishes more ids than are remembered: they are refused, and not a single one is forgotten before its time.
func TestDedupIDsAreBounded(t *testing.T) {
	p := openPartition(t, t.TempDir())
	p.replica.mu.Lock()
	p.replica.mu.machine.dedup.idsMax = 10
	p.replica.mu.Unlock()
	publish := func(from, n int) error {
		raw := testBlockWith(t, n, 10, block.Producer{}, func(i int) string { return fmt.Sprint(from + i) })
		_, err := p.Publish(t.Context(), Publication{Stream: 1, Block: raw})
		return err
	}
	if err := publish(0, 6); err != nil {
		t.Fatal(err)
	}
	refused, ok := errors.AsType[*RefusedError](publish(6, 5))
	if !ok || refused.Refusal != RefusedDedupFull {
		t.Fatalf("the eleventh id: %v", refused)
	}
	if err := publish(6, 4); err != nil {
		t.Fatal(err)
	}
}

// idsBlock is a block of n events with dedup ids that no other has.
func idsBlock(tb testing.TB, from, n int) []byte {
	return testBlockWith(tb, n, 64, block.Producer{}, func(i int) string { return strconv.Itoa(from + i) })
}

// BenchmarkDedup is what dedup ids cost when as many are remembered as may be: us/apply a block of 1,000 with new ids as it is applied, us/look what the
// leader has to do before that.
func BenchmarkDedup(b *testing.B) {
	m := NewMachine()
	index := Index(0)
	var applying, looking time.Duration
	apply := func(secs ...section) {
		index++
		raw := appendSection(appendEntryHeader(nil), clockSection{Wall: 1, Delta: 1})
		for _, s := range secs {
			raw = appendSection(raw, s)
		}
		began := time.Now()
		if _, err := m.Apply(index, 1, raw); err != nil {
			b.Fatal(err)
		}
		applying += time.Since(began)
	}
	apply(streamSection{Stream: 1})
	next := 0
	publish := func(n int) {
		sec := blockSection{Stream: 1, Matches: []byte{0}, Block: idsBlock(b, next, n)}
		raw, err := block.Open(sec.Block)
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		var generations []*generation
		generations, sec.Checked = m.dedup.frozen()
		sec.judge(&raw, generations, m.clock)
		looking += time.Since(began)
		apply(sec)
		next += n
	}
	for next < DedupIDsMax-20_000 {
		publish(16_000)
	}
	full := m.dedup
	b.ReportAllocs()
	applying, looking = 0, 0
	blocks := 0
	for b.Loop() {
		if m.dedup.count+1_000 > DedupIDsMax { // as it was, without what the loop has added
			m.dedup = full
			m.dedup.generations = slices.Clip(full.generations)
			m.dedup.begin()
		}
		publish(1_000)
		blocks++
	}
	b.ReportMetric(float64(applying.Microseconds())/float64(blocks), "us/apply")
	b.ReportMetric(float64(looking.Microseconds())/float64(blocks), "us/look")
}
