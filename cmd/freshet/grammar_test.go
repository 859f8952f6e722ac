package main

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestEveryExampleCanBeRun keeps C4: each line in a help text that begins with
// freshet is a command line that parses.
func TestEveryExampleCanBeRun(t *testing.T) {
	parser, err := newParser(&grammar{}, surroundings{})
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range parser.Model.Leaves(false) {
		var examples []string
		for line := range strings.Lines(leaf.Detail) {
			if example, ok := strings.CutPrefix(line, "  freshet "); ok {
				examples = append(examples, strings.TrimSpace(example))
			}
		}
		if len(examples) == 0 {
			t.Errorf("%s has no example", pathOf(leaf))
		}
		for _, example := range examples {
			words := parseExample(t, example)
			if path := strings.TrimPrefix(pathOf(leaf), "freshet "); !strings.HasPrefix(strings.Join(words, " "), strings.ReplaceAll(path, "list", "")) {
				t.Errorf("%s has an example of something else: %s", pathOf(leaf), example)
			}
		}
	}
}

// TestWelcomeCanBePasted is the same for what dev prints.
func TestWelcomeCanBePasted(t *testing.T) {
	for _, command := range welcomeCommands {
		parseExample(t, strings.TrimPrefix(command, "freshet "))
	}
}

// parseExample parses a command line, everyday flags and all, and runs nothing.
func parseExample(t *testing.T, example string) []string {
	t.Helper()
	words, _, err := shellWords(example)
	if err != nil {
		t.Errorf("freshet %s: %v", example, err)
		return nil
	}
	if command, err := parse(words, surroundings{lookup: func(string) (string, bool) { return "", false }}); err != nil || command == nil {
		t.Errorf("freshet %s: %v", example, err)
	}
	return words
}

// TestEveryCommandIsDescribed wants a sentence for each command, argument and
// flag, so that help has no holes.
func TestEveryCommandIsDescribed(t *testing.T) {
	parser, err := newParser(&grammar{}, surroundings{})
	if err != nil {
		t.Fatal(err)
	}
	for _, leaf := range parser.Model.Leaves(false) {
		if !strings.HasSuffix(leaf.Help, ".") {
			t.Errorf("%s is described as %q", pathOf(leaf), leaf.Help)
		}
		described := func(what string, value *kong.Value) {
			if !strings.HasSuffix(value.Help, ".") {
				t.Errorf("%s: %s is described as %q", pathOf(leaf), what, value.Help)
			}
		}
		for _, argument := range leaf.Positional {
			described(strings.ToUpper(argument.Name), argument)
		}
		for _, flag := range leaf.Flags {
			described("--"+flag.Name, flag.Value)
		}
		for line := range strings.Lines(helpText(parser.Model, leaf)) {
			if len(line) > 110 && !strings.HasPrefix(line, "  freshet ") {
				t.Errorf("%s: a line of %d: %s", pathOf(leaf), len(line), line)
			}
		}
	}
}
