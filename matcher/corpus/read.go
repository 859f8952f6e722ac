package corpus

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// LineBytesMax is the longest line of a corpus, in bytes.
const LineBytesMax = 64 << 20

// Read yields the cases of a corpus. After an error, which names the line, it yields nothing more.
func Read(r io.Reader) iter.Seq2[Case, error] {
	return func(yield func(Case, error) bool) {
		if err := read(r, func(c Case) bool { return yield(c, nil) }); err != nil {
			yield(Case{}, err)
		}
	}
}

func read(r io.Reader, visit func(Case) bool) error {
	plain, err := inflate(r)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(plain)
	lines.Buffer(make([]byte, 0, 64<<10), LineBytesMax)
	number := 1
	for ; lines.Scan(); number++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		c, err := parseCase(bytes.Clone(line))
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if c.Line = number; c.ID == "" {
			c.ID = fmt.Sprintf("line %d", number)
		}
		if !visit(c) {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", number, err)
	}
	return nil
}

// inflate unpacks what begins as gzip does; nothing else does, as a case begins with a brace.
func inflate(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	head, err := b.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(head) < 2 || head[0] != 0x1f || head[1] != 0x8b {
		return b, nil
	}
	return gzip.NewReader(b)
}

type member struct {
	name  string
	value jsontext.Value
}

// membersOf cuts an object into its members, whose values stay as they stand in the text, whatever is in them: what a corpus
// says of a pattern is not for its reader to judge.
func membersOf(object []byte) ([]member, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(object), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if kind := d.PeekKind(); kind != '{' && kind != 0 {
		return nil, errors.New("not an object")
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	var members []member
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		m := member{name: name.String()}
		value, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		m.value = bytes.Clone(value)
		members = append(members, m)
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more behind the object")
	}
	return members, nil
}
