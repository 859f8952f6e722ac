package demo

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/matcher"
)

func writeFile(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "events")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// TestDataIsTheFilesBytes reads a file both ways: lines twice in it, blank ones,
// spaces that have no meaning, and no line feed at the end.
func TestDataIsTheFilesBytes(t *testing.T) {
	lines := []string{
		`{"source":"a.b","detail-type":"One Thing","detail":{"n":1}}`,
		`{ "source" : "a.b", "detail-type":"One Thing","detail":{"n":2, "n":3}} `,
		`{"source":"a.b","detail-type":"One Thing","detail":{"n":1}}`,
		"{\"source\":\"c\",\"detail-type\":\"Z\u00fcrich\",\"detail\":{\"x\":[{\"y\":true}]}}",
	}
	text := []byte(lines[0] + "\n\n" + lines[1] + "\r\n   \n" + lines[2] + "\n" + lines[3])
	for name, content := range map[string][]byte{"plain": text, "gzip": gzipped(t, text)} {
		t.Run(name, func(t *testing.T) {
			d, err := OpenData(writeFile(t, content), 3)
			if err != nil {
				t.Fatal(err)
			}
			if d.Len() != 12 {
				t.Fatalf("%d events, want 12", d.Len())
			}
			for i := range d.Len() {
				if event, _ := d.Event(i); string(event) != lines[i%4] {
					t.Errorf("event %d is %s", i, event)
				}
			}
			if got := d.Describe(6); got != "line 5, time 2 of 3" {
				t.Errorf("event 6 is %s", got)
			}
		})
	}
}

func TestDataRefuses(t *testing.T) {
	good := `{"source":"a","detail-type":"b","detail":{}}` + "\n"
	for name, c := range map[string]struct {
		content []byte
		line    int
		says    string
	}{
		"nothing":           {[]byte("\n\n"), 0, "holds no event"},
		"not JSON":          {[]byte(good + "\n" + "{oops}\n"), 3, "is not an event"},
		"a list":            {[]byte(good + "[]\n"), 2, "is not an event"},
		"two on a line":     {[]byte(strings.TrimSpace(good) + good), 1, "is not an event"},
		"a huge line":       {[]byte(good + `{"a":"` + strings.Repeat("x", lineBytesMax) + `"}`), 2, "larger than 1 MiB"},
		"half a gzip":       {gzipped(t, []byte(strings.Repeat(good, 100)))[:40], 0, "can't be read: unexpected EOF"},
		"gzip that isn't":   {[]byte{0x1f, 0x8b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 0, "can't be read"},
		"not UTF-8":         {[]byte(good + "{\"a\":\"\xff\"}\n"), 2, "is not an event"},
		"something beneath": {[]byte(good + "}"), 2, "is not an event"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := OpenData(writeFile(t, c.content), 1)
			refused, ok := errors.AsType[*DataError](err)
			if !ok || refused.Line != c.line || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want line %d and %q", err, c.line, c.says)
			}
		})
	}
	if _, err := OpenData(filepath.Join(t.TempDir(), "gone"), 1); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a file that isn't there: %v", err)
	}
}

// TestDataExpectations asks a pattern of its own for each line of the real
// files, and wants subscriptions that each match some events, and events that few
// of them match.
func TestDataExpectations(t *testing.T) {
	dir := os.Getenv("FRESHET_DATA")
	if dir == "" {
		t.Log("FRESHET_DATA is not set: no real events to decide about")
		return
	}
	cases := 0
	for name, lines := range map[string]int{"github-webhooks.jsonl.gz": 273, "aws-events.jsonl.gz": 16} {
		d, err := OpenData(filepath.Join(dir, name), 20)
		if err != nil {
			t.Fatal(err)
		}
		if d.Len() != 20*lines {
			t.Errorf("%s: %d events, want 20 times %d", name, d.Len(), lines)
		}
		matched, pairs := make([]int, len(d.Subscriptions())), 0
		for position := range lines {
			event, wanted := d.Event(position)
			for i, s := range d.Subscriptions() {
				want := s.Pattern == ""
				if !want {
					pattern, err := matcher.Parse([]byte(s.Pattern))
					if err != nil {
						t.Fatalf("%s: %v", s.Name, err)
					}
					want = pattern.Match(matcher.Event{JSON: event})
				}
				if wanted.Has(i) != want {
					t.Errorf("%s, %s, %s: expected %v, the pattern says %v", name, d.Describe(position), s.Name, wanted.Has(i), want)
				}
				if want {
					matched[i]++
					pairs++
				}
				cases++
			}
		}
		for i, s := range d.Subscriptions() {
			if s.Pattern != "" && (matched[i] == 0 || matched[i] == lines) {
				t.Errorf("%s: %s (%s) matches %d of %d lines", name, s.Name, s.Pattern, matched[i], lines)
			}
			t.Logf("%s: %-14s %3d of %3d  %s", name, s.Name, matched[i], lines, s.Pattern)
		}
		if pairs > 6*lines {
			t.Errorf("%s: %d pairs of %d lines: every event should be matched by few", name, pairs, lines)
		}
	}
	t.Logf("FRESHET_DATA: %d cases", cases)
}
