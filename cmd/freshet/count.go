package main

import (
	"fmt"
	"strconv"
)

// count is a whole number of things, 1 or more.
type count uint32

// UnmarshalText reads "10".
func (c *count) UnmarshalText(text []byte) error {
	parsed, err := strconv.ParseUint(string(text), 10, 32)
	if err != nil || parsed == 0 {
		return fmt.Errorf("wants a whole number from 1, got %q", text)
	}
	*c = count(parsed)
	return nil
}
