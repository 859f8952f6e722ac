package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/freshet-mq/freshet/proto/block"
)

// envelopeVersion is what EventBridge's envelopes have as their version.
const envelopeVersion = "0"

// timeLayout is RFC 3339 with what fraction of a second there is.
const timeLayout = time.RFC3339Nano

// Envelope parses a JSON event. It returns an error when the event isn't JSON, or its members aren't of EventBridge's types.
func (e *Event) Envelope() (Envelope, error) {
	var envelope Envelope
	data, err := e.envelopeBytes()
	if err != nil {
		return envelope, err
	}
	if err := json.Unmarshal(data, &envelope); err != nil {
		return Envelope{}, fmt.Errorf("freshet: the event's envelope: %w", err)
	}
	return envelope, nil
}

// Decode unmarshals the detail of a JSON event into v, as encoding/json does.
func (e *Event) Decode(v any) error {
	var envelope struct {
		Detail json.RawMessage `json:"detail"`
	}
	data, err := e.envelopeBytes()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &envelope); err != nil {
		return fmt.Errorf("freshet: the event's envelope: %w", err)
	}
	if envelope.Detail == nil {
		return errors.New("freshet: the event has no detail")
	}
	if err := json.Unmarshal(envelope.Detail, v); err != nil {
		return fmt.Errorf("freshet: the event's detail: %w", err)
	}
	return nil
}

func (e *Event) envelopeBytes() ([]byte, error) {
	if !e.IsJSON() {
		return nil, fmt.Errorf("freshet: the event is %q, not JSON", e.ContentType)
	}
	if e.Data == nil {
		return nil, errors.New("freshet: the event has no data yet: fields become an envelope when it is published")
	}
	return e.Data, nil
}

// record makes of an event what stands in a block. It refuses fields that contradict each other; their lengths are checked later.
func (e *Event) record(now time.Time) (block.Event, error) {
	r := block.Event{
		Data: e.Data, ContentType: e.ContentType, Key: e.Key, DedupID: e.DedupID,
		Source: e.Source, DetailType: e.DetailType,
		CorrelationID: e.CorrelationID, CausationID: e.CausationID,
		TraceParent: e.TraceParent, TraceState: e.TraceState, Schema: e.Schema,
	}
	if !e.DeliverAt.IsZero() {
		r.DeliverAtMillis = max(e.DeliverAt.UnixMilli(), 1) // 0 would mean at once, and so it does
	}
	if len(e.Attributes) > 0 {
		r.Attributes = make([]block.Attribute, len(e.Attributes))
		for i, a := range e.Attributes {
			r.Attributes[i] = block.Attribute(a)
		}
	}
	if e.Data == nil {
		if !e.IsJSON() {
			return r, argumentError("content_type", "content type %q without data: fields make a JSON event", e.ContentType)
		}
		var err error
		r.Data, err = e.buildEnvelope(now)
		return r, err
	}
	if field := e.envelopeField(); field != "" {
		return r, argumentError(field, "%s is set and so is data: data is the whole event", field)
	}
	if e.IsJSON() && e.Source == "" && e.DetailType == "" {
		r.Source, r.DetailType = scanEnvelope(e.Data)
	}
	return r, nil
}

// plain says that an event is JSON as it stands, with nothing beside it but what the envelope says.
func (e *Event) plain() bool {
	return e.Data != nil && e.IsJSON() && e.ID == "" && e.Time.IsZero() && e.Resources == nil && e.Detail == nil && e.Key == "" && e.DedupID == "" &&
		e.DeliverAt.IsZero() && e.CorrelationID == "" && e.CausationID == "" && e.TraceParent == "" && e.TraceState == "" && e.Schema == "" && len(e.Attributes) == 0
}

// envelopeField names a field that can't be set beside Data.
func (e *Event) envelopeField() string {
	switch {
	case e.ID != "":
		return "id"
	case !e.Time.IsZero():
		return "time"
	case e.Resources != nil:
		return "resources"
	case e.Detail != nil:
		return "detail"
	case e.IsJSON():
		return ""
	case e.Source != "":
		return "source"
	case e.DetailType != "":
		return "detail-type"
	}
	return ""
}

// buildEnvelope writes the envelope with EventBridge's members in EventBridge's order.
func (e *Event) buildEnvelope(now time.Time) ([]byte, error) {
	id := e.ID
	if id == "" {
		made, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("freshet: no random bytes for an id: %w", err)
		}
		id = made.String()
	}
	at := e.Time
	if at.IsZero() {
		at = now.Truncate(time.Millisecond)
	}
	at = at.UTC()
	if year := at.Year(); year < 0 || year > 9999 {
		return nil, argumentError("time", "time is in the year %d: RFC 3339 has four digits", year)
	}
	detail, err := marshalDetail(e.Detail)
	if err != nil {
		return nil, err
	}
	w := envelopeWriter{b: make([]byte, 0, 160+len(e.Source)+len(e.DetailType)+len(detail))}
	w.b = append(w.b, `{"version":"`+envelopeVersion+`"`...)
	w.text("id", id)
	if e.DetailType != "" {
		w.text("detail-type", e.DetailType)
	}
	if e.Source != "" {
		w.text("source", e.Source)
	}
	w.b = append(w.b, `,"time":"`...)
	w.b = append(at.AppendFormat(w.b, timeLayout), '"')
	if e.Resources != nil {
		w.resources(e.Resources)
	}
	w.b = append(append(append(w.b, `,"detail":`...), detail...), '}')
	return w.b, w.err
}

// envelopeWriter appends members and keeps the first error.
type envelopeWriter struct {
	b   []byte
	err error
}

func (w *envelopeWriter) text(name, value string) {
	w.b = append(append(append(w.b, `,"`...), name...), `":`...)
	w.quote(name, value)
}

func (w *envelopeWriter) quote(field, value string) {
	quoted, err := jsontext.AppendQuote(w.b, value)
	if err != nil && w.err == nil {
		w.err = argumentError(field, "%s isn't valid UTF-8", field)
		return
	}
	w.b = quoted
}

func (w *envelopeWriter) resources(resources []string) {
	w.b = append(w.b, `,"resources":[`...)
	for i, resource := range resources {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.quote("resources", resource)
	}
	w.b = append(w.b, ']')
}

// marshalDetail returns the detail's JSON. What is JSON already stays as it is, names that come twice included: matching has rules for them.
func marshalDetail(detail any) ([]byte, error) {
	switch detail := detail.(type) {
	case nil:
		return []byte("{}"), nil
	case json.RawMessage:
		if !jsontext.Value(detail).IsValid(jsontext.AllowDuplicateNames(true)) {
			return nil, argumentError("detail", "detail isn't valid JSON")
		}
		return detail, nil
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(detail); err != nil {
		return nil, argumentError("detail", "detail can't be marshalled: %v", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// scanner is a JSON decoder and its input, kept for the next event.
type scanner struct {
	input   bytes.Reader
	decoder *jsontext.Decoder
}

var scanners = sync.Pool{New: func() any { return &scanner{decoder: jsontext.NewDecoder(bytes.NewReader(nil))} }}

// scanEnvelope finds source and detail-type among an object's members, without looking deeper. They are hints for the block's dictionary:
// whatever isn't as expected yields nothing, and of a name that comes twice the first counts.
func scanEnvelope(data []byte) (source, detailType string) {
	s := scanners.Get().(*scanner) //nolint:forcetypeassert // the pool holds nothing else
	defer scanners.Put(s)
	s.input.Reset(data)
	s.decoder.Reset(&s.input, jsontext.AllowDuplicateNames(true))
	if s.decoder.PeekKind() != jsontext.KindBeginObject {
		return "", ""
	}
	if _, err := s.decoder.ReadToken(); err != nil {
		return "", ""
	}
	for s.decoder.PeekKind() == jsontext.KindString {
		name, err := s.decoder.ReadToken()
		if err != nil {
			return source, detailType
		}
		wanted := wantedMember(name.String(), &source, &detailType)
		if wanted == nil || s.decoder.PeekKind() != jsontext.KindString {
			err = s.decoder.SkipValue()
		} else {
			var value jsontext.Token
			if value, err = s.decoder.ReadToken(); err == nil {
				*wanted = value.String()
			}
		}
		if err != nil || source != "" && detailType != "" {
			return source, detailType
		}
	}
	return source, detailType
}

func wantedMember(name string, source, detailType *string) *string {
	switch {
	case name == "source" && *source == "":
		return source
	case name == "detail-type" && *detailType == "":
		return detailType
	}
	return nil
}

// eventOf is a received event, copied out of its block.
func eventOf(r block.Event) Event {
	e := Event{
		Data: r.Data, ContentType: r.ContentType, Key: r.Key, DedupID: r.DedupID,
		CorrelationID: r.CorrelationID, CausationID: r.CausationID,
		TraceParent: r.TraceParent, TraceState: r.TraceState, Schema: r.Schema,
	}
	if r.DeliverAtMillis != 0 {
		e.DeliverAt = time.UnixMilli(r.DeliverAtMillis).UTC()
	}
	if len(r.Attributes) > 0 {
		e.Attributes = make([]Attribute, len(r.Attributes))
		for i, a := range r.Attributes {
			e.Attributes[i] = Attribute(a)
		}
	}
	return e
}
