package load

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// attachLook is how often it is looked whether all consumers are attached.
const attachLook = 100 * time.Millisecond

// awaitAttached waits until every consumer has a session with each partition: of thousands that takes
// seconds, in which events would only wait. It gives up when there are no more for a while.
func (r *run) awaitAttached(ctx context.Context, attachments int) error {
	wanted := attachments * r.Partitions
	most, since := 0, time.Now()
	for {
		attached, err := r.sessions(ctx)
		if attached >= wanted {
			return nil
		}
		if attached > most {
			most, since = attached, time.Now()
		}
		if time.Since(since) > r.Drain {
			return errors.Join(fmt.Errorf("%d of %d sessions of consumers are attached, and there were no more for %v", attached, wanted, r.Drain), err)
		}
		if !await(ctx, attachLook) {
			return nil // whoever ended the run knows why
		}
	}
}

// sessions is how many sessions the topics' subscriptions have.
func (r *run) sessions(ctx context.Context) (int, error) {
	sessions := 0
	for topic := range r.Topics {
		for subscription, err := range r.clients[0].Admin().Subscriptions(ctx, r.topicName(topic)) {
			if err != nil {
				return sessions, err
			}
			sessions += subscription.Counts.Sessions
		}
	}
	return sessions, nil
}
