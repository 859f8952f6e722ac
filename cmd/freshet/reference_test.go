package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// referenceMarks enclose what a document takes from the program itself.
const (
	referenceBegin = "<!-- made by `make golden`: begin -->\n"
	referenceEnd   = "<!-- made by `make golden`: end -->\n"
)

// TestReference holds docs/lookup to the program: each command with its help,
// each setting with its default. With -rewrite it writes them.
func TestReference(t *testing.T) {
	for name, made := range map[string]string{
		"cli.md":           commandReference(t),
		"configuration.md": settingReference(),
	} {
		path := filepath.Join("..", "..", "docs", "lookup", name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, begins := strings.Cut(string(text), referenceBegin)
		written, after, ends := strings.Cut(rest, referenceEnd)
		switch {
		case !begins || !ends:
			t.Errorf("%s has lost its marks %q and %q", path, referenceBegin, referenceEnd)
		case written == made:
		case flag.Lookup("rewrite").Value.String() == "true":
			whole := before + referenceBegin + made + referenceEnd + after
			if err := os.WriteFile(path, []byte(whole), 0o600); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s says other than the program; run make golden and read the diff\nit says\n%s\nthe program says\n%s", path, written, made)
		}
	}
}

// commandReference is the help of every command that isn't hidden.
func commandReference(t *testing.T) string {
	t.Helper()
	parser, err := newParser(&grammar{}, surroundings{stdout: io.Discard, stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, leaf := range parser.Model.Leaves(true) {
		fmt.Fprintf(&b, "\n## %s\n\n```\n%s```\n", pathOf(leaf), helpText(parser.Model, leaf))
	}
	return b.String() + "\n"
}

// settingReference is a table of every key of the configuration.
func settingReference() string {
	var b strings.Builder
	b.WriteString("\n| key | flag | environment | default | what |\n|---|---|---|---|---|\n")
	for _, s := range settings(&config{}) {
		fallback := "-"
		if given, ok := s.field.Tag.Lookup("fallback"); ok {
			fallback = "`" + given + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `--%s` | `%s` | %s | %s |\n", s.key, s.flag(), s.env(), fallback, s.field.Tag.Get("help"))
	}
	return b.String() + "\n"
}

// TestErrorTableHasLocalCodes looks for the codes that never cross a wire; the
// others are held by TestErrorTableIsComplete.
func TestErrorTableHasLocalCodes(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "lookup", "errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := regexp.MustCompile(`(?m)^\| (FR6\d{3}) \|`).FindAllSubmatch(text, -1)
	local := []failureCode{codePortTaken, codeDiskFull, codeFile, codeCommand, codePartlyDone, codeNoDeadLetter, codeNoNode, codeNodeState, codeNodeEnded, codeDiffers}
	if len(documented) != len(local) {
		t.Errorf("docs/lookup/errors.md has %d codes of this machine, failure.go has %d", len(documented), len(local))
	}
	for i, code := range local {
		if i < len(documented) && string(documented[i][1]) != code.String() {
			t.Errorf("docs/lookup/errors.md has %s, failure.go has %s", documented[i][1], code)
		}
	}
}
