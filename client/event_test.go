package client

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

var eventNow = time.Date(2026, 3, 1, 12, 30, 0, 123_456_789, time.FixedZone("CET", 3600))

func TestEnvelopeIsBuilt(t *testing.T) {
	e := Event{
		ID: "1", Source: `com."shop"`, DetailType: "Order <Created>", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Resources: []string{"a", "ü"}, Detail: map[string]any{"amount": 24.62, "note": "<&>"},
	}
	r, err := e.record(eventNow)
	want := `{"version":"0","id":"1","detail-type":"Order <Created>","source":"com.\"shop\"","time":"2026-01-02T03:04:05Z",` +
		`"resources":["a","ü"],"detail":{"amount":24.62,"note":"<&>"}}`
	if err != nil || string(r.Data) != want || r.Source != `com."shop"` || r.DetailType != "Order <Created>" {
		t.Errorf("%s\n%v", r.Data, err)
	}
}

func TestEnvelopeIsFilledIn(t *testing.T) {
	r, err := (&Event{Detail: json.RawMessage(`{ "a" : 1, "a" : 2 }`)}).record(eventNow)
	want := regexp.MustCompile(`^{"version":"0","id":"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}","time":"2026-03-01T11:30:00.123Z","detail":{ "a" : 1, "a" : 2 }}$`)
	if err != nil || !want.Match(r.Data) {
		t.Errorf("%s\n%v", r.Data, err)
	}
	if r, err = (&Event{}).record(eventNow); err != nil || !strings.HasSuffix(string(r.Data), `,"detail":{}}`) {
		t.Errorf("%s\n%v", r.Data, err)
	}
}

// TestRawStaysAsItIs, whatever it is.
func TestRawStaysAsItIs(t *testing.T) {
	for _, raw := range []string{`{"source":"s","detail-type":"d"}`, ` { "id" : 1 } `, `[1]`, `nonsense`, ``} {
		e := EventFromJSON([]byte(raw))
		r, err := e.record(eventNow)
		if err != nil || string(r.Data) != raw || r.ContentType != "" {
			t.Errorf("%q became %q: %v", raw, r.Data, err)
		}
	}
	e := Event{Data: []byte{0, 1}, ContentType: "application/x", Attributes: []Attribute{{"a", "b"}}}
	if r, err := e.record(eventNow); err != nil || string(r.Data) != "\x00\x01" || r.Attributes[0].Value != "b" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestScanEnvelope(t *testing.T) {
	for _, c := range []struct{ raw, source, detailType string }{
		{`{"source":"s","detail-type":"d","detail":{"source":"x"}}`, "s", "d"},
		{`{"detail":{"source":"x","detail-type":"y"},"detail-type":"\u0064","source":"s"}`, "s", "d"},
		{`{"detail":[{"source":"x"}],"source":5,"detail-type":null}`, "", ""},
		{`{"source":"s","source":"t"}`, "s", ""},
		{`{"s\u006furce":"s"}`, "s", ""},
		{`{"source":"s",`, "s", ""},
		{`["source","s"]`, "", ""},
		{`"source"`, "", ""},
		{``, "", ""},
	} {
		if source, detailType := scanEnvelope([]byte(c.raw)); source != c.source || detailType != c.detailType {
			t.Errorf("%s: %q, %q", c.raw, source, detailType)
		}
	}
}

// FuzzScanEnvelope: what the scan finds is what a parser finds.
func FuzzScanEnvelope(f *testing.F) {
	for _, seed := range []string{`{"source":"s","detail-type":"d"}`, `{"detail":{"source":[1,{}]},"source":"\ud83d\ude00"}`, `{"source":"\ud800"}`, `[]`, "{\"source\":\"\xff\"}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		source, detailType := scanEnvelope(raw)
		var members []json.RawMessage
		if json.Unmarshal(raw, &members) == nil || !json.Valid(raw) {
			return // an array, or no JSON: whatever was found before the fault is a hint like any other
		}
		var parsed map[string]json.RawMessage
		if json.Unmarshal(raw, &parsed) != nil {
			if source != "" || detailType != "" {
				t.Errorf("%q: found %q, %q in what is no object", raw, source, detailType)
			}
			return
		}
		for name, found := range map[string]string{"source": source, "detail-type": detailType} {
			var want any
			if value, ok := parsed[name]; found == "" || ok && json.Unmarshal(value, &want) == nil && want == any(found) {
				continue
			}
			if strings.Count(string(raw), name) < 2 && !strings.Contains(string(raw), `\`) { // or else it comes twice: parsers take the last
				t.Errorf("%q: %s is %v, found %q", raw, name, want, found)
			}
		}
	})
}

func TestEnvelopeIsRead(t *testing.T) {
	e := EventFromJSON([]byte(`{"version":"0","id":"7","source":"s","detail-type":"d","time":"2019-10-16T16:05:09-04:00","detail":{"price":24.62}}`))
	envelope, err := e.Envelope()
	if err != nil || envelope.ID != "7" || envelope.Source != "s" || envelope.DetailType != "d" || envelope.Time.UTC().Hour() != 20 {
		t.Errorf("%+v, %v", envelope, err)
	}
	var detail struct{ Price float64 }
	if err := e.Decode(&detail); err != nil || detail.Price != 24.62 {
		t.Errorf("%+v, %v", detail, err)
	}
	for name, e := range map[string]Event{
		"text":      {Data: []byte("x"), ContentType: "text/plain"},
		"no JSON":   {Data: []byte("x")},
		"no data":   {Source: "s"},
		"no detail": {Data: []byte("{}")},
	} {
		if err := e.Decode(&detail); err == nil {
			t.Errorf("%s was decoded", name)
		}
	}
	if _, err := (&Event{Data: []byte("[]")}).Envelope(); err == nil {
		t.Error("an array has an envelope")
	}
}

// TestRecordAndBack: what an event has beside its data goes into a block and comes out again.
func TestRecordAndBack(t *testing.T) {
	e := Event{
		Data: []byte("x"), ContentType: "text/plain", Key: "k", DedupID: "d", DeliverAt: eventNow.UTC().Truncate(time.Millisecond),
		CorrelationID: "c", CausationID: "a", TraceParent: "p", TraceState: "s", Schema: "m", Attributes: []Attribute{{"n", "v"}},
	}
	r, err := e.record(eventNow)
	if err != nil {
		t.Fatal(err)
	}
	if got := eventOf(r); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", e) {
		t.Errorf("%+v\nbecame\n%+v", e, got)
	}
}
