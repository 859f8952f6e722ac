package matcher

import "fmt"

// PatternError says where a pattern is wrong, and why.
type PatternError struct {
	// Path leads to the place in the pattern: $.detail.amount[0].numeric[1]. Where the text is no JSON it leads to the value
	// that could not be read to its end. What is longer than 256 characters is cut.
	Path string
	// Line and Column are counted from 1; columns are characters.
	Line, Column int
	// Offset is the place in bytes from the start of the text, and at most its length.
	Offset int
	// Reason is Message and Advice, in one line.
	Reason string
	// Message is what EventBridge says of the mistake, to the letter: "Event pattern is not valid. Reason: ...". For
	// mistakes which EventBridge has no text for, or accepts, it has the same form in words of ours.
	Message string
	// Advice says what was seen and what was expected.
	Advice string
}

// Place is the place in words: "$.detail.amount[0].numeric[1], line 1, column 41".
func (e *PatternError) Place() string {
	return fmt.Sprintf("%s, line %d, column %d", e.Path, e.Line, e.Column)
}

// Error has three lines: the place, EventBridge's text, and advice. Whoever puts a code of their own into the first line takes
// Place, Message and Advice instead.
func (e *PatternError) Error() string {
	return "pattern refused at " + e.Place() + "\n  " + e.Message + "\n  " + e.Advice
}

// messagePrefix is how EventBridge begins the message of every refused pattern.
const messagePrefix = "Event pattern is not valid. Reason: "

// mistake is a PatternError whose place is not yet written out.
type mistake struct {
	at     *step
	offset int
	reason string // EventBridge's, without the prefix
	advice string
}

func (m *mistake) in(text string) *PatternError {
	e := &PatternError{Path: clipTo(m.at.String(), nameShown), Offset: min(m.offset, len(text)), Message: messagePrefix + m.reason, Advice: m.advice}
	e.Line, e.Column = lineColumn(text, e.Offset)
	e.Reason = e.Message + ": " + m.advice
	return e
}
