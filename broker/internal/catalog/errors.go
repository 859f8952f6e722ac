package catalog

import (
	"fmt"
	"strings"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Error is a command's refusal, or a lookup's: it changed nothing. The same command is refused with the same words on
// every replica.
type Error struct {
	// Code is one of NAME_REFUSED, ARGUMENT_REFUSED, LIMIT_EXCEEDED, TOO_MANY, BUSY, TOPIC_EXISTS, SUBSCRIPTION_EXISTS,
	// TOPIC_NOT_FOUND and SUBSCRIPTION_NOT_FOUND.
	Code freshetv1.ErrorCode
	// Field is the one that is refused, as the API names it: "name", "members[2]". For TOO_MANY what there are too many
	// of; for EXISTS the first setting that differs.
	Field string
	// Limit and Got are in the field's unit, 0 where the code has none.
	Limit, Got int64
	// Closest is a name that is there and may have been meant, for NOT_FOUND.
	Closest string

	text string
}

// Error says what was refused, what was seen and what would do.
func (e *Error) Error() string { return e.text }

// tooLarge refuses a field for its size.
func tooLarge(field string, got, limit int64, unit string) *Error {
	return &Error{
		Code: freshetv1.ErrorCode_ERROR_CODE_LIMIT_EXCEEDED, Field: field, Limit: limit, Got: got,
		text: fmt.Sprintf("%s is %d %s; the limit is %d", field, got, unit, limit),
	}
}

// outside refuses a number that is not between its limits. Limit is the one that it is beyond.
func outside(field string, got, least, most int64) *Error {
	limit := most
	if got < least {
		limit = least
	}
	return &Error{
		Code: freshetv1.ErrorCode_ERROR_CODE_LIMIT_EXCEEDED, Field: field, Limit: limit, Got: got,
		text: fmt.Sprintf("%s is %d; it may be %d to %d", field, got, least, most),
	}
}

// wrong refuses a field for what it says.
func wrong(field, format string, args ...any) *Error {
	return &Error{
		Code: freshetv1.ErrorCode_ERROR_CODE_ARGUMENT_REFUSED, Field: field,
		text: field + " " + fmt.Sprintf(format, args...),
	}
}

// tooMany refuses one more of something. Where says in what; it may be empty.
func tooMany(field, where string, limit int64) *Error {
	return &Error{
		Code: freshetv1.ErrorCode_ERROR_CODE_TOO_MANY, Field: field, Limit: limit, Got: limit + 1,
		text: fmt.Sprintf("there can't be more than %d %s%s", limit, field, where),
	}
}

// exists refuses to make what is there with another setting.
func exists(code freshetv1.ErrorCode, what, name string, differs *difference) *Error {
	return &Error{
		Code: code, Field: differs.field,
		text: fmt.Sprintf("%s %q is there already with other settings: %s %s, asked for %s", what, name, differs.field, differs.there, differs.asked),
	}
}

// notFound refuses a name that nothing has.
func notFound(code freshetv1.ErrorCode, what, name, closest string) *Error {
	text := fmt.Sprintf("there is no %s %q", what, name)
	if closest != "" {
		text += fmt.Sprintf("; did you mean %q?", closest)
	}
	return &Error{Code: code, Field: what, Closest: closest, text: text}
}

// difference is the first setting in which something asked for differs from what is there.
type difference struct{ field, there, asked string }

// differ returns the difference between two values of a setting, or nil.
func differ[T comparable](field string, there, asked T) *difference {
	if there == asked {
		return nil
	}
	return &difference{field, shortened(there), shortened(asked)}
}

// shortened renders a setting for an error, which need not repeat a pattern of 64 KiB.
func shortened(value any) string {
	const bytesMax = 120
	text := fmt.Sprint(value)
	switch {
	case text == "":
		return "(none)"
	case len(text) > bytesMax:
		// The cut may go through a character.
		return strings.ToValidUTF8(text[:bytesMax], "") + "..."
	}
	return text
}

// firstDifference returns the first that is one.
func firstDifference(differences ...*difference) *difference {
	for _, d := range differences {
		if d != nil {
			return d
		}
	}
	return nil
}
