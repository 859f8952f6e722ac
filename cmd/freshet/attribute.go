package main

import (
	"fmt"
	"strings"
)

// attribute is a name and a value beside an event's bytes. Patterns see the
// attributes of an event that isn't JSON as its top-level strings.
type attribute struct{ name, value string }

// UnmarshalText reads "name=value"; the value may be empty.
func (a *attribute) UnmarshalText(text []byte) error {
	name, value, ok := strings.Cut(string(text), "=")
	if !ok || name == "" {
		return fmt.Errorf("wants NAME=VALUE, got %q", text)
	}
	*a = attribute{name: name, value: value}
	return nil
}
