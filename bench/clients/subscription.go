package clients

import (
	"context"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

const (
	// attemptsMax is more than a run needs: what dies here was rejected. At tries much is given back, and fewAttempts are soon used up.
	attemptsMax = 1_000
	fewAttempts = 3
)

// subscription is one of a run's. What matches it is said twice: by its pattern, for the nodes, and by wants, for the history (C3).
type subscription struct {
	name    string
	pattern string
	wants   func(message) bool
	ordered bool
	tries   bool     // has but fewAttempts
	members []string // of a fan-out
	// late ones are made while things break, leaving ones removed.
	late, leaving bool
}

func subscriptions() []subscription {
	all := func(message) bool { return true }
	even := func(m message) bool { return m.Detail.Half == "even" }
	return []subscription{
		{name: "all", wants: all},
		{name: "ordered", ordered: true, wants: all},
		{name: "even", pattern: `{"detail":{"half":["even"]}}`, wants: even},
		{name: "few", pattern: `{"detail":{"rest":[{"numeric":["<",3]}]},"source":[{"prefix":"load."}]}`, ordered: true, wants: func(m message) bool { return m.Detail.Rest < 3 }},
		{name: "audit", pattern: `{"detail":{"half":[{"anything-but":"even"}]}}`, members: []string{"left", "right"}, wants: func(m message) bool { return !even(m) }},
		{name: "tries", tries: true, pattern: `{"detail":{"rest":[4,5]}}`, wants: func(m message) bool { return m.Detail.Rest == 4 || m.Detail.Rest == 5 }},
		{name: "late", late: true, wants: all},
		{name: "late-even", late: true, pattern: `{"detail":{"half":["even"]}}`, wants: even},
		{name: "leaving", leaving: true, pattern: `{"detail":{"rest":[9]}}`, wants: func(m message) bool { return m.Detail.Rest == 9 }},
	}
}

// attempts is how often an event is tried.
func (s *subscription) attempts() int {
	if s.tries {
		return fewAttempts
	}
	return attemptsMax
}

// fullName is a subscription's name, with its topic's.
func (c *Clients) fullName(s *subscription) string { return c.Topic + "/" + s.name }

// config is what a subscription is made of.
func (c *Clients) config(s *subscription) client.SubscriptionConfig {
	config := client.SubscriptionConfig{
		Name: c.fullName(s), Kind: client.KindQueue, Pattern: s.pattern, Visibility: c.Visibility, Attempts: s.attempts(),
		Members: s.members, Ordered: s.ordered,
	}
	if len(s.members) > 0 {
		config.Kind = client.KindFanout
	}
	return config
}

// reader is a queue, or a fan-out's member, with its number in the history.
type reader struct {
	*subscription
	member string
	number history.Reader
}

// source is where a reader gets its events: a queue, or a fan-out in a member's name.
type source interface {
	Consume(ctx context.Context, handler client.Handler, options ...client.ConsumeOption) error
	Receive(ctx context.Context, events int, options ...client.ReceiveOption) (*client.Batch, error)
}

// source is a client's way to a reader's events.
func (c *Clients) source(r *reader, by *client.Client) source {
	if r.member == "" {
		return by.Queue(c.fullName(r.subscription))
	}
	return by.Fanout(c.fullName(r.subscription), r.member)
}

// readersOf tells the history of all readers. None has been made yet.
func readersOf(all []subscription, recorder *history.Recorder) (readers []reader, err error) {
	for i := range all {
		members := all[i].members
		if members == nil {
			members = []string{""}
		}
		for _, member := range members {
			name := all[i].name
			if member != "" {
				name += "@" + member
			}
			number, err := recorder.Reader(history.ReaderInfo{
				Name: name, Ordered: all[i].ordered, AttemptsMax: all[i].attempts(), Asked: history.Never, Made: history.Never,
			})
			if err != nil {
				return nil, err
			}
			readers = append(readers, reader{&all[i], member, number})
		}
	}
	return readers, nil
}

// matching are the readers that want an event.
func matching(readers []reader, m message) (set history.ReaderSet) {
	for i := range readers {
		if readers[i].wants(m) {
			set = set.With(readers[i].number)
		}
	}
	return set
}
