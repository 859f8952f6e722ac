package matcher

import (
	"strings"
	"testing"
)

// TestCheckJSON is the list of what is an event's JSON and what is not. ParseEvent has to agree on each.
func TestCheckJSON(t *testing.T) {
	for _, c := range []struct {
		text string
		want string // part of the error; empty where the text is an event
	}{
		{`{}`, ""}, {" \t\r\n{ } \n", ""}, {`{"a":1,"a":2}`, ""}, {`{"":{"":[]}}`, ""}, {`{"a":"\ud83d\ude00\u0000"}`, ""}, {`{"a":1e999999999}`, ""}, {`{"a":-0.0E+00}`, ""}, {"{\"a\":\"\u2028\x7f\"}", ""},
		{``, "unexpected EOF"}, {` `, "unexpected EOF"}, {`{`, "unexpected EOF"}, {`{"a":1`, "unexpected EOF"}, {`{"a`, "unexpected EOF"}, {`{"a":tru`, "unexpected EOF"},
		{`[]`, "has to be an object"}, {`"a"`, "has to be an object"}, {`null`, "has to be an object"}, {`1`, "has to be an object"},
		{"\ufeff{}", "invalid character"}, {`{} {}`, "more behind"}, {`{}1`, "more behind"}, {`{}x`, "invalid character"}, {"{}\x00", "invalid character"}, {"{}\u00a0", "invalid character"},
		{`{"a":1,}`, "invalid character"}, {`{,}`, "invalid character"}, {`{"a":[1,]}`, "invalid character"}, {`{"a" 1}`, "invalid character"}, {`{"a":1 "b":2}`, "invalid character"}, {`{1:2}`, "name"}, {`{"a":}`, "missing value"}, {`{"a":1]`, "invalid character"},
		{`{"a":01}`, "invalid character"}, {`{"a":1.}`, "invalid character"}, {`{"a":.5}`, "invalid character"}, {`{"a":+1}`, "invalid character"}, {`{"a":1e}`, "invalid character"}, {`{"a":-}`, "invalid character"}, {`{"a":0x10}`, "invalid character"}, {`{"a":NaN}`, "invalid character"}, {`{"a":Infinity}`, "invalid character"},
		{`{"a":True}`, "invalid character"}, {`{'a':1}`, "invalid character"}, {"{\"a\":\"\n\"}", "invalid character"}, {`{"a":"\q"}`, "invalid escape"}, {`{"a":"\u12"}`, "invalid escape"},
		{`{"a":"\ud800"}`, "surrogate"}, {`{"a":"\udc00"}`, "surrogate"}, {`{"a":"\ud800\ud800"}`, "surrogate"}, {`{"\ud800":1}`, "surrogate"},
		{"{\"a\":\"\x80\"}", "invalid UTF-8"}, {"{\"a\":\"\xc0\xaf\"}", "invalid UTF-8"}, {"{\"a\":\"\xed\xa0\x80\"}", "invalid UTF-8"}, {"{\"a\":\"\xf4\x90\x80\x80\"}", "invalid UTF-8"}, {"{\"\xff\":1}", "invalid UTF-8"},
		{`// {"a":1}`, "invalid character"}, {`{"a":1} // b`, "invalid character"},
	} {
		err := CheckJSON([]byte(c.text))
		if parsed := ParseEvent(Event{JSON: []byte(c.text)}).Err(); (parsed == nil) != (err == nil) {
			t.Errorf("%q: CheckJSON says %v, ParseEvent %v", c.text, err, parsed)
		}
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%q: %v", c.text, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%q: got %v, want it to say %q", c.text, err, c.want)
		}
	}
}
