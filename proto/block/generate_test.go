package block

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// choices makes decisions of a string of bytes: a fuzzer's, or a seed's. When they are used up all decisions are 0.
type choices struct{ bytes []byte }

// choicesOf returns choices that a seed determines.
func choicesOf(seed uint64, n int) *choices {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	b := make([]byte, n)
	source := rand.NewChaCha8(key)
	if _, err := source.Read(b); err != nil {
		panic(err) // its documentation says that it never fails
	}
	return &choices{b}
}

// below decides on a number from 0 to n-1.
func (c *choices) below(n int) int {
	var v uint32
	for range 3 {
		v <<= 8
		if len(c.bytes) > 0 {
			v |= uint32(c.bytes[0])
			c.bytes = c.bytes[1:]
		}
	}
	return int(v) % n
}

// oneIn decides yes once in n times.
func (c *choices) oneIn(n int) bool { return c.below(n) == n-1 }

// text decides on a text of at most bytesMax bytes, or exactly that many once in a while.
func (c *choices) text(bytesMax int) string {
	n := 1 + c.below(min(bytesMax, 24))
	if c.oneIn(50) {
		n = bytesMax
	}
	alphabet := "abcdefghijklmnopqrstuvwxyz-.0123456789"
	text := ""
	if n > 8 && c.oneIn(4) {
		text = "größe" // 7 bytes
	}
	return text + strings.Repeat(string(alphabet[c.below(len(alphabet))]), n-len(text))
}

// event decides on an event, often a plain one.
func (c *choices) event() Event {
	e := Event{Data: make([]byte, c.below(400))}
	switch {
	case c.oneIn(60):
		e.Data = make([]byte, c.below(40_000))
	case c.oneIn(400):
		e.Data = make([]byte, c.below(DataBytesMax+1))
	}
	for i, step := 0, c.below(7); i < len(e.Data); i++ {
		e.Data[i] = byte('a' + i*step%13)
	}
	for _, s := range []*string{&e.Source, &e.DetailType} {
		if !c.oneIn(5) {
			*s = fmt.Sprint("name", c.below(3+c.below(400)))
		}
	}
	if c.oneIn(200) {
		e.Source = strings.Repeat("s", 250+c.below(10)) // at 257 it is unknown
	}
	if !c.oneIn(3) {
		return e
	}
	fields := map[*string]int{
		&e.ContentType: ContentTypeBytesMax, &e.Key: KeyBytesMax, &e.DedupID: DedupIDBytesMax, &e.CorrelationID: CorrelationIDBytesMax,
		&e.TraceParent: TraceParentBytesMax, &e.TraceState: TraceStateBytesMax, &e.CausationID: CausationIDBytesMax, &e.Schema: SchemaBytesMax,
	}
	for _, field := range []*string{&e.ContentType, &e.Key, &e.DedupID, &e.CorrelationID, &e.TraceParent, &e.TraceState, &e.CausationID, &e.Schema} {
		if c.oneIn(3) {
			*field = c.text(fields[field])
		}
	}
	if c.oneIn(8) {
		e.ContentType = ContentTypeJSON
	}
	if c.oneIn(4) {
		e.DeliverAtMillis = int64(c.below(1<<24)) << 16
	}
	if c.oneIn(4) {
		for i := range 1 + c.below(6) {
			e.Attributes = append(e.Attributes, Attribute{Name: fmt.Sprint(i, c.text(AttributeNameBytesMax-1)), Value: c.text(AttributeValueBytesMax)[c.below(2):]})
		}
	}
	return e
}

// events decides on up to n events that fit into a block.
func (c *choices) events(n int) []Event {
	var events []Event
	for size := 0; len(events) < n; {
		e := c.event()
		if size += len(twinRecord(e)); size > BlockBytesMax {
			break
		}
		events = append(events, e)
	}
	return events
}

// encode writes events with a Writer.
func encode(t testing.TB, w *Writer, o Options, events []Event) []byte {
	t.Helper()
	if err := w.Reset(o); err != nil {
		t.Fatal(err)
	}
	for i := range events {
		if err := w.Append(&events[i]); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	b, err := w.Finish(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// open opens a block that is right.
func open(t testing.TB, b []byte) *Block {
	t.Helper()
	block, err := Open(b)
	if err != nil {
		t.Fatal(err)
	}
	return &block
}

// read returns copies of all events.
func read(t testing.TB, b *Block) []Event {
	t.Helper()
	var events []Event
	var r Reader
	for r.Reset(b); r.Next(); {
		events = append(events, r.Event())
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return events
}

// asRead returns events as they are read: what a block doesn't tell apart made the same.
func asRead(events []Event) []Event {
	read := make([]Event, len(events))
	named := [2]map[string]bool{{}, {}}
	for i, e := range events {
		if e.ContentType == ContentTypeJSON {
			e.ContentType = ""
		}
		for d, s := range []*string{&e.Source, &e.DetailType} {
			if *s == "" || named[d][*s] {
				continue
			}
			if len(*s) > DictionaryStringBytesMax || len(named[d]) == DictionaryStringsMax {
				*s = ""
				continue
			}
			named[d][*s] = true
		}
		read[i] = e
	}
	return read
}

// sameEvents fails the test at the first difference.
func sameEvents(t testing.TB, what string, got, want []Event) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d events, want %d", what, len(got), len(want))
	}
	for i := range got {
		g, w := got[i], want[i]
		if !bytes.Equal(g.Data, w.Data) {
			t.Fatalf("%s: event %d has other data, %d bytes, want %d", what, i, len(g.Data), len(w.Data))
		}
		g.Data, w.Data = nil, nil
		if !reflect.DeepEqual(g, w) {
			t.Fatalf("%s: event %d is\n%+v, want\n%+v", what, i, g, w)
		}
	}
}
