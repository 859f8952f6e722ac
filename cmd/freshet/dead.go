package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/client"
)

// deadFlags say which dead letters are meant.
type deadFlags struct {
	patternFlags

	Member string `help:"The member of a fanout whose dead letters are meant." placeholder:"NAME" short:"m"`
	Reason string `default:"any" enum:"any,expired,released,rejected,undelivered" help:"Only those that died for this reason: expired, released, rejected or undelivered; default any." placeholder:"REASON"`
	Key    string `help:"Only those of this key." placeholder:"KEY" short:"k"`
}

// reasons are the client's, by name.
var reasons = map[string]client.DeadReason{
	"expired": client.DeadExpired, "released": client.DeadReleased, "rejected": client.DeadRejected, "undelivered": client.DeadUndelivered,
}

// options makes of the flags what the client wants.
func (f *deadFlags) options(call *invocation) ([]client.DeadLetterOption, error) {
	pattern, err := f.checked(call)
	if err != nil {
		return nil, err
	}
	return []client.DeadLetterOption{
		client.WithDeadReason(reasons[f.Reason]), client.WithDeadPattern(pattern), client.WithDeadKey(f.Key),
	}, nil
}

// memberFailure says what --member has to be, where that is what the node refused.
func (f *deadFlags) memberFailure(err error, name subscriptionName) error {
	refused, ok := errors.AsType[*client.Error](err)
	if !ok || refused.Code != client.CodeArgumentRefused || !strings.HasSuffix(refused.Metadata["field"], "member") {
		return err
	}
	wrong := usageFailure(fmt.Sprintf("%q is a queue, which has no members", name), "leave out --member")
	if f.Member == "" {
		wrong = usageFailure(fmt.Sprintf("%q is a fanout: whose dead letters are meant is said with --member", name)).
			trying("freshet sub list " + shellQuote(name.topic) + " --json")
	}
	wrong.cause = err
	return wrong
}

// place is where an event lies, written PARTITION@OFFSET.
type place struct {
	partition uint32
	offset    uint64
}

func (p place) String() string { return fmt.Sprintf("%d@%d", p.partition, p.offset) }

// UnmarshalText reads "0@17".
func (p *place) UnmarshalText(text []byte) error {
	partition, offset, _ := strings.Cut(string(text), "@")
	number, err := strconv.ParseUint(partition, 10, 32)
	if err == nil {
		p.offset, err = strconv.ParseUint(offset, 10, 64)
	}
	if err != nil {
		return fmt.Errorf("wants PARTITION@OFFSET, such as 0@17, got %q", text)
	}
	p.partition = uint32(number)
	return nil
}

// deadAnswer is a dead letter for programs.
type deadAnswer struct {
	Reason   string    `json:"reason"`
	Detail   string    `json:"detail,omitempty"` // what the consumer said
	Attempts int       `json:"attempts"`
	Died     time.Time `json:"died"`
	eventAnswer
}

func deadAnswerOf(l *client.DeadLetter) deadAnswer {
	a := deadAnswer{Reason: l.Reason.String(), Detail: l.Detail, Attempts: l.Attempts, Died: l.Died, eventAnswer: eventAnswerOf(&l.Event)}
	a.Partition, a.Offset = l.Partition, l.Offset
	return a
}

// deadListCommand lists dead letters.
type deadListCommand struct {
	Subscription string `arg:"" help:"The subscription, TOPIC/NAME."`
	deadFlags

	Number count `default:"100" help:"At most this many; default 100." placeholder:"N" short:"n"`
}

// Help tells more.
func (*deadListCommand) Help() string {
	return `
What the subscription gave up, in the order in which it was published: where it lies, when and why it
died, after how many attempts, and what the consumer said. For programs each letter has its event in it.

  freshet dead list orders/billing
  freshet dead ls orders/billing --reason rejected --pattern '{"detail-type":["Order Placed"]}'
  freshet dead list orders/caches --member web-1 -n 1000 --json
`
}

func (*deadListCommand) uses() everyday { return usesServer | usesOutput }

// deadListAnswer is what dead list says to programs.
type deadListAnswer struct {
	Letters []deadAnswer `json:"letters"`
	// More: --number was reached.
	More bool `json:"more"`
}

func (d *deadListCommand) run(ctx context.Context, call *invocation) error {
	name, err := nameOf("dead list", d.Subscription, "")
	if err != nil {
		return err
	}
	options, err := d.options(call)
	if err != nil {
		return err
	}
	answer := deadListAnswer{Letters: []deadAnswer{}}
	written := table{columns: []column{
		{name: "EVENT"}, {name: "DIED"}, {name: "REASON"}, {name: "ATTEMPTS", right: true}, {name: "SAID", shrinks: true}, {name: "TYPE"},
	}}
	err = call.withClient(ctx, func(c *client.Client) error {
		ctx, cancel := call.within(ctx)
		defer cancel()
		options = append(options, client.WithDeadMost(int(d.Number)+1)) // one more tells whether there is
		for letter, err := range c.Admin().DeadLetters(ctx, name.String(), d.Member, options...) {
			if err != nil {
				return err
			}
			if answer.More = len(answer.Letters) == int(d.Number); answer.More {
				return nil
			}
			a := deadAnswerOf(letter)
			if !call.out.structured() {
				written.row(place{a.Partition, a.Offset}.String(), clock(a.Died), a.Reason, strconv.Itoa(a.Attempts), printable(a.Detail), typeOf(&letter.Event))
				a.eventAnswer = eventAnswer{}
			}
			answer.Letters = append(answer.Letters, a)
		}
		return nil
	})
	switch {
	case err != nil:
		return d.memberFailure(err, name)
	case call.out.structured():
		call.out.object(answer)
	case len(answer.Letters) == 0:
		call.notef("%s has no such dead letter", name)
	default:
		call.out.table(written)
	}
	if answer.More && !call.out.structured() {
		call.notef("and more; --number says how many are listed")
	}
	return nil
}

// typeOf is an event's detail-type, or what else it is.
func typeOf(e *client.Event) string {
	if !e.IsJSON() {
		return printable(e.ContentType)
	}
	if envelope, err := e.Envelope(); err == nil {
		return printable(envelope.DetailType)
	}
	return ""
}
