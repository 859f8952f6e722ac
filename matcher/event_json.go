package matcher

import "github.com/go-json-experiment/json/jsontext"

// eventReader fills a ParsedEvent from JSON.
type eventReader struct {
	event  *ParsedEvent
	tokens tokens
}

func (r *eventReader) read() error {
	err := r.tokens.begin()
	if err == nil {
		err = r.object(0, 0)
	}
	if err == nil {
		err = r.tokens.end()
	}
	if err != nil {
		return r.tokens.eventError(err)
	}
	return nil
}

// object reads the members of an object that stands at a name, within an element.
func (r *eventReader) object(at, element int32) error {
	if err := r.tokens.open(); err != nil {
		return err
	}
	for r.tokens.decoder.PeekKind() != '}' {
		text, _, err := r.tokens.scalar()
		if err != nil {
			return err
		}
		if err := r.value(r.event.child(at, text), element); err != nil {
			return err
		}
	}
	return r.tokens.shut()
}

func (r *eventReader) value(at, element int32) error {
	switch kind := r.tokens.decoder.PeekKind(); kind {
	case '{':
		r.event.names[at].objects = true
		return r.object(at, element)
	case '[':
		r.event.names[at].lists = true
		return r.array(at, element)
	default:
		text, _, err := r.tokens.scalar()
		if err == nil {
			r.event.addLeaf(at, element, value{kind: kindOf(kind), text: text})
		}
		return err
	}
}

// array reads a list. Objects and lists in it are elements of it; scalars are leaves of whatever is around it.
func (r *eventReader) array(at, around int32) error {
	if err := r.tokens.open(); err != nil {
		return err
	}
	e := r.event
	number := int32(len(e.arrays))
	e.arrays = append(e.arrays, array{name: at, first: int32(len(e.elements))})
	for index := int32(0); ; index++ {
		inner := around
		switch r.tokens.decoder.PeekKind() {
		case ']':
			e.arrays[number].last = int32(len(e.elements)) - 1
			return r.tokens.shut()
		case '{', '[':
			inner = int32(len(e.elements))
			e.elements = append(e.elements, element{around: around, array: number, index: index})
		default: // a scalar belongs to what is around the array
		}
		if err := r.value(at, inner); err != nil {
			return err
		}
		if inner != around {
			e.elements[inner].last = int32(len(e.elements)) - 1
		}
	}
}

// kindOf translates the decoder's word for what begins a value.
func kindOf(k jsontext.Kind) kind {
	switch k {
	case '"':
		return kindString
	case '0':
		return kindNumber
	case 't':
		return kindTrue
	case 'f':
		return kindFalse
	default:
		return kindNull
	}
}
