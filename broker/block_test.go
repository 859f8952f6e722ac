package broker

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
)

// blockOf writes a block of a script's lines: an event's JSON, or `text CONTENT-TYPE [name=value ...] DATA` for one that isn't. Words in front
// of either in brackets are properties: [key=k dedup=d deliver=1h], deliver after the clock's start.
func blockOf(t *testing.T, o block.Options, lines []string) []byte {
	t.Helper()
	var w block.Writer
	if err := w.Reset(o); err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		if err := w.Append(eventOf(t, line)); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	b, err := w.Finish(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func eventOf(t *testing.T, line string) *block.Event {
	t.Helper()
	e := &block.Event{}
	if properties, rest, ok := strings.Cut(strings.TrimPrefix(line, "["), "] "); ok && strings.HasPrefix(line, "[") {
		for p := range strings.FieldsSeq(properties) {
			name, value, _ := strings.Cut(p, "=")
			switch name {
			case "key":
				e.Key = value
			case "dedup":
				e.DedupID = value
			case "deliver":
				after, err := time.ParseDuration(value)
				if err != nil {
					t.Fatal(err)
				}
				e.DeliverAtMillis = clockStart.Add(after).UnixMilli()
			default:
				t.Fatalf("%s: unknown property %q", line, name)
			}
		}
		line = rest
	}
	if text, ok := strings.CutPrefix(line, "text "); ok {
		words := strings.Fields(text)
		e.ContentType, words = words[0], words[1:]
		for len(words) > 0 && strings.Contains(words[0], "=") {
			name, value, _ := strings.Cut(words[0], "=")
			e.Attributes = append(e.Attributes, block.Attribute{Name: name, Value: value})
			words = words[1:]
		}
		line = strings.Join(words, " ")
	}
	if n, ok := strings.CutPrefix(line, "zeros "); ok {
		size, err := strconv.Atoi(n)
		if err != nil {
			t.Fatal(err)
		}
		line = strings.Repeat("0", size)
	}
	e.Data = []byte(line)
	return e
}

// showEvent writes an event as a script does.
func showEvent(v *block.View) string {
	var b strings.Builder
	if key := v.Key(); key != nil {
		fmt.Fprintf(&b, "[key=%s] ", key)
	}
	if !v.IsJSON() {
		fmt.Fprintf(&b, "text %s ", v.ContentType())
		for name, value := range v.Attributes() {
			fmt.Fprintf(&b, "%s=%s ", name, value)
		}
	}
	if data := v.Data(); len(data) > 200 {
		fmt.Fprintf(&b, "(%d bytes)", len(data))
	} else {
		b.Write(data)
	}
	return b.String()
}

// eventsOf reads all events of blocks.
func eventsOf(t *testing.T, blocks ...[]byte) (events []string) {
	t.Helper()
	var r block.Reader
	for _, raw := range blocks {
		b, err := block.Open(raw)
		if err != nil {
			t.Fatal(err)
		}
		for r.Reset(&b); r.Next(); {
			events = append(events, showEvent(r.View()))
		}
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return events
}
