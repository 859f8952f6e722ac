package matcher

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

var (
	errTooDeep   = fmt.Errorf("objects and arrays lie in each other more than %d deep", NestingMax)
	errTrailing  = errors.New("there is more behind the end of the object")
	errNotObject = errors.New("it has to be an object")
)

// CheckJSON reports whether the text is an event's JSON: one object by RFC 8259, in valid UTF-8 and without escapes of lone
// surrogates, no byte-order mark, at most NestingMax deep, with nothing but white space behind it. The whole text decides,
// also parts that no pattern reads. Names may repeat. The error says where and why.
func CheckJSON(text []byte) error {
	t := tokens{decoder: newDecoder(text)}
	if err := t.check(); err != nil {
		return t.eventError(err)
	}
	return nil
}

// tokens reads a text value by value.
type tokens struct {
	text    string // the whole of it, to cut values from
	decoder *jsontext.Decoder
}

func newTokens(text []byte) tokens {
	return tokens{text: string(text), decoder: newDecoder(text)}
}

// newDecoder reads JSON as strictly as RFC 8259 and UTF-8 are, except that names may repeat. It looks at the text in place.
func newDecoder(text []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(false))
}

// check reads one object and what is behind it, without keeping anything.
func (t *tokens) check() error {
	if err := t.begin(); err != nil {
		return err
	}
	for first := true; first || t.decoder.StackDepth() > 0; first = false {
		if _, err := t.decoder.ReadToken(); err != nil {
			return err
		}
		if t.decoder.StackDepth() > NestingMax {
			return errTooDeep
		}
	}
	return t.end()
}

// begin makes sure that an object comes first.
func (t *tokens) begin() error {
	switch t.decoder.PeekKind() {
	case '{':
		return nil
	case 0: // nothing that begins a value; reading says why
		_, err := t.decoder.ReadToken()
		return err
	default:
		return errNotObject
	}
}

// open reads the { or [ that comes next.
func (t *tokens) open() error {
	if _, err := t.decoder.ReadToken(); err != nil {
		return err
	}
	if t.decoder.StackDepth() > NestingMax {
		return errTooDeep
	}
	return nil
}

// shut reads the } or ] that comes next.
func (t *tokens) shut() error {
	_, err := t.decoder.ReadToken()
	return err
}

// scalar reads a string, a number, a literal or a name, and says where it starts. Strings come unescaped, the others as they
// stand in the text.
func (t *tokens) scalar() (text string, offset int, err error) {
	raw, err := t.decoder.ReadValue()
	if err != nil {
		return "", 0, err
	}
	end := int(t.decoder.InputOffset())
	offset = end - len(raw)
	switch {
	case raw[0] != '"':
		return t.text[offset:end], offset, nil
	case bytes.IndexByte(raw, '\\') < 0:
		return t.text[offset+1 : end-1], offset, nil
	default:
		unescaped, err := jsontext.AppendUnquote(nil, raw)
		return string(unescaped), offset, err
	}
}

// end makes sure that nothing but white space follows.
func (t *tokens) end() error {
	switch _, err := t.decoder.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	default:
		return errTrailing
	}
}

// cause is what the decoder found, without the place that it puts around, since places are written our way.
func cause(err error) error {
	switch syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); {
	case ok && syntactic.Err != nil:
		return syntactic.Err
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	default:
		return err
	}
}

// failedAt is the offset that an error is about.
func (t *tokens) failedAt(err error) int {
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return int(syntactic.ByteOffset)
	}
	return int(t.decoder.InputOffset())
}

// eventError words an error about an event.
func (t *tokens) eventError(err error) error {
	return fmt.Errorf("no JSON event, at byte %d: %w", t.failedAt(err), cause(err))
}
