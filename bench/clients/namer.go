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
	// namers are how many clients make and remove topics, each of so many names of its own: a removal that is sent again, since its answer was lost, also
	// removes what somebody else has made meanwhile (docs/reliability.md).
	namers = 2
	names  = 2
	// nameEvery is about how often each does.
	nameEvery = 700 * time.Millisecond
	// nameWithin is how long it waits for an answer.
	nameWithin = 8 * time.Second
)

// nameThings makes and removes topics until ctx ends, and writes down what it is told.
func (c *Clients) nameThings(ctx context.Context, number int, by *client.Client, random *rand.Rand) {
	for Pause(ctx, time.Duration(random.Int64N(int64(2*nameEvery)))) {
		n := history.Named{Name: fmt.Sprintf("name-%d-%d", number, random.IntN(names)), Client: number, Verb: history.NameMake, Outcome: history.Unknown}
		if random.IntN(2) == 0 {
			n.Verb = history.NameRemove
		}
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), nameWithin)
		n.Invoked = c.recorder.Now()
		var err error
		if n.Verb == history.NameMake {
			var created bool
			_, created, err = by.Admin().CreateTopic(bounded, client.TopicConfig{Name: n.Name})
			n.Found = !created
		} else {
			// One that finds nothing where an earlier try's answer was lost says that it is gone.
			err = by.Admin().DeleteTopic(bounded, n.Name)
			n.Untold = true
		}
		cancel()
		n.Returned = c.recorder.Now()
		switch {
		case err == nil:
			n.Outcome = history.OK
		case errors.Is(err, client.ErrNotFound):
			n.Outcome, n.Untold = history.OK, false
		}
		if n.Outcome != history.OK {
			c.Notef("the %s of topic %s: %v", verbOf(n.Verb), n.Name, err)
		}
		if c.recorder.Named(n) != nil {
			return // it is full, and says so itself
		}
	}
}

func verbOf(v history.NameVerb) string {
	if v == history.NameRemove {
		return "removal"
	}
	return "making"
}
