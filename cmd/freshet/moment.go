package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// momentKind says how a place in a topic is named.
type momentKind uint8

// The kinds.
const (
	momentNow      momentKind = iota // behind the last event
	momentEarliest                   // the first event that is still held
	momentOffset                     // the event at an offset
	momentTime                       // the first event stored at or after a time
	momentAgo                        // the same, counted back from now
)

func (k momentKind) String() string {
	return [...]string{"now", "earliest", "offset", "time", "ago"}[k]
}

// moment is a place in a topic: now, earliest, @17, -10m or an RFC 3339 time.
type moment struct {
	kind   momentKind
	offset uint64
	at     time.Time
	ago    time.Duration
}

// Decode reads a moment. It takes the next word even if that begins with a
// dash, since -10m is a value here.
func (m *moment) Decode(decode *kong.DecodeContext) error {
	token := decode.Scan.Pop()
	if token.IsEOL() {
		return fmt.Errorf("wants now, earliest, @OFFSET, a time ago such as -10m, or a time such as 2026-01-31T08:00:00Z")
	}
	return m.UnmarshalText([]byte(token.String()))
}

// UnmarshalText reads a moment.
func (m *moment) UnmarshalText(text []byte) error {
	word := string(text)
	switch {
	case word == "now":
		*m = moment{}
		return nil
	case word == "earliest":
		*m = moment{kind: momentEarliest}
		return nil
	case strings.HasPrefix(word, "@"):
		if offset, err := strconv.ParseUint(word[1:], 10, 64); err == nil {
			*m = moment{kind: momentOffset, offset: offset}
			return nil
		}
	case strings.HasPrefix(word, "-"):
		if ago, err := parseDuration(word); err == nil {
			*m = moment{kind: momentAgo, ago: -ago}
			return nil
		}
	default:
		if at, err := time.Parse(time.RFC3339, word); err == nil {
			*m = moment{kind: momentTime, at: at}
			return nil
		}
	}
	return fmt.Errorf("wants now, earliest, @OFFSET, a time ago such as -10m, or a time such as 2026-01-31T08:00:00Z, got %q", word)
}
