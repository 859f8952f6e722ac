package block

import (
	"bytes"
	"iter"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
)

// View is an event within a frame, read in place. What its methods return is a part of the frame: valid until the Reader moves
// on, not to be changed, and nil for what the event doesn't have.
type View struct {
	record    []byte
	dataStart int
	set       propertySet
	spans     [propertyCount]span // of those in set
}

// span is a part of a record.
type span struct{ from, to uint32 }

// load points the view at a record, which has at least a byte, and checks its structure and lengths.
func (v *View) load(record []byte) error {
	v.record = record
	if record[0] == 0 {
		v.set, v.dataStart = 0, 1
	} else if err := v.loadProperties(); err != nil {
		return err
	}
	if data := len(record) - v.dataStart; data > DataBytesMax {
		return checkLimit("data", DataBytesMax, data)
	}
	return nil
}

// loadProperties finds the properties and where the data begins.
func (v *View) loadProperties() error {
	set, at, err := readPropertySet(v.record)
	if err != nil {
		return err
	}
	for p := range propertyCount {
		if !set.has(p) {
			continue
		}
		length, n := readUvarint(v.record[at:])
		at += n
		if length == 0 || length > len(v.record)-at {
			return corruptf("%s of %d bytes, the record has %d more", propertyLimits[p].name, length, len(v.record)-at)
		}
		if length > propertyLimits[p].bytesMax {
			return checkLimit(propertyLimits[p].name, propertyLimits[p].bytesMax, length)
		}
		v.spans[p] = span{uint32(at), uint32(at + length)}
		at += length
	}
	v.set, v.dataStart = set, at
	if set.has(propertyContentType) && string(v.property(propertyContentType)) == ContentTypeJSON {
		return corruptf("content type says JSON, which is said by leaving it out")
	}
	if set.has(propertyAttributes) {
		return checkAttributeBytes(v.property(propertyAttributes))
	}
	return nil
}

// checkAttributeBytes checks that attributes are as many and as long as they say.
func checkAttributeBytes(b []byte) error {
	count := int(b[0])
	if count == 0 {
		return corruptf("attributes without any")
	}
	if err := checkLimit("attributes", AttributesMax, count); err != nil {
		return err
	}
	b = b[1:]
	for i := range count {
		if len(b) < 2 {
			return corruptf("attribute %d of %d is missing", i, count)
		}
		name := int(b[0])
		value, n := readUvarint(b[1:])
		if name == 0 || n == 0 || name+value > len(b)-1-n {
			return corruptf("attribute %d has name and value of %d and %d bytes in %d", i, name, value, len(b))
		}
		if name > AttributeNameBytesMax {
			return checkLimit(attributeField(i, "name"), AttributeNameBytesMax, name)
		}
		if value > AttributeValueBytesMax {
			return checkLimit(attributeField(i, "value"), AttributeValueBytesMax, value)
		}
		b = b[1+n+name+value:]
	}
	if len(b) != 0 {
		return corruptf("%d bytes behind %d attributes", len(b), count)
	}
	return nil
}

func (v *View) property(p property) []byte {
	if !v.set.has(p) {
		return nil
	}
	s := v.spans[p]
	return v.record[s.from:s.to:s.to]
}

// Plain says that the event has data alone, and nothing beside it but what stands in the block's columns.
func (v *View) Plain() bool { return v.set == 0 }

// Data returns the event's data, byte for byte as it was given.
func (v *View) Data() []byte { return v.record[v.dataStart:] }

// IsJSON says that Data is a JSON event's envelope object. That it is well formed has to be seen.
func (v *View) IsJSON() bool { return !v.set.has(propertyContentType) }

// ContentType returns what Data is if it isn't JSON.
func (v *View) ContentType() []byte { return v.property(propertyContentType) }

// Key returns the key.
func (v *View) Key() []byte { return v.property(propertyKey) }

// DedupID returns the dedup id.
func (v *View) DedupID() []byte { return v.property(propertyDedupID) }

// CorrelationID returns the correlation id.
func (v *View) CorrelationID() []byte { return v.property(propertyCorrelationID) }

// CausationID returns the causation id.
func (v *View) CausationID() []byte { return v.property(propertyCausationID) }

// TraceParent returns the traceparent.
func (v *View) TraceParent() []byte { return v.property(propertyTraceParent) }

// TraceState returns the tracestate.
func (v *View) TraceState() []byte { return v.property(propertyTraceState) }

// Schema returns the schema reference.
func (v *View) Schema() []byte { return v.property(propertySchema) }

// Attributes yields the attributes' names and values in their order.
func (v *View) Attributes() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		b := v.property(propertyAttributes)
		if len(b) == 0 {
			return
		}
		for b = b[1:]; len(b) > 0; {
			name := int(b[0])
			value, n := readUvarint(b[1:]) // checkAttributeBytes was here before
			b = b[1+n:]
			if !yield(b[:name:name], b[name:name+value:name+value]) {
				return
			}
			b = b[name+value:]
		}
	}
}

// AttributeCount returns how many attributes there are.
func (v *View) AttributeCount() int {
	if b := v.property(propertyAttributes); len(b) > 0 {
		return int(b[0])
	}
	return 0
}

// event copies the view's part of an Event.
func (v *View) event() Event {
	e := Event{
		Data:          bytes.Clone(v.Data()),
		ContentType:   string(v.ContentType()),
		Key:           string(v.Key()),
		DedupID:       string(v.DedupID()),
		CorrelationID: string(v.CorrelationID()),
		CausationID:   string(v.CausationID()),
		TraceParent:   string(v.TraceParent()),
		TraceState:    string(v.TraceState()),
		Schema:        string(v.Schema()),
	}
	for name, value := range v.Attributes() {
		e.Attributes = append(e.Attributes, Attribute{Name: string(name), Value: string(value)})
	}
	return e
}

// verify checks what load doesn't need to: the text of properties, and that the block's columns say the same of event i (B6).
func (v *View) verify(b *Block, i int) error {
	for p := range propertyCount {
		if p != propertyAttributes && v.set.has(p) && !utf8.Valid(v.property(p)) {
			return &FieldError{Field: propertyLimits[p].name, Reason: notUTF8}
		}
	}
	if err := v.verifyAttributes(); err != nil {
		return err
	}
	key := v.Key()
	if got, want := b.KeyHash(i), keyHash(xxhash.Sum64(key), len(key)); got != want {
		return corruptf("key hash is %016x, the key's %016x", got, want)
	}
	if got, want := b.DedupHash(i), hashDedupID(v.DedupID()); got != want {
		return corruptf("dedup hash is %x, the dedup id's %x", got, want)
	}
	if got, want := b.Flags(i), v.set.flags(); got != want {
		return corruptf("flags are %02b, the record's %02b", got, want)
	}
	return nil
}

// verifyAttributes checks their text and that no name comes twice.
func (v *View) verifyAttributes() error {
	if !v.set.has(propertyAttributes) {
		return nil // before the table of names below is cleared
	}
	var names [AttributesMax][]byte
	i := 0
	for name, value := range v.Attributes() {
		if !utf8.Valid(name) {
			return &FieldError{Field: attributeField(i, "name"), Reason: notUTF8}
		}
		if !utf8.Valid(value) {
			return &FieldError{Field: attributeField(i, "value"), Reason: notUTF8}
		}
		for _, other := range names[:i] {
			if bytes.Equal(name, other) {
				return &FieldError{Field: attributeField(i, "name"), Reason: "is the name of another attribute too"}
			}
		}
		names[i] = name
		i++
	}
	return nil
}
