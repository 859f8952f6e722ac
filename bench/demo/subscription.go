package demo

// Subscription is one of the run's: what it is called, who gets what it
// matches, and its pattern.
type Subscription struct {
	Name string
	// Members are a fan-out's; a queue has none.
	Members []string
	// Ordered is of a queue that hands out events of one key one after the other.
	Ordered bool
	// Pattern is JSON text; empty: every event.
	Pattern string
}

// Fanout reports whether it is a fan-out rather than a queue.
func (s Subscription) Fanout() bool { return len(s.Members) > 0 }

// reader is one place where events arrive: a queue, or a member of a fan-out.
type reader struct {
	subscription int
	member       string // empty for a queue
}

// readersOf numbers everybody who has a subscription's events to himself: queues
// and members, in the order of the subscriptions.
func readersOf(subscriptions []Subscription) []reader {
	var readers []reader
	for i, s := range subscriptions {
		if !s.Fanout() {
			readers = append(readers, reader{subscription: i})
		}
		for _, member := range s.Members {
			readers = append(readers, reader{subscription: i, member: member})
		}
	}
	return readers
}

// readersWanting turns the subscriptions that want an event into their readers.
func readersWanting(wanted SubscriptionSet, readers []reader) ReaderSet {
	var set ReaderSet
	for i, r := range readers {
		if wanted.Has(r.subscription) {
			set = set.With(Reader(i))
		}
	}
	return set
}

// name is "billing", or "tracking@web" for a member.
func (r reader) name(subscriptions []Subscription) string {
	if r.member == "" {
		return subscriptions[r.subscription].Name
	}
	return subscriptions[r.subscription].Name + "@" + r.member
}
