package catalog

import (
	"fmt"
	"strings"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// NameBytesMax is the longest name of a topic, subscription, member or cluster, in bytes.
const NameBytesMax = 128

// CheckName returns an *Error when the name is not 1 to 128 bytes of A-Z a-z 0-9 . _ -, beginning with a letter or a
// digit. Field is how the error calls it.
func CheckName(field, name string) error {
	// Separate, since a nil *Error in an error is not nil.
	if refused := checkName(field, name); refused != nil {
		return refused
	}
	return nil
}

func checkName(field, name string) *Error {
	const rule = "a name is 1 to 128 bytes of A-Z a-z 0-9 . _ - and begins with a letter or a digit"
	refuse := func(format string, args ...any) *Error {
		return &Error{
			Code: freshetv1.ErrorCode_ERROR_CODE_NAME_REFUSED, Field: field, Limit: NameBytesMax, Got: int64(len(name)),
			text: field + " " + fmt.Sprintf(format, args...) + "; " + rule,
		}
	}
	switch {
	case name == "":
		return refuse("is empty")
	case len(name) > NameBytesMax:
		return refuse("has %d bytes", len(name))
	}
	for i, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		case r != '.' && r != '_' && r != '-':
			return refuse("%q has %q at byte %d", name, r, i+1)
		case i == 0:
			return refuse("%q begins with %q", name, r)
		}
	}
	return nil
}

// closestMax is the most single letters to insert, delete or replace between a name and the one that may have been meant.
const closestMax = 2

// closest returns the name that was probably meant, or "". Each letter counts, but not its case; of several that are as
// close it is the first. It looks at up to some ten thousand names, so it gives up on each as early as it can.
func closest(asked string, names func(yield func(string) bool)) string {
	asked = strings.ToLower(asked)
	best, bestDistance := "", min(closestMax, len(asked)/2)+1
	for name := range names {
		lower := strings.ToLower(name)
		distance := editDistance(asked, lower, bestDistance)
		if len(asked) >= 3 && strings.HasPrefix(lower, asked) {
			distance = min(distance, 1) // somebody stopped typing
		}
		if distance < bestDistance {
			best, bestDistance = name, distance
		}
	}
	return best
}

// editDistance returns how many single letters to insert, delete or replace make a into b (Levenshtein's distance), or
// limit when it is that many or more. Fewer than limit lie within that many columns of the table's diagonal.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	above, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		from, to := max(1, i-limit), min(len(b), i+limit)
		for j := range row {
			row[j] = limit
		}
		row[0] = i
		least := i
		for j := from; j <= to; j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			least = min(least, row[j])
		}
		if least >= limit {
			return limit
		}
		above, row = row, above
	}
	return min(above[len(b)], limit)
}
