package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/freshet-mq/freshet/matcher"
)

func shaped(change func(*Options)) (*Options, *shape) {
	o := &Options{Target: "x", Topic: "y"}
	change(o)
	o.EnsureDefaults()
	return o, newShape(o, 7)
}

// TestShape makes events of every shape and many sizes, and wants them to be of the right
// length, JSON where they say so, and recognised.
func TestShape(t *testing.T) {
	for _, form := range []Shape{ShapeJSON, ShapeOrders, ShapeBytes} {
		for _, work := range []Work{WorkQueue, WorkRoute} {
			least := (&Options{Shape: form, Subscriptions: 2, Matches: 1}).eventBytesMin()
			for _, size := range []int{least, least + 1, 350, 1000, 4096, eventBytesMax} {
				_, s := shaped(func(o *Options) { o.Work, o.Shape, o.EventBytes = work, form, max(size, least) })
				event := s.appendTo(nil, 3, 1<<40+5, 123_456_789)
				if len(event) != max(size, least) || json.Valid(event) != (form != ShapeBytes) {
					t.Fatalf("%v, %v, %d bytes: %d, %.400q", work, form, size, len(event), event)
				}
				account, number, at, err := s.read(event)
				if err != nil || account != 3 || number != 1<<40+5 || at != 123_456_789 {
					t.Errorf("%v, %d bytes: read %d, %d, %d, %v", form, size, account, number, at, err)
				}
			}
		}
	}
}

// TestShapeLines takes the events of a file in turns, and leaves their members alone.
func TestShapeLines(t *testing.T) {
	_, s := shaped(func(o *Options) {
		o.Work, o.Lines = WorkRoute, [][]byte{[]byte(`{"source":["a"],"x":1}`), []byte(`{"source":["a"],"x":2}`)}
	})
	seen := map[float64]int{}
	for number := range uint64(100) {
		event := s.appendTo(nil, 1, number, 5)
		var members struct {
			X     float64
			Bench struct{ Class string }
		}
		if err := json.Unmarshal(event, &members); err != nil || len(members.Bench.Class) != 1+classDigits {
			t.Fatalf("%s: %v", event, err)
		}
		if _, got, _, err := s.read(event); err != nil || got != number {
			t.Fatalf("%s: %d, %v", event, got, err)
		}
		seen[members.X]++
	}
	if seen[1] < 20 || seen[2] < 20 || seen[1]+seen[2] != 100 {
		t.Errorf("events come %v times", seen)
	}
}

// TestShapeDistinct wants all events to differ, and neighbours nearly always in their random part
// too: they draw one of 32,768.
func TestShapeDistinct(t *testing.T) {
	_, s := shaped(func(*Options) {})
	randomAt := len(headJSON) + identityBytes + len(jsonRandom)
	var before []byte
	same := 0
	seen := map[string]bool{}
	for account := range 3 {
		for number := range uint64(2_000) {
			event := s.appendTo(nil, account, number, 0)
			if seen[string(event)] {
				t.Fatalf("event %d of account %d was made before", number, account)
			}
			seen[string(event)] = true
			if before != nil && bytes.Equal(event[randomAt:], before[randomAt:]) {
				same++
			}
			before = event
		}
	}
	if same > 5 {
		t.Errorf("%d events have their neighbour's random part", same)
	}
}

// TestShapeRefuses wants an error for what isn't one of the run's events.
func TestShapeRefuses(t *testing.T) {
	_, s := shaped(func(*Options) {})
	event := s.appendTo(nil, 1, 2, 3)
	for _, broken := range [][]byte{
		nil, event[:20], event[:len(headJSON)+identityBytes-1],
		bytes.Replace(event, []byte(`"bench"`), []byte(`"Bench"`), 1),
		bytes.Replace(event, []byte("0001-"), []byte("000x-"), 1),
		bytes.Replace(event, []byte("-000000000002"), []byte("-00000000000G"), 1),
	} {
		if _, _, _, err := s.read(broken); err == nil {
			t.Errorf("%q is taken for an event", broken)
		}
	}
}

// TestClasses asks the matcher which subscriptions an event goes to, and wants the classes to say
// the same, each delivery with a number of its own.
func TestClasses(t *testing.T) {
	for _, kind := range []Patterns{PatternsExact, PatternsNumeric, PatternsMixed} {
		for _, form := range []Shape{ShapeJSON, ShapeOrders} {
			for _, n := range [][2]int{{7, 3}, {10, 1}, {3, 3}, {100, 99}} {
				t.Run(fmt.Sprint(kind, form, n), func(t *testing.T) {
					o, s := shaped(func(o *Options) {
						o.Work, o.Shape, o.Patterns, o.Subscriptions, o.Matches, o.EventBytes = WorkRoute, form, kind, n[0], n[1], 400
					})
					checkClasses(t, o, s)
				})
			}
		}
	}
}

func checkClasses(t *testing.T, o *Options, s *shape) {
	var patterns []*matcher.Pattern
	for i := range o.Subscriptions {
		text := s.classes.pattern(o, i)
		if text == "" {
			text = `{"source":[{"exists":true}]}`
		}
		compiled, err := matcher.Parse([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		patterns = append(patterns, compiled)
	}
	for number := range uint64(200) {
		event := s.appendTo(nil, 2, number, 9)
		copies := map[int]bool{}
		for i, pattern := range patterns {
			matches := pattern.Match(matcher.Event{JSON: event})
			copied, ok := s.classes.copy(mixed(2, number), i, 0)
			if ok != matches {
				t.Fatalf("event %d, subscription %d: matches is %v, copy says %v", number, i, matches, ok)
			}
			if ok && (copies[copied] || copied >= o.Matches) {
				t.Fatalf("event %d: delivery %d is two subscriptions'", number, copied)
			}
			if ok {
				copies[copied] = true
			}
		}
		if len(copies) != o.Matches {
			t.Fatalf("event %d has %d deliveries, %d were wanted", number, len(copies), o.Matches)
		}
	}
}

func BenchmarkShape(b *testing.B) {
	_, s := shaped(func(*Options) {})
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		var event []byte
		number := uint64(0)
		for b.Loop() {
			event = s.appendTo(event[:0], 1, number, int64(number))
			number++
		}
	})
	b.Run("read", func(b *testing.B) {
		event := s.appendTo(nil, 1, 2, 3)
		b.ReportAllocs()
		for b.Loop() {
			if _, _, _, err := s.read(event); err != nil {
				b.Fatal(err)
			}
		}
	})
}
