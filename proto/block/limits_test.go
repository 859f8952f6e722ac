package block

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// atLimit lists each limit of an event with one that is at it by n = 0 and beyond it by n.
var atLimit = map[string]func(n int) Event{
	"data":           func(n int) Event { return Event{Data: make([]byte, DataBytesMax+n)} },
	"content_type":   func(n int) Event { return Event{ContentType: long(ContentTypeBytesMax + n)} },
	"key":            func(n int) Event { return Event{Key: long(KeyBytesMax + n)} },
	"dedup_id":       func(n int) Event { return Event{DedupID: long(DedupIDBytesMax + n)} },
	"correlation_id": func(n int) Event { return Event{CorrelationID: long(CorrelationIDBytesMax + n)} },
	"causation_id":   func(n int) Event { return Event{CausationID: long(CausationIDBytesMax + n)} },
	"traceparent":    func(n int) Event { return Event{TraceParent: long(TraceParentBytesMax + n)} },
	"tracestate":     func(n int) Event { return Event{TraceState: long(TraceStateBytesMax + n)} },
	"schema":         func(n int) Event { return Event{Schema: long(SchemaBytesMax + n)} },
	"deliver_at_ms":  func(n int) Event { return Event{DeliverAtMillis: DeliverAtMax + int64(n)} },
	"attributes":     func(n int) Event { return Event{Attributes: manyAttributes(AttributesMax + n)} },
	"attributes[2].name": func(n int) Event {
		return Event{Attributes: append(manyAttributes(2), Attribute{Name: long(AttributeNameBytesMax + n)})}
	},
	"attributes[3].value": func(n int) Event {
		return Event{Attributes: append(manyAttributes(3), Attribute{Name: "n", Value: long(AttributeValueBytesMax + n)})}
	},
}

func long(n int) string { return strings.Repeat("x", n) }

func manyAttributes(n int) []Attribute {
	attributes := make([]Attribute, n)
	for i := range attributes {
		attributes[i] = Attribute{Name: fmt.Sprint("attribute", i), Value: "v"}
	}
	return attributes
}

// TestLimits: an event at a limit goes all the way, one beyond it by one is refused by name, and the Writer goes on.
func TestLimits(t *testing.T) {
	for field, at := range atLimit {
		var w Writer
		for range 2 {
			beyond := at(1)
			var limit *LimitError
			if err := w.Append(&beyond); !errors.As(err, &limit) || limit.Field != field || limit.Got != limit.Limit+1 {
				t.Errorf("%s: one beyond the limit: %v", field, err)
			}
			within := at(0)
			if err := w.Append(&within); err != nil {
				t.Fatalf("%s: at the limit: %v", field, err)
			}
		}
		b, err := w.Finish(nil)
		if err != nil {
			t.Fatal(err)
		}
		sameEvents(t, field, read(t, open(t, b)), []Event{at(0), at(0)})
		if err := new(Reader).Verify(open(t, b), DataBytesMax); err != nil {
			t.Errorf("%s: verify: %v", field, err)
		}
	}
}

// TestLargestEvent has everything at its limit at once, so that RecordBytesMax is seen to be enough.
func TestLargestEvent(t *testing.T) {
	e := Event{
		Data: make([]byte, DataBytesMax), ContentType: long(ContentTypeBytesMax), Key: long(KeyBytesMax), DedupID: long(DedupIDBytesMax),
		CorrelationID: long(CorrelationIDBytesMax), CausationID: long(CausationIDBytesMax), TraceParent: long(TraceParentBytesMax),
		TraceState: long(TraceStateBytesMax), Schema: long(SchemaBytesMax), DeliverAtMillis: DeliverAtMax, Source: long(256), DetailType: long(256),
	}
	for i := range AttributesMax {
		e.Attributes = append(e.Attributes, Attribute{fmt.Sprintf("%02d", i) + long(AttributeNameBytesMax-2), long(AttributeValueBytesMax)})
	}
	for codec := range codecCount {
		b := open(t, encode(t, new(Writer), Options{Codec: codec}, []Event{e, {}}))
		sameEvents(t, codec.String(), read(t, b), []Event{e, {}})
		if size := b.EventSize(0); size > RecordBytesMax || size < RecordBytesMax-16 {
			t.Errorf("the largest record has %d bytes, RecordBytesMax is %d", size, RecordBytesMax)
		}
	}
}

// TestRefusals are values that no length makes right.
func TestRefusals(t *testing.T) {
	for field, e := range map[string]Event{
		"content_type":        {ContentType: "text/\xff"},
		"key":                 {Key: "\xc0\x80"},
		"schema":              {Schema: "\xed\xa0\x80"}, // a lone surrogate
		"deliver_at_ms":       {DeliverAtMillis: -1},
		"attributes[1].name":  {Attributes: []Attribute{{"a", ""}, {"a", "b"}}},
		"attributes[0].name":  {Attributes: []Attribute{{"", "b"}}},
		"attributes[0].value": {Attributes: []Attribute{{"a", "\xff"}}},
	} {
		var fieldError *FieldError
		if err := new(Writer).Append(&e); !errors.As(err, &fieldError) || fieldError.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if err := new(Writer).Append(&Event{Attributes: []Attribute{{"\xff", ""}}}); err == nil {
		t.Error("a name that isn't UTF-8 was taken")
	}
	if err := new(Writer).Reset(Options{Codec: 3}); err == nil || err.Error() != "block: codec: codec(3) is unknown" {
		t.Errorf("codec 3: %v", err)
	}
	if err := new(Writer).SetProducer(Producer{Sequence: 1}); err == nil {
		t.Error("a sequence without a producer was taken")
	}
}

// TestFull: a block takes exactly its limits, refuses the next event, and is right afterwards.
func TestFull(t *testing.T) {
	var w Writer
	small := Event{Source: "s"}
	for i := range EventsMax {
		if err := w.Append(&small); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	if err := w.Append(&small); !errors.Is(err, ErrFull) || w.Len() != EventsMax {
		t.Errorf("event %d: %v, %d events", EventsMax, err, w.Len())
	}
	b, err := w.Finish(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(read(t, open(t, b))); got != EventsMax {
		t.Errorf("%d events read", got)
	}

	if err := w.Reset(Options{Codec: CodecS2}); err != nil {
		t.Fatal(err)
	}
	large := Event{Data: make([]byte, DataBytesMax-1)} // with its one byte before the data a quarter of a block
	for i := range 4 {
		if err := w.Append(&large); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	if err := w.Append(&Event{}); !errors.Is(err, ErrFull) || w.Size() != BlockBytesMax {
		t.Errorf("an empty event more: %v, %d bytes", err, w.Size())
	}
	if b, err = w.Finish(nil); err != nil {
		t.Fatal(err)
	}
	// Zeros compress far better than RatioMax: the block is padded to what may be inflated.
	if len(b) != (BlockBytesMax+RatioMax-1)/RatioMax || open(t, b).Size() != BlockBytesMax {
		t.Errorf("%d bytes for %d", len(b), BlockBytesMax)
	}
}

// TestEncodedBytesMax makes the longest header: a frame an event, all columns, full dictionaries.
func TestEncodedBytesMax(t *testing.T) {
	p := twinParts{events: EventsMax, columnBits: 63}
	for c, width := range columnBytes {
		p.columns[c] = make([]byte, EventsMax*width)
	}
	for i := range DictionaryStringsMax {
		p.sources = append(p.sources, fmt.Sprintf("%03d", i)+long(253))
		p.detailTypes = append(p.detailTypes, fmt.Sprintf("%03d", i)+long(253))
	}
	record := make([]byte, BlockBytesMax/EventsMax)
	for i := range EventsMax {
		p.frames = append(p.frames, twinFrame{stored: record, records: uint32(len(record)), events: 1})
		p.ends = append(p.ends, uint32(len(record)*(i+1)))
	}
	b := p.bytes()
	if err := new(Reader).Verify(open(t, b), DataBytesMax); err != nil || len(b) != EncodedBytesMax {
		t.Errorf("%d bytes, EncodedBytesMax is %d: %v", len(b), EncodedBytesMax, err)
	}
}
