package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// duration is a length of time as people write it: 30s, 5m, 1h30m, 250ms; 7d
// too, a day being 24 hours. It is never negative.
type duration time.Duration

// UnmarshalText reads "30s".
func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := parseDuration(string(text))
	if err != nil {
		return err
	}
	if parsed < 0 {
		return fmt.Errorf("wants a time that isn't negative, got %q", text)
	}
	*d = duration(parsed)
	return nil
}

// String is the shortest form that reads back as the same: 30s, 5m, 1h30m.
func (d duration) String() string {
	text := time.Duration(d).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// parseDuration is time.ParseDuration with days, and with a message that says
// what is wanted.
func parseDuration(text string) (time.Duration, error) {
	rest, negative := strings.CutPrefix(text, "-")
	var days time.Duration
	if before, after, ok := strings.Cut(rest, "d"); ok {
		parsed, err := strconv.ParseUint(before, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("wants a time such as 30s, 5m, 1h30m or 7d, got %q", text)
		}
		days, rest = time.Duration(parsed)*24*time.Hour, after
	}
	var parsed time.Duration
	if rest != "" || days == 0 {
		var err error
		if parsed, err = time.ParseDuration(rest); err != nil || parsed < 0 || parsed > 1<<62 {
			if _, err := time.ParseDuration(rest + "s"); err == nil {
				return 0, fmt.Errorf("wants a time with its unit, such as %ss or %sm, got %q", text, text, text)
			}
			return 0, fmt.Errorf("wants a time such as 30s, 5m, 1h30m or 7d, got %q", text)
		}
	}
	total := days + parsed
	if negative {
		total = -total
	}
	return total, nil
}
