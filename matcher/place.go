package matcher

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// step is one step on the way from the top of a pattern's text to a value in it: into a member, or into an element. Steps are
// linked upwards and written out only when somebody asks, because most patterns are right.
type step struct {
	above *step // nil at the top
	name  string
	index int // of an element; -1 for a member
}

func (s *step) member(name string) *step { return &step{above: s, name: name, index: -1} }
func (s *step) element(index int) *step  { return &step{above: s, index: index} }

// String writes the way as JSONPath does: $.detail["a b"][0].
func (s *step) String() string {
	var steps []*step
	for ; s != nil; s = s.above {
		steps = append(steps, s)
	}
	var b strings.Builder
	b.WriteByte('$')
	for _, s := range slices.Backward(steps) {
		switch {
		case s.index >= 0:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case plainName(s.name):
			b.WriteString("." + s.name)
		default:
			b.WriteString("[" + quote(s.name) + "]")
		}
	}
	return b.String()
}

// plainName reports whether a name can be written behind a dot without being misread.
func plainName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case c == '_' || c == '$' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		case i > 0 && (c == '-' || c >= '0' && c <= '9'):
		default:
			return false
		}
	}
	return name != ""
}

// lineColumn counts the line and the character in it, both from 1, at which the offset lies.
func lineColumn(text string, offset int) (line, column int) {
	before := text[:min(offset, len(text))]
	line = 1 + strings.Count(before, "\n")
	before = before[strings.LastIndexByte(before, '\n')+1:]
	return line, 1 + utf8.RuneCountInString(before)
}

// quote writes a string as JSON does, without escaping what HTML would.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return fmt.Sprintf("%q", s) // no string fails to encode
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// How much of a text people get to see, in characters: of a value, and of a path or a name in a message.
const (
	valueShown = 80
	nameShown  = 256
)

// clip shortens a value that is too long to read, and says by how much.
func clip(s string) string { return clipTo(s, valueShown) }

func clipTo(s string, characters int) string {
	if len(s) <= characters || utf8.RuneCountInString(s) <= characters {
		return s
	}
	cut := 0
	for range characters {
		_, size := utf8.DecodeRuneInString(s[cut:])
		cut += size
	}
	return fmt.Sprintf("%s... (%d bytes)", s[:cut], len(s))
}
