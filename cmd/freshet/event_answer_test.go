package main

import (
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/client"
)

func TestReadable(t *testing.T) {
	for _, c := range []struct {
		name    string
		event   client.Event
		longest int
		want    string
	}{
		{
			name:  "an envelope",
			event: client.EventFromJSON([]byte(`{"source":"shop","detail-type":"Order Placed","detail":{"amount": 250}}`)),
			want:  "3@17  Order Placed  shop\n    {\"amount\":250}\n",
		},
		{
			name:  "JSON of another form is shown whole",
			event: client.EventFromJSON([]byte(`{"amount": 250}`)),
			want:  "3@17\n    {\"amount\":250}\n",
		},
		{
			name:  "what says it is JSON and isn't",
			event: client.EventFromJSON([]byte(`{"amount": `)),
			want:  "3@17\n    {\"amount\": \n",
		},
		{
			name: "text, with what would move the cursor made visible",
			event: client.Event{
				Data: []byte("one\n\x1b[2Jtwo\r\n"), ContentType: "text/plain", Key: "k\a",
				Attributes: []client.Attribute{{Name: "level", Value: "\x1b]0;gone\a"}},
			},
			want: "3@17  text/plain  key k\\u0007\n    level=\\u001b]0;gone\\u0007\n    one\n    \\u001b[2Jtwo\n",
		},
		{
			name:  "bytes",
			event: client.Event{Data: []byte{0xff, 0, 1}, ContentType: "image/png"},
			want:  "3@17  image/png\n    3 bytes, not text\n",
		},
		{
			name:    "a long detail on a terminal",
			event:   client.EventFromJSON([]byte(`{"source":"shop","detail-type":"T","detail":"` + strings.Repeat("é", 1500) + `"}`)),
			longest: 10,
			want:    "3@17  T  shop\n    \"éééééééé… (1,493 more; --json has them)\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := eventAnswerOf(&c.event)
			answer.Partition, answer.Offset = 3, 17
			if got := answer.readable(c.longest); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// TestEventAnswerIsOneLine: whatever an event holds, its JSON is one line that
// says it all.
func TestEventAnswerIsOneLine(t *testing.T) {
	for name, c := range map[string]struct {
		event client.Event
		want  string
	}{
		"JSON over several lines": {client.EventFromJSON([]byte("{\"a\":\n<1>}")), `{"partition":0,"offset":0,"text":"{\"a\":\n<1>}"}`},
		"repeated names stay":     {client.EventFromJSON([]byte("{\"a\":1,\n\"a\": 2e0}")), `{"partition":0,"offset":0,"event":{"a":1,"a":2e0}}`},
		"markup stays":            {client.EventFromJSON([]byte(`{"a":"<b>&"}`)), `{"partition":0,"offset":0,"event":{"a":"<b>&"}}`},
		"bytes": {
			client.Event{Data: []byte{0xff}, ContentType: "image/png", Attributes: []client.Attribute{{Name: "a", Value: "b"}}},
			`{"partition":0,"offset":0,"content_type":"image/png","attributes":{"a":"b"},"data":"/w=="}`,
		},
	} {
		answer := eventAnswerOf(&c.event)
		line, err := jsonLine(answer)
		if err != nil || string(line) != c.want+"\n" {
			t.Errorf("%s: got %s, %v, want %s", name, line, err, c.want)
		}
	}
}
