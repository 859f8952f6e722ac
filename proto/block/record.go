package block

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// property numbers what a record can hold besides data, in the order in which it does.
type property uint8

const (
	propertyContentType property = iota
	propertyKey
	propertyDedupID
	propertyCorrelationID
	propertyTraceParent
	propertyTraceState
	propertyAttributes
	propertyCausationID
	propertySchema

	propertyCount
)

// propertyBitsFirst is how many properties the record's first byte has bits for; its last bit announces a second byte.
const propertyBitsFirst = 7

// propertyLimits has the name of each property as errors have it, and its most bytes.
var propertyLimits = [propertyCount]struct {
	name     string
	bytesMax int
}{
	propertyContentType:   {"content_type", ContentTypeBytesMax},
	propertyKey:           {"key", KeyBytesMax},
	propertyDedupID:       {"dedup_id", DedupIDBytesMax},
	propertyCorrelationID: {"correlation_id", CorrelationIDBytesMax},
	propertyTraceParent:   {"traceparent", TraceParentBytesMax},
	propertyTraceState:    {"tracestate", TraceStateBytesMax},
	propertyAttributes:    {"attributes", attributesBytesMax},
	propertyCausationID:   {"causation_id", CausationIDBytesMax},
	propertySchema:        {"schema", SchemaBytesMax},
}

// propertySet has the bit of each property that is present.
type propertySet uint16

func (s propertySet) has(p property) bool { return s&(1<<p) != 0 }

// append appends the set's one or two bytes.
func (s propertySet) append(dst []byte) []byte {
	if s>>propertyBitsFirst == 0 {
		return append(dst, byte(s))
	}
	return append(dst, byte(s)|1<<propertyBitsFirst, byte(s>>propertyBitsFirst))
}

// readPropertySet reads the set at the beginning of a record and returns the bytes it took.
func readPropertySet(record []byte) (propertySet, int, error) {
	const more = 1 << propertyBitsFirst
	if record[0]&more == 0 {
		return propertySet(record[0]), 1, nil
	}
	if len(record) < 2 || record[1] == 0 || record[1] >= 1<<(propertyCount-propertyBitsFirst) {
		return 0, 0, corruptf("properties %x", record[:min(2, len(record))])
	}
	return propertySet(record[0]&^more) | propertySet(record[1])<<propertyBitsFirst, 2, nil
}

// plain says that an event's record is its data behind one zero byte.
func (e *Event) plain() bool {
	return len(e.Attributes) == 0 && e.Key == "" && e.DedupID == "" && (e.ContentType == "" || e.ContentType == ContentTypeJSON) &&
		e.CorrelationID == "" && e.CausationID == "" && e.TraceParent == "" && e.TraceState == "" && e.Schema == ""
}

// appendProperties appends the part of e's record that comes before the data.
func (e *Event) appendProperties(dst []byte) ([]byte, propertySet, error) {
	values := [propertyCount]string{
		propertyContentType:   e.ContentType,
		propertyKey:           e.Key,
		propertyDedupID:       e.DedupID,
		propertyCorrelationID: e.CorrelationID,
		propertyTraceParent:   e.TraceParent,
		propertyTraceState:    e.TraceState,
		propertyCausationID:   e.CausationID,
		propertySchema:        e.Schema,
	}
	if e.ContentType == ContentTypeJSON {
		values[propertyContentType] = ""
	}
	var set propertySet
	for p, value := range values {
		if value == "" {
			continue
		}
		set |= 1 << p
		if err := checkText(propertyLimits[p].name, value, propertyLimits[p].bytesMax); err != nil {
			return dst, 0, err
		}
	}
	if len(e.Attributes) > 0 {
		if err := checkAttributes(e.Attributes); err != nil {
			return dst, 0, err
		}
		set |= 1 << propertyAttributes
	}
	dst = set.append(dst)
	for p, value := range values {
		switch {
		case !set.has(property(p)):
		case property(p) == propertyAttributes:
			dst = appendAttributes(dst, e.Attributes)
		default:
			dst = binary.AppendUvarint(dst, uint64(len(value)))
			dst = append(dst, value...)
		}
	}
	return dst, set, nil
}

// appendAttributes appends the attributes' length and bytes.
func appendAttributes(dst []byte, attributes []Attribute) []byte {
	length := 1
	for _, a := range attributes {
		length += 1 + uvarintBytes(len(a.Value)) + len(a.Name) + len(a.Value)
	}
	dst = binary.AppendUvarint(dst, uint64(length))
	dst = append(dst, byte(len(attributes)))
	for _, a := range attributes {
		dst = append(dst, byte(len(a.Name)))
		dst = binary.AppendUvarint(dst, uint64(len(a.Value)))
		dst = append(dst, a.Name...)
		dst = append(dst, a.Value...)
	}
	return dst
}

// checkAttributes checks number, lengths, text and that no name comes twice: patterns see attributes as members of one object.
func checkAttributes(attributes []Attribute) error {
	if err := checkLimit("attributes", AttributesMax, len(attributes)); err != nil {
		return err
	}
	for i, a := range attributes {
		switch {
		case a.Name == "":
			return &FieldError{Field: attributeField(i, "name"), Reason: "is empty"}
		case len(a.Name) > AttributeNameBytesMax:
			return checkLimit(attributeField(i, "name"), AttributeNameBytesMax, len(a.Name))
		case len(a.Value) > AttributeValueBytesMax:
			return checkLimit(attributeField(i, "value"), AttributeValueBytesMax, len(a.Value))
		case !utf8.ValidString(a.Name):
			return &FieldError{Field: attributeField(i, "name"), Reason: notUTF8}
		case !utf8.ValidString(a.Value):
			return &FieldError{Field: attributeField(i, "value"), Reason: notUTF8}
		}
		for j := range i { // at most 2,016 comparisons, most of them of lengths alone
			if attributes[j].Name == a.Name {
				return &FieldError{Field: attributeField(i, "name"), Reason: fmt.Sprintf("%q is the name of attribute %d too", a.Name, j)}
			}
		}
	}
	return nil
}

// attributeField names a part of an attribute as errors have it.
func attributeField(i int, part string) string { return fmt.Sprintf("attributes[%d].%s", i, part) }

// checkText checks that a property is short enough and UTF-8.
func checkText(field, text string, bytesMax int) error {
	if err := checkLimit(field, bytesMax, len(text)); err != nil {
		return err
	}
	if !utf8.ValidString(text) {
		return &FieldError{Field: field, Reason: notUTF8}
	}
	return nil
}

const notUTF8 = "is not valid UTF-8"

// uvarintBytes is how many bytes binary.AppendUvarint takes for n.
func uvarintBytes(n int) int {
	bytes := 1
	for ; n >= 0x80; n >>= 7 {
		bytes++
	}
	return bytes
}

// readUvarint reads a length of at most 21 bits, in its shortest form, and returns the bytes it took; 0 when there is none.
func readUvarint(b []byte) (value, bytes int) {
	for i, c := range b[:min(3, len(b))] {
		value |= int(c&0x7f) << (7 * i)
		if c < 0x80 {
			if c == 0 && i > 0 { // a longer form of a shorter one
				return 0, 0
			}
			return value, i + 1
		}
	}
	return 0, 0
}
