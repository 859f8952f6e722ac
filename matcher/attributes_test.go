package matcher_test

import (
	"testing"

	"github.com/freshet-mq/freshet/matcher"
)

// TestAttributes puts events that are not JSON to patterns, one by one and on every engine.
func TestAttributes(t *testing.T) {
	list := func(pairs ...string) matcher.Event {
		e := matcher.Event{Attributes: []matcher.Attribute{}}
		for i := 0; i < len(pairs); i += 2 {
			e.Attributes = append(e.Attributes, matcher.Attribute{Name: pairs[i], Value: pairs[i+1]})
		}
		return e
	}
	for _, c := range []struct {
		pattern string
		event   matcher.Event
		want    bool
	}{
		{`{"kind":["a"]}`, list("kind", "a"), true},
		{`{"kind":["a"]}`, list("kind", "A"), false},
		{`{"kind":["a"]}`, list("Kind", "a"), false},
		{`{"kind":["a"],"size":["1"]}`, list("size", "1", "kind", "a"), true},
		{`{"kind":["a"],"size":[1]}`, list("size", "1", "kind", "a"), false}, // all of them are strings
		{`{"size":[{"numeric":[">",0]}]}`, list("size", "1"), false},
		{`{"on":[true,null]}`, list("on", "true", "on", "null"), false},
		{`{"a":{"b":["x"]}}`, list("a.b", "x"), true},
		{`{"a.b":["x"]}`, list("a.b", "x"), true},
		{`{"a":["x"]}`, list("a.b", "x"), false},
		{`{"a":["x"],"a.b":["y"]}`, list("a", "x", "a.b", "y"), true},
		{`{"":["x"]}`, list("", "x"), true},
		{`{"a":[""]}`, list("a", ""), true},
		{`{"a":["x"]}`, list("a", "y", "a", "x"), true}, // a repeated name has several values
		{`{"a":["x"],"b":["x"]}`, list("a", "y", "b", "x", "a", "x"), true},
		{`{"a":[{"anything-but":"x"}]}`, list("a", "x"), false},
		{`{"a":[{"anything-but":"x"}]}`, list("a", "x", "a", "y"), true},
		{`{"a":[{"anything-but":"x"}]}`, list("b", "y"), false},
		{`{"a":[{"exists":true}]}`, list("a", ""), true},
		{`{"a":[{"exists":false}]}`, list("a", ""), false},
		{`{"a":[{"exists":false}]}`, list("b", ""), true},
		{`{"a":[{"exists":false}]}`, list(), true},
		{`{"a":[{"exists":false}]}`, matcher.Event{}, true},
		{`{"a":["x",{"exists":false}]}`, list("a", "y"), false},
		{`{"a":["10.0.0.1"]}`, list("a", "010.0.0.1"), true},
		{`{"a":[{"cidr":"2001:db8::/32"}]}`, list("a", "2001:DB8::1"), true},
		{`{"a":[{"prefix":"é"}]}`, list("a", "été"), true},
		{`{"a":[{"suffix":{"equals-ignore-case":"Straße"}}]}`, list("a", "HAUPTSTRASSE"), true},
		{`{"a":[{"wildcard":"*\\**"}]}`, list("a", "a*b"), true},
		{`{"a":["\u00e9"]}`, list("a", "é"), true},
		{`{"a":["\\u00e9"]}`, list("a", `\u00e9`), true},                            // nothing is unescaped in them
		{`{"a":[{"prefix":{"equals-ignore-case":"x"}}]}`, list("a", "X\xff"), true}, // bytes that are not UTF-8 are bytes
		{`{"a":[{"equals-ignore-case":"x\ufffd"}]}`, list("a", "X\xff"), false},
		{`{"$or":[{"a":["x"]},{"b":["y"]}],"c":[{"exists":false}]}`, list("b", "y"), true},
		{`{"$or":[{"a":["x"]},{"b":["y"]}],"c":[{"exists":false}]}`, list("b", "y", "c", ""), false},
		{`{"a":["x"]}`, matcher.Event{JSON: []byte(`{}`), Attributes: list("a", "x").Attributes}, false}, // JSON events have none
		{`{"a":["x"]}`, matcher.Event{JSON: []byte{}, Attributes: list("a", "x").Attributes}, false},
	} {
		p := parse(t, c.pattern)
		if got := p.Match(c.event); got != c.want {
			t.Errorf("%s on %q: %t, want %t", c.pattern, c.event.Attributes, got, c.want)
		}
		for _, engine := range matcher.Engines() {
			set := engine.NewSet()
			if err := set.Add(1, p); err != nil {
				t.Fatal(err)
			}
			var m matcher.Matches
			set.Snapshot().MatchBlock([]matcher.Event{{JSON: []byte(`{"b":1}`)}, c.event}, &m)
			match, _ := m.Find(1)
			if got := len(m.Rules()) > 0 && match.Has(1); got != c.want {
				t.Errorf("%s: %s on %q: %t, want %t", engine.Name, c.pattern, c.event.Attributes, got, c.want)
			}
		}
	}
}
