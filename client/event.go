package client

import (
	"encoding/json"
	"time"
)

// ContentTypeJSON is what an empty content type stands for.
const ContentTypeJSON = "application/json"

// Event is what is published, and what a Delivery or a Stored carries. It is one of three things:
//
//   - fields: ID, Source, DetailType, Time, Resources and Detail, of which the client builds the JSON envelope;
//   - raw JSON: Data is the whole envelope object and is sent byte for byte (EventFromJSON);
//   - anything else: Data is bytes of the ContentType. Patterns see its Attributes, as top-level string fields, and nothing of the bytes.
//
// An event that was received is always one of the latter two: read a JSON one with Envelope or Decode.
type Event struct {
	// ID is the envelope's id. Default: a new UUID, version 7. It is yours: freshet never interprets it.
	ID string
	// Source is the envelope's source, such as "com.shop.orders". Left out of the envelope if empty.
	Source string
	// DetailType is the envelope's detail-type, such as "Order Created". Left out of the envelope if empty.
	DetailType string
	// Time is the envelope's time, written in RFC 3339 and UTC. Default: when it is published, to the millisecond.
	Time time.Time
	// Resources is the envelope's resources. Left out if nil.
	Resources []string
	// Detail is the envelope's detail: a json.RawMessage, taken over byte for byte, or any value that encoding/json marshals.
	// Default: an empty object.
	Detail any

	// Data is the event itself in place of the fields above: of a JSON event its whole envelope object, otherwise any bytes. At most
	// 1 MiB, or what the topic allows. With Data set, ID, Time, Resources and Detail must be empty, and Source and DetailType, for
	// a JSON event alone, only tell what Data says anyway; if they are empty the client looks.
	Data []byte
	// ContentType says what Data is, at most 128 bytes. Empty and "application/json" mean JSON.
	ContentType string

	// Key keeps events that share it in one place and in order. At most 256 bytes. Default none.
	Key string
	// DedupID names the event for finding repetitions, at most 256 bytes: for 10 minutes after an event, others of its topic with the same
	// DedupID are repetitions of it, whoever publishes them. Default: none is looked for.
	DedupID string
	// DeliverAt holds the event back until then, by the node's clock and rounded up to a tenth of a second. Who reads the topic sees it at once.
	// Default: it is delivered as soon as it can be.
	DeliverAt time.Time
	// CorrelationID names the conversation that the event belongs to. At most 256 bytes.
	CorrelationID string
	// CausationID names what caused the event. At most 256 bytes.
	CausationID string
	// TraceParent and TraceState are the headers of W3C Trace Context, verbatim. At most 128 and 512 bytes.
	TraceParent, TraceState string
	// Schema refers to the schema that the data is said to follow. At most 256 bytes.
	Schema string
	// Attributes are names and values beside the data: at most 64, each name once, 1 to 128 bytes, values up to 1 KiB.
	Attributes []Attribute
}

// Attribute is one name and value of an event.
type Attribute struct {
	Name, Value string
}

// EventFromJSON returns an event that is raw: the whole envelope object, sent byte for byte, nothing filled in and nothing checked. What isn't
// a JSON object is stored as it is and matched by subscriptions without a pattern alone; WithRequireJSON has it refused. The bytes
// must not be changed until the event is published.
func EventFromJSON(raw []byte) Event {
	e := Event{Data: raw}
	if e.Data == nil {
		e.Data = []byte{}
	}
	return e
}

// IsJSON says that the event is JSON, an envelope object.
func (e *Event) IsJSON() bool { return e.ContentType == "" || e.ContentType == ContentTypeJSON }

// Attribute returns the value of the attribute of that name, and whether there is one.
func (e *Event) Attribute(name string) (value string, ok bool) {
	for _, a := range e.Attributes {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

// Envelope is a JSON event taken apart. What it lacks is empty; members that aren't EventBridge's stay in the event's Data.
type Envelope struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       time.Time       `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}
