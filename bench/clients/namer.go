package clients

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

const (
	// namers are how many clients make, remove and look for topics and subscriptions, all under the same few names.
	namers = 3
	// nameEvery is about how often each does.
	nameEvery = 500 * time.Millisecond
	// nameWithin is how long it waits for an answer.
	nameWithin = 8 * time.Second
	// nameHome is the topic of the subscriptions.
	nameHome = "names"
)

// named is a name that namers share.
type named struct {
	name string
	// make, remove and look are what they do. Where nothing has the name look gives 0.
	make   func(context.Context, *client.Admin) (id uint64, created bool, err error)
	remove func(context.Context, *client.Admin) error
	look   func(context.Context, *client.Admin) (id uint64, err error)
}

func namedThings() []named {
	return []named{namedTopic("name-1"), namedTopic("name-2"), namedQueue(nameHome + "/name-3")}
}

func namedTopic(name string) named {
	return named{
		name: name,
		make: func(ctx context.Context, by *client.Admin) (uint64, bool, error) {
			made, created, err := by.CreateTopic(ctx, client.TopicConfig{Name: name})
			if err != nil {
				return 0, false, err
			}
			return made.ID, created, nil
		},
		remove: func(ctx context.Context, by *client.Admin) error { return by.DeleteTopic(ctx, name) },
		look: func(ctx context.Context, by *client.Admin) (uint64, error) {
			for t, err := range by.Topics(ctx) {
				if err != nil || t.Name == name {
					return idOf(t, err)
				}
			}
			return 0, nil
		},
	}
}

func namedQueue(name string) named {
	return named{
		name: name,
		make: func(ctx context.Context, by *client.Admin) (uint64, bool, error) {
			made, created, err := by.CreateSubscription(ctx, client.SubscriptionConfig{Name: name, Kind: client.KindQueue})
			if err != nil {
				return 0, false, err
			}
			return made.ID, created, nil
		},
		remove: func(ctx context.Context, by *client.Admin) error { return by.DeleteSubscription(ctx, name) },
		look: func(ctx context.Context, by *client.Admin) (uint64, error) {
			for s, err := range by.Subscriptions(ctx, nameHome) {
				if err != nil {
					return 0, err
				}
				return s.ID, nil
			}
			return 0, nil
		},
	}
}

func idOf(t *client.Topic, err error) (uint64, error) {
	if err != nil {
		return 0, err
	}
	return t.ID, nil
}

// nameThings makes and removes topics and subscriptions until ctx ends, and writes down what it is told.
func (c *Clients) nameThings(ctx context.Context, number int, by *client.Client, random *rand.Rand) {
	c.insist(ctx, func(ctx context.Context) error {
		_, _, err := by.Admin().CreateTopic(ctx, client.TopicConfig{Name: nameHome})
		return err
	})
	things := namedThings()
	for Pause(ctx, time.Duration(random.Int64N(int64(2*nameEvery)))) {
		it := things[random.IntN(len(things))]
		n := history.Named{Name: it.name, Client: number, Verb: history.NameVerb(random.IntN(3))}
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), nameWithin)
		n.Invoked = c.recorder.Now()
		var err error
		switch n.Verb {
		case history.NameMake:
			var created bool
			n.ID, created, err = it.make(bounded, by.Admin())
			n.Found = !created
		case history.NameRemove:
			if err = it.remove(bounded, by.Admin()); errors.Is(err, client.ErrNotFound) {
				err = nil
			} else {
				n.Found = true
			}
		case history.NameLook:
			n.ID, err = it.look(bounded, by.Admin())
			n.Found = n.ID != 0
		}
		cancel()
		n.Returned = c.recorder.Now()
		n.Outcome = namedOutcome(err)
		if err != nil {
			c.Notef("the %s of %s: %v", n.Verb, n.Name, err)
		}
		if c.recorder.Named(n) != nil {
			return // it is full, and says so itself
		}
	}
}

// namedOutcome is what an error says of what was asked for. A client that says that nothing was done is taken at its word.
func namedOutcome(err error) history.Outcome {
	if err == nil {
		return history.OK
	}
	if refused, ok := errors.AsType[*client.Error](err); ok && !refused.OutcomeUnknown {
		return history.Fail
	}
	return history.Unknown
}

// noteNamed writes down what was asked of a name and told, for those who look into a failure.
func (c *Clients) noteNamed(n *history.Named) {
	told := fmt.Sprintf("there was one: %v, id %d", n.Found, n.ID)
	if n.Outcome != history.OK {
		told = n.Outcome.String()
	}
	c.Notef("the %s of %s by client %d, from %v to %v: %s", n.Verb, n.Name, n.Client, n.Invoked, n.Returned, told)
}
