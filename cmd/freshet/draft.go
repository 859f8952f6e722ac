package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// draft is an event as somebody gives it on the command line. Either
// detail or opaque is set.
type draft struct {
	detail      []byte // JSON that gets an envelope around it
	opaque      []byte // bytes that aren't JSON, of the content type
	contentType string
	kind        string // the envelope's detail-type
	source      string // the envelope's source
}

// What an envelope says when nobody says anything else.
const (
	defaultSource = "freshet.cli"
	defaultKind   = "Message"
)

// draftFlags say what DATA is.
type draftFlags struct {
	Type        string      `help:"The envelope's detail-type."                                       placeholder:"TYPE"       short:"t"`
	Source      string      `help:"The envelope's source."                                            placeholder:"SOURCE"     short:"s"`
	Attribute   []attribute `help:"An attribute beside the event; may be repeated."                   placeholder:"NAME=VALUE" sep:"none" short:"a"`
	ContentType string      `help:"DATA isn't JSON, but bytes of this type, such as text/plain."      placeholder:"TYPE"`
	File        string      `help:"Read DATA from this file (gzip is unpacked); - is standard input." placeholder:"FILE"       short:"f"`
}

// text reads DATA: the argument, or the file.
func (f *draftFlags) text(argument string, call *invocation) ([]byte, error) {
	switch {
	case argument != "" && f.File != "":
		return nil, usageFailure("both DATA and --file say what the event is", "give one of them")
	case f.File != "":
		return readInput(f.File, call.stdin, lineBytesMax)
	default:
		return []byte(argument), nil
	}
}

// detail takes text as the detail of an envelope, or as bytes where it isn't
// JSON. What begins like JSON and isn't is refused: it is a slip.
func (f *draftFlags) detail(text []byte) (draft, error) {
	made := draft{kind: cmp.Or(f.Type, defaultKind), source: cmp.Or(f.Source, defaultSource)}
	enveloped := f.Type != "" || f.Source != ""
	trimmed := bytes.TrimSpace(text)
	if f.ContentType != "" {
		if enveloped {
			return draft{}, usageFailure("--type and --source are for JSON, --content-type for what isn't JSON", "give one or the other")
		}
		made.opaque, made.contentType = text, f.ContentType
		return made, nil
	}
	if len(trimmed) == 0 {
		return draft{}, usageFailure("DATA is empty")
	}
	invalid := invalidJSON(trimmed)
	switch {
	case invalid == nil && !enveloped && isEnvelope(trimmed):
		return draft{}, usageFailure("DATA is a whole event already: it has source, detail-type and detail",
			"--raw sends it as it is; --type or --source put another envelope around it")
	case invalid == nil:
		made.detail = trimmed
	case enveloped || bytes.ContainsAny(trimmed[:1], `{["`):
		return draft{}, invalid
	default:
		made.opaque, made.contentType = text, "application/octet-stream"
		if utf8.Valid(text) {
			made.contentType = "text/plain"
		}
	}
	return made, nil
}

// invalidJSON says where a text isn't JSON as freshet reads it (RFC 8259, UTF-8,
// no lone surrogates), or nil.
func invalidJSON(text []byte) error {
	decoder := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))
	_, err := decoder.ReadValue()
	at := decoder.InputOffset()
	if err == nil {
		if rest := bytes.TrimSpace(text[at:]); len(rest) == 0 {
			return nil
		}
		return jsonFailure(text, at, "something stands behind the end of the value")
	}
	reason := err.Error()
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at, reason = syntax.ByteOffset, syntax.Err.Error()
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		reason = "it ends before it is complete"
	}
	return jsonFailure(text, at, reason)
}

func jsonFailure(text []byte, offset int64, reason string) *failure {
	offset = min(offset, int64(len(text)))
	line := 1 + bytes.Count(text[:offset], []byte("\n"))
	column := 1 + utf8.RuneCount(text[bytes.LastIndexByte(text[:offset], '\n')+1:offset])
	refused := usageFailure(fmt.Sprintf("DATA begins like JSON and isn't, line %d, column %d", line, column), reason)
	refused.seen = append(refused.seen, pointAt(text, line, column)...)
	refused.seen = append(refused.seen, "if it isn't meant as JSON, say so: --content-type text/plain")
	return refused
}

// isEnvelope reports whether JSON text looks like a whole event.
func isEnvelope(text []byte) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil {
		return false // not an object
	}
	has := func(name string) bool { _, ok := members[name]; return ok }
	return has("detail") && has("detail-type") && has("source")
}
