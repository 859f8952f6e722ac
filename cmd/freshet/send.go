package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/client"
	"github.com/freshet-mq/freshet/matcher"
)

// sendCommand publishes events.
type sendCommand struct {
	Topic string `arg:"" help:"The topic."`
	Data  string `arg:"" help:"The event's detail, as JSON; or any text." optional:""`
	draftFlags

	After   duration `help:"Hold it back for so long, by the node's clock; subscriptions get it then." placeholder:"TIME"`
	Key     string   `help:"What it belongs to: events of one key lie in one place, in their order." placeholder:"KEY" short:"k"`
	DedupID string   `help:"Names the event: for 10 minutes, others of the topic with this id are repetitions of it, and nobody gets them." name:"dedup-id" placeholder:"ID"`
	Raw     bool     `help:"DATA is the whole event, envelope and all: it is sent byte for byte."`
	Lines   bool     `help:"Each line of the file is an event of its own."`
}

// Help tells more.
func (*sendCommand) Help() string {
	return `
DATA as JSON becomes the detail of an envelope: --type and --source say what it is (Message and
freshet.cli if nobody does), and id, time and version are filled in. With --raw DATA is the whole
event already. What isn't JSON is sent as bytes; patterns see its attributes and nothing else.
Prints where the event lies, PARTITION@OFFSET, and which subscriptions get it.

  freshet send orders -s shop -t "Order Placed" '{"amount": 250, "country": "AU"}'
  freshet send orders -t "Order Paid" -k customer-7 -f paid.json
  freshet send orders -t "Payment Reminder" --after 24h '{"order": 7}'
  freshet send orders -t "Order Paid" --dedup-id paid-4711 '{"order": 4711}'
  freshet send orders --raw '{"source":"shop","detail-type":"Ping","detail":{}}'
  freshet send orders --raw --lines -f events.jsonl.gz
  freshet send logs -a level=error -a host=web-1 "out of memory"
`
}

func (*sendCommand) uses() everyday { return usesServer | usesOutput }

// sentAnswer is what send says to programs of one event.
type sentAnswer struct {
	Topic     string `json:"topic"`
	Partition uint32 `json:"partition"`
	Offset    uint64 `json:"offset"`
	// Duplicate: an earlier try, whose answer was lost, had stored it; what it
	// matched isn't known then.
	Duplicate bool `json:"duplicate,omitempty"`
	// Repeat: an event with the same dedup id was published before, and lies
	// there; nobody gets this one.
	Repeat  bool     `json:"repeat,omitempty"`
	Matched []string `json:"matched"`
}

func (s *sendCommand) run(ctx context.Context, call *invocation) error {
	if err := s.checkFlags(call); err != nil {
		return err
	}
	if s.Lines {
		return s.sendLines(ctx, call)
	}
	text, err := s.text(s.Data, call)
	if err != nil {
		return err
	}
	event, err := s.event(text, call)
	if err != nil {
		return err
	}
	return call.withClient(ctx, func(c *client.Client) error {
		ctx, cancel := call.within(ctx)
		defer cancel()
		producer, err := c.Producer(s.Topic, client.WithMatches(), client.WithLinger(0))
		if err != nil {
			return err
		}
		receipt, err := producer.Publish(ctx, event)
		if err != nil {
			return s.tooLarge(err)
		}
		if call.out.structured() {
			call.out.object(sentAnswer{
				Topic: s.Topic, Partition: receipt.Partition, Offset: receipt.Offset, Duplicate: receipt.Duplicate, Repeat: receipt.Repeat,
				Matched: append([]string{}, receipt.Matched...),
			})
			return nil
		}
		return s.tell(ctx, call, c, receipt, event.ContentType)
	})
}

// tooLarge words a refusal of an event's size, which the node sees as a part of
// a block.
func (s *sendCommand) tooLarge(err error) error {
	refused, ok := errors.AsType[*client.Error](err)
	if !ok || refused.Code != client.CodeLimitExceeded || !strings.HasSuffix(refused.Metadata["field"], "data") {
		return err
	}
	return &failure{
		code:  codeLimit,
		what:  fmt.Sprintf("the event has %s bytes, and topic %q takes at most %s", refused.Metadata["got"], s.Topic, refused.Metadata["limit"]),
		cause: err,
	}
}

// checkFlags refuses flags that contradict each other.
func (s *sendCommand) checkFlags(call *invocation) error {
	switch {
	case s.Data == "" && s.File == "" && !call.given["data"]:
		return usageFailure("there is nothing to send", "give DATA, or a file with --file").
			trying(fmt.Sprintf(`freshet send %s -s shop -t "Order Placed" '{"amount": 250}'`, shellQuote(s.Topic)))
	case s.Lines && s.File == "":
		return usageFailure("--lines is for a file", "name one with --file; - is standard input")
	case s.Lines && s.DedupID != "":
		return usageFailure("--lines is many events, and --dedup-id names one")
	case s.Raw && (s.Type != "" || s.Source != ""):
		return usageFailure("--raw sends DATA as it is", "--type and --source are for the envelope that is put around it otherwise")
	case s.Raw && s.ContentType != "":
		return usageFailure("--raw sends a whole JSON event", "--content-type is for what isn't JSON")
	}
	return nil
}

// event makes the event that is to be sent.
func (s *sendCommand) event(text []byte, call *invocation) (client.Event, error) {
	if s.Raw {
		if err := matcher.CheckJSON(text); err != nil {
			call.notef("note: this is no JSON event (%s); only subscriptions without a pattern get it", err)
		}
		event := client.EventFromJSON(text)
		event.Key, event.DedupID, event.Attributes, event.DeliverAt = s.Key, s.DedupID, s.attributes(), s.deliverAt()
		return event, nil
	}
	made, err := s.detail(text)
	if err != nil {
		return client.Event{}, err
	}
	event := client.Event{Key: s.Key, DedupID: s.DedupID, Attributes: s.attributes(), DeliverAt: s.deliverAt()}
	if made.detail != nil {
		event.Source, event.DetailType, event.Detail = made.source, made.kind, json.RawMessage(made.detail)
	} else {
		event.Data, event.ContentType = made.opaque, made.contentType
	}
	return event, nil
}

// deliverAt is when the event may be delivered; zero for at once.
func (s *sendCommand) deliverAt() time.Time {
	if s.After == 0 {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(s.After))
}

func (f *draftFlags) attributes() []client.Attribute {
	var attributes []client.Attribute
	for _, a := range f.Attribute {
		attributes = append(attributes, client.Attribute{Name: a.name, Value: a.value})
	}
	return attributes
}

// tell says where the event is and who gets it; if nobody does, how to find out
// why.
func (s *sendCommand) tell(ctx context.Context, call *invocation, c *client.Client, receipt client.Receipt, contentType string) error {
	sent := fmt.Sprintf("sent %s %d@%d", s.Topic, receipt.Partition, receipt.Offset)
	switch {
	case receipt.Repeat:
		call.out.linef("%s  an event with this dedup id was published before; nobody gets this one", sent)
		return nil
	case receipt.Duplicate:
		call.out.linef("%s  stored by an earlier try; what it matched isn't known", sent)
		return nil
	case len(receipt.Matched) > 0:
		call.out.linef("%s  matched: %s", sent, strings.Join(receipt.Matched, ", "))
		return nil
	}
	subscriptions, err := subscriptionsOf(ctx, c.Admin(), s.Topic)
	if err != nil {
		return err
	}
	if len(subscriptions) == 0 {
		call.out.linef("%s  matched no subscription: the topic has none, so nobody gets it", sent)
		return nil
	}
	call.out.linef("%s  matched no subscription (the topic has %d)", sent, len(subscriptions))
	call.out.linef("  try: %s", s.explainLine(contentType))
	return nil
}

// explainLine asks why the same event matches nothing, if it can be said again.
func (s *sendCommand) explainLine(contentType string) string {
	const longest = 1000 // more than that nobody pastes
	if s.File == "-" || len(s.Data) > longest {
		return "freshet sub list " + shellQuote(s.Topic)
	}
	words := []string{"freshet", "explain", "--topic", s.Topic}
	if !s.Raw && contentType == "" {
		words = append(words, "-t", cmp.Or(s.Type, defaultKind), "-s", cmp.Or(s.Source, defaultSource))
	}
	for _, a := range s.Attribute {
		words = append(words, "-a", a.name+"="+a.value)
	}
	if contentType != "" {
		words = append(words, "--content-type", contentType)
	}
	if s.File != "" {
		words = append(words, "-f", s.File)
	} else {
		words = append(words, s.Data)
	}
	for i, word := range words {
		words[i] = shellQuote(word)
	}
	return strings.Join(words, " ")
}
