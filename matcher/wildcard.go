package matcher

import (
	"fmt"
	"strings"
)

// wildcard matches strings that consist of its pieces, in order, with anything between them.
type wildcard struct {
	text string
	// pieces are what stands between the stars, unescaped: "a*b" has a and b, "*" has two empty ones. One piece means that
	// there is no star, and that the whole string has to be it.
	pieces []string
}

// parseWildcard cuts a wildcard at its stars. A backslash makes a star or a backslash an ordinary character.
func parseWildcard(text string) (wildcard, *wildcardMistake) {
	w := wildcard{text: text}
	var piece strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '*' && i+1 < len(text) && text[i+1] == '*':
			return w, &wildcardMistake{at: i, what: "Consecutive wildcard characters"}
		case c == '*':
			w.pieces = append(w.pieces, piece.String())
			piece.Reset()
		case c != '\\':
			piece.WriteByte(c)
		case i+1 < len(text) && (text[i+1] == '*' || text[i+1] == '\\'):
			i++
			piece.WriteByte(text[i])
		default:
			return w, &wildcardMistake{at: i, what: "Invalid escape character"}
		}
	}
	w.pieces = append(w.pieces, piece.String())
	return w, nil
}

// wildcardMistake is what is wrong with a wildcard, and at which byte of it.
type wildcardMistake struct {
	at   int
	what string
}

// reason is EventBridge's text. It counts from 1, because its engine sees the string with the quotation mark in front.
func (m *wildcardMistake) reason() string { return fmt.Sprintf("%s at pos %d", m.what, m.at+1) }

func (w wildcard) matches(v *value) bool { return v.kind == kindString && w.fits(v.text) }

// fits looks for each piece at the first place where it can be: what comes later is only helped by that. So no place is tried
// twice, and the number of stars doesn't matter.
func (w wildcard) fits(text string) bool {
	first, last := w.pieces[0], w.pieces[len(w.pieces)-1]
	if len(w.pieces) == 1 {
		return text == first
	}
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, piece := range w.pieces[1 : len(w.pieces)-1] {
		at := strings.Index(text, piece)
		if at < 0 {
			return false
		}
		text = text[at+len(piece):]
	}
	return true
}

func (w wildcard) wants() string { return "a string like " + quote(clip(w.text)) }
