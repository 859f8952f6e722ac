package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/matcher"
)

// explainCommand says why an event does or doesn't match.
type explainCommand struct {
	Data string `arg:"" help:"The event, as JSON." optional:""`
	draftFlags
	patternFlags

	Topic    string `help:"Explain against every subscription of this topic, on the node." placeholder:"TOPIC"`
	ExitCode bool   `help:"End with 1 when nothing matches; without it both answers end with 0."`
}

// Help tells more.
func (*explainCommand) Help() string {
	return `
The event is DATA or a file: the whole event, envelope and all. With --type or --source DATA is the
detail of an envelope, as for send. What isn't JSON is given by its attributes. Each field of the
pattern is told with its verdict, the value seen and the values wanted. With --topic it is put to
every subscription: those that match first, then the nearest misses.

  freshet explain -p '{"detail":{"amount":[{"numeric":[">",100]}]}}' -f event.json
  freshet explain -p '{"source":["shop"]}' '{"source":"shop","detail-type":"Ping","detail":{}}'
  freshet explain --topic orders -t "Order Placed" -s shop '{"amount": 12, "country": "AU"}'
  freshet explain -p '{"level":["error"]}' -a level=warning
`
}

func (e *explainCommand) uses() everyday { return usesServer | usesOutput }

func (e *explainCommand) run(ctx context.Context, call *invocation) error {
	byPattern := call.given["pattern"] || e.PatternFile != ""
	switch {
	case byPattern && e.Topic != "":
		return usageFailure("both --pattern and --topic say what the event is put to", "give one of them")
	case !byPattern && e.Topic == "":
		return usageFailure("there is nothing to put the event to", "give a --pattern, or a --topic whose subscriptions have theirs").
			trying(`freshet explain -p '{"source":["shop"]}' '{"source":"shop","detail":{}}'`)
	case e.Topic == "" && (call.given["server"] || call.given["timeout"]):
		return usageFailure("--server and --timeout are for --topic", "a pattern is explained here, without a node")
	}
	event, err := e.event(call)
	if err != nil {
		return err
	}
	if e.Topic != "" {
		return e.explainTopic(ctx, call, event)
	}
	text, err := e.read(call.stdin)
	if err != nil {
		return err
	}
	pattern, err := parsePattern(text)
	if err != nil {
		return err
	}
	explained := pattern.Explain(event)
	if call.out.structured() {
		call.out.object(explained)
	} else {
		call.out.linef("%s", strings.TrimRight(explained.String(), "\n"))
	}
	if e.ExitCode && !explained.Matched {
		return errAnswerIsNo
	}
	return nil
}

// event is what patterns would see of it.
func (e *explainCommand) event(call *invocation) (matcher.Event, error) {
	attributes := make([]matcher.Attribute, len(e.Attribute))
	for i, a := range e.Attribute {
		attributes[i] = matcher.Attribute{Name: a.name, Value: a.value}
	}
	if e.Data == "" && e.File == "" {
		if len(attributes) == 0 {
			return matcher.Event{}, usageFailure("there is no event", "give DATA, or a file with --file").
				trying(`freshet explain -p '{"source":["shop"]}' '{"source":"shop","detail":{}}'`)
		}
		return matcher.Event{Attributes: attributes}, nil
	}
	text, err := e.text(e.Data, call)
	if err != nil {
		return matcher.Event{}, err
	}
	if e.Type == "" && e.Source == "" && e.ContentType == "" {
		return matcher.Event{JSON: text, Attributes: attributes}, nil
	}
	made, err := e.detail(text)
	if err != nil {
		return matcher.Event{}, err
	}
	if made.detail == nil {
		return matcher.Event{Attributes: attributes}, nil
	}
	envelope, err := envelopeOf(made)
	return matcher.Event{JSON: envelope, Attributes: attributes}, err
}

// envelopeOf is the envelope that the client would put around a detail, with an
// id and a time as good as any.
func envelopeOf(made draft) ([]byte, error) {
	kind, kindErr := json.Marshal(made.kind)
	source, sourceErr := json.Marshal(made.source)
	if err := cmp.Or(kindErr, sourceErr); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, `{"version":"0","id":"00000000-0000-7000-8000-000000000000","detail-type":%s,"source":%s,"time":%q,"detail":%s}`,
		kind, source, time.Now().UTC().Format(time.RFC3339), made.detail), nil
}
