package demo

// Feed is the events of a run, by position: 0 to Len-1. The same position is
// always the same event, so nothing of the run has to be kept in order to say
// later what was published there. Safe for concurrent use.
type Feed interface {
	// Len is how many events there are.
	Len() int
	// Event is the event at a position, and which of Subscriptions, by index,
	// should get it. The bytes must not be changed.
	Event(position int) (event []byte, wanted SubscriptionSet)
	// Key is the key that the event at a position is published with; empty: none.
	Key(position int) string
	// Subscriptions are those that the feed has expectations of, at most 64.
	Subscriptions() []Subscription
	// Describe names the event at a position for people: "line 18, 2nd time".
	Describe(position int) string
}

// SubscriptionSet is some of a feed's subscriptions, a bit each.
type SubscriptionSet uint64

// With is the set and one more.
func (s SubscriptionSet) With(subscription int) SubscriptionSet { return s | 1<<subscription }

// Has reports whether the set holds a subscription.
func (s SubscriptionSet) Has(subscription int) bool { return s>>subscription&1 == 1 }
