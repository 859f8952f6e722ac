package matcher_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/matcher"
)

// list joins n texts, in each of which # is its number.
func list(n int, text string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = strings.ReplaceAll(text, "#", fmt.Sprint(i))
	}
	return strings.Join(parts, ",")
}

// nested is a pattern whose list is n deep.
func nested(n int) string { return strings.Repeat(`{"a":`, n-1) + "[1]" + strings.Repeat("}", n-1) }

// TestPatternLimits takes each limit exactly, and goes beyond it by one.
func TestPatternLimits(t *testing.T) {
	padded := func(n int) string { return `{"a":[1]` + strings.Repeat(" ", n-9) + "}" }
	or := func(n int) string { return `"$or":[` + list(n, `{"x#":[1]}`) + `]` }
	deep := strings.Repeat("x", 30000)
	for _, c := range []struct {
		name    string
		pattern string
		reason  string // part of the refusal; empty where the pattern is within the limit
	}{
		{"64 KiB", padded(matcher.PatternBytesMax), ""},
		{"64 KiB and a byte", padded(matcher.PatternBytesMax + 1), "at most 65536 are allowed"},
		{"1,000 deep", nested(matcher.NestingMax), ""},
		{"1,001 deep", nested(matcher.NestingMax + 1), "more than 1000 deep"},
		{"no end of depth", strings.Repeat(`{"a":`, 13000), "more than 1000 deep"},
		{"lists without end", `{"a":` + strings.Repeat("[", 60000), "more than 1000 deep"},
		{"1,000 branches", "{" + or(matcher.BranchesMax) + "}", ""},
		{"1,001 branches", "{" + or(matcher.BranchesMax+1) + "}", "more than 1000 branches"},
		{"10 times 100 branches", "{" + or(100) + `,"b":{` + or(10) + "}}", ""},
		{"10 times 101 branches", "{" + or(101) + `,"b":{` + or(10) + "}}", "more than 1000 branches"},
		{"two to the twentieth", `{` + list(20, `"a#":{"$or":[{"x":[1]},{"y":[1]}]}`) + `}`, "more than 1000 branches"},
		{"256 paths", "{" + list(matcher.PathsMax, `"x#":[1]`) + "}", ""},
		{"257 paths", "{" + list(matcher.PathsMax+1, `"x#":[1]`) + "}", "may name 256 paths"},
		{"257 paths in a branch", "{" + list(250, `"y#":[1]`) + `,"$or":[{"z":[1]},{` + list(7, `"x#":[1]`) + `}]}`, "may name 256 paths"},
		{"256 paths a branch, 511 in all", `{"$or":[{` + list(256, `"x#":[1]`) + `},{` + list(255, `"y#":[1]`) + `}]}`, ""},
		{"one path 5,000 times", "{" + list(5000, `"x":[#]`) + "}", ""},
		{"one path 5,000 times in 1,000 branches", "{" + or(1000) + "," + list(4000, `"x":[#]`) + "}", ""},
		{"paths of 30,000 bytes, 34 times", `{"` + deep + `":{` + list(34, `"a#":[1]`) + `}}`, ""},
		{"paths of 30,000 bytes, 35 times", `{"` + deep + `":{` + list(35, `"a#":[1]`) + `}}`, "more than 1048576 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := matcher.Parse([]byte(c.pattern))
			refused, ok := errors.AsType[*matcher.PatternError](err)
			switch {
			case c.reason == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.reason == "":
				p.Lint()
			case !ok:
				t.Errorf("got %v, want a PatternError", err)
			case !strings.Contains(refused.Reason, c.reason):
				t.Errorf("got %q, want it to say %q", refused.Reason, c.reason)
			case len(err.Error()) > 2000:
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

// TestEventLimits: depth is the only limit that events have here.
func TestEventLimits(t *testing.T) {
	p, err := matcher.Parse([]byte(`{"z":[{"exists":false}]}`))
	if err != nil {
		t.Fatal(err)
	}
	// Of these sets one passes over "a", one looks into it.
	var programs []matcher.Program
	for _, pattern := range []string{`{"z":[{"exists":false}]}`, `{"a":{"a":[{"exists":false}]},"z":[{"exists":false}]}`} {
		set := matcher.Compiled.NewSet()
		if err := set.Add(1, parse(t, pattern)); err != nil {
			t.Fatal(err)
		}
		programs = append(programs, set.Snapshot())
	}
	for _, c := range []struct {
		name  string
		event string
		want  bool
	}{
		{"objects 1,000 deep", strings.Repeat(`{"a":`, 999) + "{}" + strings.Repeat("}", 999), true},
		{"objects 1,001 deep", strings.Repeat(`{"a":`, 1000) + "{}" + strings.Repeat("}", 1000), false},
		{"lists 1,000 deep", `{"a":` + strings.Repeat("[", 999) + strings.Repeat("]", 999) + "}", true},
		{"lists 1,001 deep", `{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + "}", false},
		{"objects 1,000 deep in a list", `{"b":[` + strings.Repeat(`{"a":`, 998) + "0" + strings.Repeat("}", 998) + "]}", true},
		{"objects 1,001 deep in a list", `{"b":[` + strings.Repeat(`{"a":`, 999) + "0" + strings.Repeat("}", 999) + "]}", false},
		{"an object in an object in lists, 1,000 deep", `{"a":` + strings.Repeat("[", 997) + `{"x":{}}` + strings.Repeat("]", 997) + "}", true},
		{"an object in an object in lists, 1,001 deep", `{"a":` + strings.Repeat("[", 998) + `{"x":{}}` + strings.Repeat("]", 998) + "}", false},
		{"a million open brackets", `{"a":` + strings.Repeat("[", 1000000), false},
		{"a megabyte of dots in a name", `{"` + strings.Repeat(".", 1000000) + `":1}`, true},
		{"a long name around many", `{"` + strings.Repeat("x", 500000) + `":{` + list(50000, `"#":1`) + `}}`, true},
		{"a long number", `{"a":` + strings.Repeat("9", 1000000) + `}`, true},
		{"a long exponent", `{"a":1e` + strings.Repeat("9", 1000000) + `}`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := matcher.Event{JSON: []byte(c.event)}
			if got := p.Match(e); got != c.want {
				t.Errorf("match %t, want %t", got, c.want)
			}
			for i, program := range programs {
				var m matcher.Matches
				program.MatchBlock([]matcher.Event{e}, &m)
				if _, got := m.Find(1); got != c.want && (i == 0 || !c.want) {
					t.Errorf("match %t of set %d, want %t", got, i, c.want)
				}
			}
			if err := matcher.CheckJSON(e.JSON); (err == nil) != c.want {
				t.Errorf("CheckJSON says %v", err)
			}
			if x := p.Explain(e); len(x.String()) > 2000 {
				t.Errorf("the explanation has %d bytes", len(x.String()))
			}
		})
	}
}

// TestExplanationIsBounded explains the largest pattern there is.
func TestExplanationIsBounded(t *testing.T) {
	p, err := matcher.Parse([]byte(`{"` + strings.Repeat("n", 1000) + `":{"$or":[` + list(1000, `{"x#":[1,2,3,4,5,6,7,8,9]}`) + `]},` + list(200, `"y#":["`+strings.Repeat("v", 100)+`"]`) + `}`))
	if err != nil {
		t.Fatal(err)
	}
	event := matcher.Event{JSON: []byte(`{` + list(200, `"y#":["`+strings.Repeat("w", 5000)+`",1,2,3,4,5]`) + `}`)}
	text := p.Explain(event).String()
	if len(text) > 1<<20 || !strings.Contains(text, "and 990 more branches") {
		t.Errorf("the explanation has %d bytes", len(text))
	}
}
