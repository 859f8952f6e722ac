package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/freshet-mq/freshet/client"
	"github.com/freshet-mq/freshet/matcher"
)

// eventAnswer is an event that was taken or read, for programs. One of Event,
// Text and Data holds what was published.
type eventAnswer struct {
	Partition   uint32            `json:"partition"`
	Offset      uint64            `json:"offset"`
	Attempt     int               `json:"attempt,omitempty"` // take: 1 for the first delivery
	Stored      *time.Time        `json:"stored,omitempty"`  // tail: when
	Key         string            `json:"key,omitempty"`
	ContentType string            `json:"content_type,omitempty"` // absent: JSON
	Attributes  map[string]string `json:"attributes,omitempty"`
	Event       json.RawMessage   `json:"event,omitempty"` // a JSON event
	Text        string            `json:"text,omitempty"`  // anything else that is UTF-8
	Data        []byte            `json:"data,omitempty"`  // anything else, base64
}

// eventAnswerOf fills in what is the event's own.
func eventAnswerOf(e *client.Event) eventAnswer {
	answer := eventAnswer{Key: e.Key}
	if !e.IsJSON() {
		answer.ContentType = e.ContentType
	}
	for _, a := range e.Attributes {
		if answer.Attributes == nil {
			answer.Attributes = map[string]string{}
		}
		answer.Attributes[a.Name] = a.Value
	}
	switch {
	case e.IsJSON() && matcher.CheckJSON(e.Data) == nil:
		answer.Event = e.Data
	case utf8.Valid(e.Data):
		answer.Text = string(e.Data)
	default:
		answer.Data = e.Data
	}
	return answer
}

// perEvent says how take and tail write events: for people on a terminal, one
// JSON object a line elsewhere, unless --output says.
func (c *invocation) perEvent() outputFormat {
	if !c.given["output"] && !c.JSON && !c.terminal {
		return formatJSON
	}
	return c.Output
}

// writeEvent writes one event.
func (c *invocation) writeEvent(answer *eventAnswer) {
	switch format := c.perEvent(); format {
	case formatTable:
		longest := 0
		if c.terminal {
			longest = detailShown
		}
		c.out.write([]byte(answer.readable(longest)))
	default:
		if format == formatYAML {
			c.out.linef("---")
		}
		out := *c.out
		out.format = format
		out.object(answer)
		c.out.fail(out.err)
	}
}

// detailShown is how much of an event's detail is shown on a terminal, in code
// points.
const detailShown = 800

// readable is an event for people: where and what on one line, then its detail,
// cut to longest code points unless that is 0.
func (a *eventAnswer) readable(longest int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d@%d", a.Partition, a.Offset)
	if a.Stored != nil {
		b.WriteString("  " + a.Stored.Local().Format("15:04:05.000"))
	}
	body := a.Event
	var envelope struct {
		Source string          `json:"source"`
		Kind   string          `json:"detail-type"` //nolint:tagliatelle // EventBridge's name
		Detail json.RawMessage `json:"detail"`
	}
	// An event without these members, or with others of their names, is shown whole.
	if json.Unmarshal(a.Event, &envelope) == nil && envelope.Detail != nil && envelope.Kind != "" {
		fmt.Fprintf(&b, "  %s  %s", printable(envelope.Kind), printable(envelope.Source))
		body = envelope.Detail
	}
	if a.ContentType != "" {
		b.WriteString("  " + printable(a.ContentType))
	}
	if a.Key != "" {
		b.WriteString("  key " + printable(a.Key))
	}
	if a.Attempt > 1 {
		fmt.Fprintf(&b, "  attempt %d", a.Attempt)
	}
	b.WriteByte('\n')
	for _, name := range slices.Sorted(maps.Keys(a.Attributes)) {
		fmt.Fprintf(&b, "    %s=%s\n", printable(name), printable(a.Attributes[name]))
	}
	switch {
	case body != nil:
		b.WriteString("    " + cutTo(onOneLine(string(body)), longest) + "\n")
	case a.Data != nil:
		fmt.Fprintf(&b, "    %d bytes, not text\n", len(a.Data))
	default:
		for line := range strings.Lines(cutTo(a.Text, longest)) {
			b.WriteString("    " + printable(strings.TrimRight(line, "\r\n")) + "\n")
		}
	}
	return b.String()
}

// cutTo says how much it left out.
func cutTo(text string, longest int) string {
	length := utf8.RuneCountInString(text)
	if longest == 0 || length <= longest {
		return text
	}
	return shortened(text, longest) + fmt.Sprintf(" (%s more; --json has them)", thousands(int64(length-longest+1)))
}
