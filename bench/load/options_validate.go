package load

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// Validate refuses what can't be run. Call it behind EnsureDefaults.
func (o *Options) Validate() error {
	if o.Target == "" {
		return errors.New("there is no cluster to put load on")
	}
	if o.Topic == "" {
		return errors.New("the topic has no name")
	}
	for _, field := range []struct {
		name            string
		value, min, max int
	}{
		{"event bytes", o.EventBytes, 1, eventBytesMax},
		{"keys", o.Keys, 0, keysMax},
		{"topics", o.Topics, 1, topicsMax},
		{"partitions", o.Partitions, 1, 1 << 16},
		{"subscriptions", o.Subscriptions, 0, subscriptionsMax},
		{"members", o.Members, 1, membersMax},
		{"producers", o.Producers, 1, workersMax},
		{"consumers", o.Consumers, 1, workersMax},
		{"rate", o.Rate, 0, rateMax},
		{"batch", o.Batch, 1, batchMax},
		{"flights", o.Flights, 1, flightsMax},
		{"window", o.Window, 1, windowMax},
		{"backlog", o.Backlog, 0, backlogMax},
		{"ahead", o.Ahead, 0, aheadMax},
	} {
		if field.value < field.min || field.value > field.max {
			return fmt.Errorf("%s is %d: %d to %d are possible", field.name, field.value, field.min, field.max)
		}
	}
	for _, field := range []struct {
		name  string
		value time.Duration
	}{{"warm-up", o.WarmUp}, {"duration", o.Duration}, {"drain", o.Drain}} {
		if field.value <= 0 || field.value > durationMax {
			return fmt.Errorf("%s is %v: more than 0 and at most %v are possible", field.name, field.value, durationMax)
		}
	}
	if o.Linger > lingerMax {
		return fmt.Errorf("linger is %v: at most %v is possible", o.Linger, lingerMax)
	}
	return errors.Join(o.validateSubscriptions(), o.validateEvents(), o.validateStrike())
}

func (o *Options) validateSubscriptions() error {
	switch {
	case o.Work == WorkPublish && o.Subscriptions > 0:
		return fmt.Errorf("subscriptions is %d: with publish nobody consumes", o.Subscriptions)
	case o.Work != WorkPublish && o.Subscriptions == 0:
		return errors.New("subscriptions is 0: 1 or more are possible")
	case o.Subscriptions > 0 && (o.Matches < 1 || o.Matches > o.Subscriptions):
		return fmt.Errorf("matches is %d: 1 to %d are possible, as many as there are subscriptions", o.Matches, o.Subscriptions)
	case o.Members > 1 && o.Work != WorkFanout:
		return fmt.Errorf("members is %d: only fan-outs have any", o.Members)
	case o.copies() > deliveriesPerEvent:
		return fmt.Errorf("an event is delivered %d times: matches times members is at most %d", o.copies(), deliveriesPerEvent)
	case o.lanes() > attachmentsAtOnceMax:
		return fmt.Errorf("topics times subscriptions times members is %d: at most %d are possible", o.lanes(), attachmentsAtOnceMax)
	case o.Backlog > 0 && o.Subscriptions == 0:
		return fmt.Errorf("backlog is %d: without subscriptions nothing waits", o.Backlog)
	case o.Backlog > 0 && o.Rate > 0:
		return fmt.Errorf("backlog is %d and rate is %d: a backlog is published at full speed", o.Backlog, o.Rate)
	case o.Ahead > 0 && (o.Rate > 0 || o.Backlog > 0 || o.Subscriptions == 0):
		return fmt.Errorf("ahead is %d: it is for full speed, with subscriptions and without a backlog", o.Ahead)
	case o.Consumers < o.consumersMin():
		return fmt.Errorf("consumers is %d: %d subscriptions and members on %d partitions each need %d at least, as a connection carries %d streams",
			o.Consumers, o.lanes(), o.Partitions, o.consumersMin(), streamsMax)
	case o.patterned() && o.Shape == ShapeBytes && len(o.Lines) == 0:
		return errors.New("shape is bytes: patterns see nothing of them, so all subscriptions have to match")
	case o.Ordered && (o.Keys == 0 || o.Work == WorkFanout):
		return errors.New("ordered is for queues, and events with keys")
	}
	return nil
}

func (o *Options) validateEvents() error {
	accounts := o.Producers * o.accountsPerProducer()
	switch {
	case o.Keys > 0 && accounts > keyedAccountsMax:
		return fmt.Errorf("producers times flights is %d: with keys at most %d are possible", accounts, keyedAccountsMax)
	case o.Keys > 0 && o.Keys < accounts:
		return fmt.Errorf("keys is %d: %d flights need one each at least", o.Keys, accounts)
	case o.Keys*max(1, o.copies()) > orderCellsMax:
		return fmt.Errorf("keys times deliveries of an event is %d: at most %d are possible", o.Keys*o.copies(), orderCellsMax)
	case o.Keys > 0 && o.Send == SendUnary:
		return errors.New("keys are not for unary calls")
	}
	if len(o.Lines) == 0 {
		if least := o.eventBytesMin(); o.EventBytes < least {
			return fmt.Errorf("event bytes is %d: %d to %d are possible with this shape", o.EventBytes, least, eventBytesMax)
		}
		return nil
	}
	if len(o.Lines) > linesMax {
		return fmt.Errorf("there are %d events in the file: at most %d are possible", len(o.Lines), linesMax)
	}
	total := 0
	for i, line := range o.Lines {
		total += len(line)
		switch {
		case len(line) < 3 || line[0] != '{' || line[len(line)-1] != '}' || bytes.ContainsAny(line, "\r\n"):
			return fmt.Errorf("event %d of the file isn't a JSON object with members, on one line", i+1)
		case len(line) > eventBytesMax-lineOverhead:
			return fmt.Errorf("event %d of the file has %d bytes: at most %d are possible", i+1, len(line), eventBytesMax-lineOverhead)
		case total > linesBytesMax:
			return fmt.Errorf("the file's events have more than %d bytes together", linesBytesMax)
		}
	}
	return nil
}

func (o *Options) validateStrike() error {
	if o.Work == WorkFailover && o.Strike == nil {
		return errors.New("failover needs a node that can be struck")
	}
	if s := o.Strike; s != nil && (s.At <= 0 || s.At >= o.Duration) {
		return fmt.Errorf("the strike comes at %v: more than 0 and less than the duration of %v are possible", s.At, o.Duration)
	}
	if s := o.Strike; s != nil && s.For <= 0 {
		return fmt.Errorf("the strike lasts %v: more than 0 is possible", s.For)
	}
	return nil
}
