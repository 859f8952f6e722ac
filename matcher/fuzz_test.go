package matcher_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/freshet-mq/freshet/matcher"
	"github.com/freshet-mq/freshet/matcher/corpus"
)

// seedEvery thins out the seeds, which run with every test; whole, the corpora run in the conformance suite.
const seedEvery = 10

// eachCase visits the corpora of the project, as seeds.
func eachCase(tb testing.TB, visit func(corpus.Case)) {
	tb.Helper()
	err := fs.WalkDir(os.DirFS("testdata"), ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(strings.TrimSuffix(name, ".gz"), ".jsonl") {
			return err
		}
		file, err := os.Open("testdata/" + name)
		if err != nil {
			return err
		}
		for c, err := range corpus.Read(file) {
			if err != nil {
				return err
			}
			visit(c)
		}
		return file.Close()
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// FuzzParse gives the parser anything. It never panics, a refusal has a place in the text, what it accepts is within the limits,
// and white space and escapes have no meaning.
func FuzzParse(f *testing.F) {
	n := 0
	eachCase(f, func(c corpus.Case) {
		for _, r := range c.Rules {
			if n++; n%seedEvery == 0 || c.Event == nil {
				f.Add(r.Pattern)
			}
		}
	})
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := matcher.Parse(text)
		if err != nil {
			checkRefusal(t, text, err)
			return
		}
		if len(text) > matcher.PatternBytesMax {
			t.Errorf("a text of %d bytes was accepted", len(text))
		}
		for _, finding := range p.Lint() {
			if finding.Offset < 0 || finding.Offset > len(text) || finding.Line < 1 || finding.Column < 1 || finding.Text == "" {
				t.Errorf("finding without a place: %+v", finding)
			}
		}
		normal := p.Normal()
		if p.String() != string(text) {
			t.Errorf("the text became %q", p)
		}
		again, err := matcher.Parse(reformatted(t, text))
		if err != nil {
			if len(reformatted(t, text)) <= matcher.PatternBytesMax {
				t.Errorf("with other white space it is refused: %v", err)
			}
		} else if again.Normal() != normal {
			t.Errorf("with other white space it means\n%snot\n%s", again.Normal(), normal)
		}
	})
}

func checkRefusal(t *testing.T, text []byte, err error) {
	t.Helper()
	refused, ok := errors.AsType[*matcher.PatternError](err)
	switch {
	case !ok:
		t.Errorf("the error is a %T: %v", err, err)
	case refused.Offset < 0 || refused.Offset > len(text):
		t.Errorf("the place is byte %d of %d", refused.Offset, len(text))
	case refused.Line < 1 || refused.Column < 1 || refused.Line > 1+strings.Count(string(text), "\n"):
		t.Errorf("the place is %s", refused.Place())
	case !strings.HasPrefix(refused.Path, "$"):
		t.Errorf("the path is %q", refused.Path)
	case !strings.HasPrefix(refused.Message, "Event pattern is not valid. Reason: ") || refused.Reason != refused.Message+": "+refused.Advice || refused.Advice == "":
		t.Errorf("the reason is %q, the message %q, the advice %q", refused.Reason, refused.Message, refused.Advice)
	case len(err.Error()) > 8192:
		t.Errorf("the error has %d bytes", len(err.Error()))
	case utf8.Valid(text) && !utf8.ValidString(err.Error()):
		t.Errorf("the error is no valid UTF-8: %q", err.Error())
	}
}

// reformatted writes the same JSON with other white space and other escapes; repeated names and the digits of numbers stay.
func reformatted(t *testing.T, text []byte) []byte {
	t.Helper()
	b, err := jsontext.AppendFormat(nil, text, jsontext.AllowDuplicateNames(true), jsontext.SpaceAfterComma(true), jsontext.EscapeForHTML(true))
	if err != nil {
		t.Fatalf("%q was accepted and is no JSON: %v", text, err)
	}
	return b
}

// FuzzMatch puts any event to any pattern. All ways of asking agree, and white space and escapes have no meaning.
func FuzzMatch(f *testing.F) {
	n := 0
	eachCase(f, func(c corpus.Case) {
		for _, r := range c.Rules {
			if n++; c.Event != nil && n%seedEvery == 0 {
				f.Add(r.Pattern, c.Event)
			}
		}
	})
	f.Fuzz(func(t *testing.T, text, event []byte) {
		p, err := matcher.Parse(text)
		if err != nil {
			return
		}
		e := matcher.Event{JSON: append([]byte{}, event...)}
		parsed := matcher.ParseEvent(e)
		if check := matcher.CheckJSON(event); (check == nil) != (parsed.Err() == nil) {
			t.Fatalf("CheckJSON says %v, ParseEvent %v", check, parsed.Err())
		}
		matched := p.Match(e)
		if parsed.Err() != nil && matched {
			t.Error("what is no event matched")
		}
		x := p.Explain(e)
		if x.Matched != matched {
			t.Errorf("match %t, explained as\n%s", matched, x)
		}
		if len(x.String()) > 1<<20 {
			t.Errorf("the explanation has %d bytes", len(x.String()))
		}
		set := matcher.NewSet()
		if err := set.Add(1, p); err != nil {
			t.Fatal(err)
		}
		var m matcher.Matches
		set.Snapshot().MatchBlock([]matcher.Event{{}, e}, &m)
		if match, listed := m.Find(1); (listed && match.Has(1)) != matched {
			t.Errorf("match %t, in a set %t", matched, !matched)
		}
		if parsed.Err() == nil {
			if again := p.Match(matcher.Event{JSON: reformatted(t, event)}); again != matched {
				t.Errorf("match %t, with other white space %t", matched, again)
			}
		}
	})
}
