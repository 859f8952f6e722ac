package corpus_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/matcher"
	"github.com/freshet-mq/freshet/matcher/corpus"
)

// lines is a corpus with each kind of case, all right.
const lines = `{"id":"one","rules":{"x":{"a":[1]},"y":{ "\u0061" : [2,1.0] },"z":{"a":[{"exists":false}]}},"event":{"a" : 1e0},"matched":["x","y"]}

{"id":"two","pattern":{"a":[]},"valid":false,"reason":"empty"}
{"id":"three","pattern_text":"{\"a\":[1]","valid":false,"reason":"cut"}
{"id":"four","pattern":{"a":[1]},"valid":true}
{"id":"five","rules":{"x":{"a":[{"exists":false}]}},"event_text":"{} x","matched":[]}
{"label":"six","verdict":"match","pattern":{"a":[null]},"event":{"a":null},"aws_error":{}}
{"label":"seven","verdict":"no","pattern":{"a":[null]},"event":{"a":[]},"aws_error":{}}
{"label":"eight","verdict":"error","pattern":{"a":1},"event":{},"aws_error":{"Code":"C","Message":"M"}}
`

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBothFormatsPlainAndZipped(t *testing.T) {
	for name, file := range map[string][]byte{"plain": []byte(lines), "zipped": zipped(t, lines)} {
		failed := func(f corpus.Failure) { t.Errorf("%s: %s", name, f) }
		tally, err := corpus.Test(bytes.NewReader(file), failed, matcher.Engines()...)
		if err != nil || tally.String() != "8 passed, 0 failed" {
			t.Errorf("%s: %s, %v", name, tally, err)
		}
	}
}

// TestRaw: what a case holds is what stands in the line.
func TestRaw(t *testing.T) {
	var ids []string
	for c, err := range corpus.Read(strings.NewReader(lines)) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, fmt.Sprintf("%s@%d", c.ID, c.Line))
		switch c.ID {
		case "one":
			if string(c.Event) != `{"a" : 1e0}` || string(c.Rules[1].Pattern) != `{ "\u0061" : [2,1.0] }` {
				t.Errorf("event %s, pattern %s", c.Event, c.Rules[1].Pattern)
			}
		case "three":
			if string(c.Rules[0].Pattern) != `{"a":[1]` || c.Label != "cut" {
				t.Errorf("pattern %s, label %s", c.Rules[0].Pattern, c.Label)
			}
		case "eight":
			if c.Message != "M" {
				t.Errorf("message %s", c.Message)
			}
		}
	}
	if want := []string{"one@1", "two@3", "three@4", "four@5", "five@6", "six@7", "seven@8", "eight@9"}; !slices.Equal(ids, want) {
		t.Errorf("got cases %v, want %v", ids, want)
	}
}

// TestFailuresAreFound turns every answer of the corpus round.
func TestFailuresAreFound(t *testing.T) {
	turned := strings.NewReplacer(
		`"matched":["x","y"]`, `"matched":["z"]`, `"valid":false`, `"valid":true`, `"valid":true`, `"valid":false`, `"matched":[]`, `"matched":["x"]`,
		`"verdict":"match"`, `"verdict":"no"`, `"verdict":"no"`, `"verdict":"error"`, `"verdict":"error"`, `"verdict":"match"`,
	).Replace(lines)
	var got []string
	tally, err := corpus.Test(strings.NewReader(turned), func(f corpus.Failure) { got = append(got, f.String()) }, matcher.Plain)
	if err != nil || tally.String() != "0 passed, 8 failed" {
		t.Errorf("%s, %v", tally, err)
	}
	want := []string{
		"one: rule x: wanted no match, got match (plain)",
		"one: rule y: wanted no match, got match (plain)",
		"one: rule z: wanted match, got no match (plain)",
		"two: rule pattern: wanted valid, got refused: pattern refused at $.a, line 1, column 6 Event pattern is not valid. Reason: Empty arrays are not allowed",
		"three: rule pattern: wanted valid, got refused: pattern refused at $, line 1, column 9",
		"four: rule pattern: wanted refused, got valid",
		"five: rule x: wanted match, got no match (plain)",
		"six: rule pattern: wanted no match, got match (plain)",
		"seven: rule pattern: wanted refused, got valid",
		"eight: rule pattern: wanted match, got refused: pattern refused at $.a, line 1, column 6",
	}
	if len(got) != len(want) {
		t.Fatalf("got %d failures, want %d: %q", len(got), len(want), got)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}

func TestFailureAsJSON(t *testing.T) {
	b, err := json.Marshal(corpus.Failure{Case: "one", Line: 1, Rule: "x", Engine: "plain", Want: corpus.Match, Got: corpus.NoMatch})
	if want := `{"id":"one","line":1,"rule":"x","engine":"plain","want":"match","got":"no match"}`; err != nil || string(b) != want {
		t.Errorf("got %s, %v, want %s", b, err, want)
	}
}

func TestWhatIsNoCase(t *testing.T) {
	for line, want := range map[string]string{
		`{"id":"x"}`:                         "neither rules, nor verdict, nor valid",
		`[]`:                                 "not an object",
		`{"id":"x",`:                         "EOF",
		`{"id":"x","valid":false} {}`:        "more behind",
		`{"id":"x","valid":false}`:           `neither "pattern" nor "pattern_text"`,
		`{"id":"x","rules":{},"matched":[]}`: `neither "event" nor "event_text"`,
		`{"id":"x","rules":[],"event":{},"matched":[]}`:         "not an object",
		`{"id":"x","rules":{},"event":{},"matched":["y"]}`:      `names rule "y"`,
		`{"id":5,"valid":false,"pattern":{}}`:                   `"id"`,
		`{"label":"x","verdict":"yes","pattern":{},"event":{}}`: `"verdict" is "yes"`,
		`{"label":"x","verdict":"no","pattern":{}}`:             `no "event"`,
	} {
		var got error
		for _, err := range corpus.Read(strings.NewReader("\n" + line)) {
			got = err
		}
		if got == nil || !strings.Contains(got.Error(), want) || !strings.HasPrefix(got.Error(), "line 2: ") {
			t.Errorf("%s: got %v, want line 2 and %q", line, got, want)
		}
	}
	for _, err := range corpus.Read(strings.NewReader("\x1f\x8b")) {
		if err == nil {
			t.Error("a cut gzip header is no corpus")
		}
	}
}
