package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEventTellsWhose(t *testing.T) {
	s := newShape(7)
	for _, want := range []struct {
		publisher int
		number    uint64
		at        int64
	}{{0, 0, 0}, {63, 1<<30 - 1, 1 << 60}, {15, 12_345, 67_890}} {
		event := s.appendTo(nil, want.publisher, want.number, want.at)
		if len(event) != eventBytes {
			t.Fatalf("an event has %d bytes, not %d", len(event), eventBytes)
		}
		publisher, number, at, err := identity(event)
		if err != nil || publisher != want.publisher || number != want.number || at != want.at {
			t.Errorf("event %v is read as %d, %d, %d, %v", want, publisher, number, at, err)
		}
		for _, other := range [][]byte{nil, event[1:], append([]byte("x"), event[1:]...), bytes.Replace(event, []byte(`"id":"0`), []byte(`"id":"z`), 1)} {
			if _, _, _, err := identity(other); err == nil {
				t.Errorf("%q is taken for an event", other)
			}
		}
	}
}

// TestLedger: what was confirmed and didn't arrive is lost, what arrives again, or where it isn't for, is repeated.
func TestLedger(t *testing.T) {
	l := newLedger(2, 2, func(subscription, _ int, number uint64) bool { return number%2 == uint64(subscription) })
	l.stored[0].setRange(0, 200)
	l.stored[1].set(3)
	for number := range uint64(199) { // not the last
		if !l.arrive(int(number%2), 0, number) {
			t.Fatalf("event %d isn't taken for the first", number)
		}
	}
	for _, again := range []struct {
		subscription, publisher int
		number                  uint64
	}{{0, 0, 0}, {1, 0, 0}, {0, 2, 0}, {1, 1, numbersMax + 1}} {
		if l.arrive(again.subscription, again.publisher, again.number) {
			t.Errorf("%v is taken for the first", again)
		}
	}
	l.arrive(0, 1, 8) // arrives before it is confirmed: neither sent nor lost
	if sent, received, lost := l.findings(); sent != 201 || received != 199 || lost != 2 {
		t.Errorf("%d sent, %d received, %d lost", sent, received, lost)
	}
}

func TestSilence(t *testing.T) {
	var s silence
	s.broken(5) // nobody listens yet
	s.begin(int64(10 * time.Millisecond))
	s.broken(int64(12 * time.Millisecond))
	s.broken(int64(40 * time.Millisecond))
	s.broken(int64(39 * time.Millisecond)) // from another goroutine
	if got := s.milliseconds(int64(45 * time.Millisecond)); got != 28 {
		t.Errorf("the longest silence is %v ms, not 28", got)
	}
	if s.over() {
		t.Error("four signs of life are taken for its return")
	}
}

func TestCompare(t *testing.T) {
	run := func(round int, system string, rate, ms float64, faults ...string) *result {
		return &result{Round: round, System: system, Work: "w", PublishedPerSecond: rate, EndToEnd: latency{P99: ms}, Faults: faults}
	}
	f := &findings{Rounds: 3, Results: []*result{
		run(1, "a", 100, 1), run(1, "b", 10, 8), run(2, "a", 900, 3), run(2, "b", 30, 6), run(3, "a", 300, 2), run(3, "b", 1e9, 0, "it lost an event"),
	}}
	f.compare([]work{{name: "w", title: "work", measures: []measure{published, p99}}}, []system{&peer{title: "a"}, &peer{title: "b"}})
	rate, slow := f.Rows[0], f.Rows[1]
	if rate.Medians["a"] != 300 || rate.Medians["b"] != 20 || rate.Ratios["b"] != 20 {
		t.Errorf("the rate is %+v", rate)
	}
	if slow.Medians["a"] != 2 || slow.Medians["b"] != 7 || slow.Ratios["b"] != 5 {
		t.Errorf("the latency is %+v", slow)
	}
	out := f.table()
	for _, want := range []string{"| work | published/s | 300 | 20.00 (of 2) | 20.0x better |", "|  | p99 ms | 2.00 | 7.00 (of 2) | 5.0x better |", "it lost an event"} {
		if !strings.Contains(out, want) {
			t.Errorf("the table lacks %q:\n%s", want, out)
		}
	}
}

func TestFigure(t *testing.T) {
	for value, want := range map[float64]string{0: "0", 0.123: "0.12", 99.5: "99.50", 100: "100", 1234.5: "1,234", 1234567: "1,234,567"} {
		if got := figure(value); got != want {
			t.Errorf("%v is written %s, not %s", value, got, want)
		}
	}
}

// TestFreshet: a report of the tool becomes a result, and what isn't one a fault with the tool's words.
func TestFreshet(t *testing.T) {
	script := func(text string) *freshet {
		file := filepath.Join(t.TempDir(), "freshet")
		if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
		return &freshet{program: file}
	}
	kill := &work{name: "failover", freshet: []string{"failover"}, kill: true}
	r, err := script(`test "$1 $2 $3 $4" = "bench failover --at 1s" || exit 9
echo '{"published_per_s": 12.5, "latency_ms": {"p99": 3}, "cpu_s_per_million_nodes": 2, "strike": {"publish_gap_ms": 400}}'`).run(t.Context(), kill, times{before: time.Second})
	if err != nil || r.PublishedPerSecond != 12.5 || r.EndToEnd.P99 != 3 || r.CPUServers != 2 || r.PublishGap != 400 || len(r.Faults) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = script("echo '{\"faults\": [\"2 events are lost\"]}'; exit 1").run(t.Context(), kill, times{})
	if err != nil || len(r.Faults) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err = script("echo 'no such command' >&2; exit 2").run(t.Context(), kill, times{}); err == nil || !strings.Contains(err.Error(), "no such command") {
		t.Errorf("the error is %v", err)
	}
}

func TestArguments(t *testing.T) {
	for arguments, want := range map[string]string{
		"-works queue,nothing": "no work", "-systems other": "no system", "-rounds 0": "at least 1", "more": "only flags", "-freshet /nowhere -works queue": "/nowhere",
	} {
		err := run(t.Context(), strings.Fields(arguments), &strings.Builder{}, &strings.Builder{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, which doesn't say %q", arguments, err, want)
		}
	}
}
