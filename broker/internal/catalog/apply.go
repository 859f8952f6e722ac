package catalog

import (
	"slices"
	"strings"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Result is what a command's proposer is answered. Err is an *Error when the command was refused; else the field of the
// command's kind says what is there now.
type Result struct {
	Err          error
	Created      bool // false: it was there, with the same settings
	Cluster      Cluster
	Topic        Topic
	Subscription Subscription
	Node         Node
	Member       Member
}

// apply returns the view after a command, which is v itself where nothing changed. It reads nothing but its arguments.
func (v *View) apply(index uint64, command Command) (*View, Result) {
	// What a proposer of another release may not have refused.
	if refused := command.check(); refused != nil {
		return v, Result{Err: refused}
	}
	switch c := command.(type) {
	case FoundCluster:
		return v.foundCluster(index, c)
	case CreateTopic:
		return v.createTopic(index, c)
	case CreateSubscription:
		return v.createSubscription(index, c)
	case DeleteTopic:
		return v.deleteTopic(index, c)
	case DeleteSubscription:
		return v.deleteSubscription(index, c)
	case ForgetRemovals:
		return v.forgetRemovals(index, c)
	case PutNode:
		return v.putNode(index, c)
	case ReplaceMember:
		return v.replaceMember(index, c)
	default:
		panic("catalog: assertion: unknown command")
	}
}

// next returns a copy of the view that may be changed until it is shown to anybody. Trees are copied where they are
// written, when they are.
func (v *View) next(index uint64) *View {
	next := *v
	next.version = index
	next.topics, next.ids, next.removals = v.topics.Clone(), v.ids.Clone(), v.removals.Clone()
	next.superseded = make(chan struct{})
	return &next
}

func (v *View) foundCluster(index uint64, c FoundCluster) (*View, Result) {
	if v.cluster != nil {
		if c.Name != v.cluster.Name {
			return v, Result{Err: wrong("cluster name", "is %q; this cluster is called %q", c.Name, v.cluster.Name)}
		}
		return v, Result{Cluster: *v.cluster}
	}
	next := v.next(index)
	next.cluster = &Cluster{Name: c.Name, ID: c.ID, ReceiptKey: c.ReceiptKey, Partitions: c.Partitions, CreatedMs: c.CreatedMs}
	next.members = slices.Clone(c.Members)
	return next, Result{Created: true, Cluster: *next.cluster}
}

func (v *View) createTopic(index uint64, c CreateTopic) (*View, Result) {
	if there, ok := v.Topic(c.Name); ok {
		d := firstDifference(
			differ("event_bytes_max", there.EventBytesMax, c.EventBytesMax),
			differ("partitions", len(there.Partitions), int(c.Partitions)),
			differ("retention", there.Retention, c.Retention),
		)
		if d != nil {
			return v, Result{Err: exists(freshetv1.ErrorCode_ERROR_CODE_TOPIC_EXISTS, "topic", c.Name, d)}
		}
		return v, Result{Topic: there}
	}
	bytes := topicBytes(c.Name)
	switch {
	case v.topics.Len() >= TopicsMax:
		return v, Result{Err: tooMany("topics", "", TopicsMax)}
	case v.bytes+bytes > BytesMax:
		return v, Result{Err: catalogFull()}
	case int(c.Partitions) > v.partitions():
		return v, Result{Err: outside("partitions", int64(c.Partitions), 1, int64(v.partitions()))}
	}
	next := v.next(index)
	next.lastID++
	next.bytes += bytes
	entry := &topicEntry{
		Topic: Topic{
			Name: c.Name, ID: next.lastID, EventBytesMax: c.EventBytesMax, Partitions: v.place(int(c.Partitions)), Epoch: firstEpoch,
			Retention: c.Retention, CreatedMs: c.CreatedMs, Changed: index,
		},
		subscriptions: newSubscriptions(),
		newest:        index,
	}
	next.topics.ReplaceOrInsert(entry)
	next.ids.ReplaceOrInsert(idEntry{id: entry.ID, topic: c.Name})
	next.countTopic(entry.Partitions, 1)
	return next, Result{Created: true, Topic: entry.Topic}
}

func (v *View) createSubscription(index uint64, c CreateSubscription) (*View, Result) {
	entry, ok := v.topics.Get(&topicEntry{Topic: Topic{Name: c.Topic}})
	if !ok {
		return v, Result{Err: v.noTopic(c.Topic)}
	}
	if there, ok := entry.subscriptions.Get(&Subscription{Name: c.Name}); ok {
		if d := there.differsFrom(c); d != nil {
			return v, Result{Err: exists(freshetv1.ErrorCode_ERROR_CODE_SUBSCRIPTION_EXISTS, "subscription", c.Topic+"/"+c.Name, d)}
		}
		return v, Result{Subscription: *there}
	}
	bytes := subscriptionBytes(c.Name, c.Pattern, c.Members)
	switch {
	case entry.subscriptions.Len() >= SubscriptionsMax:
		return v, Result{Err: tooMany("subscriptions", " of a topic", SubscriptionsMax)}
	case v.bytes+bytes > BytesMax:
		return v, Result{Err: catalogFull()}
	}
	next := v.next(index)
	next.lastID++
	next.bytes += bytes
	subscription := &Subscription{
		Topic: c.Topic, TopicID: entry.ID, Name: c.Name, ID: next.lastID, Kind: c.Kind, Pattern: c.Pattern,
		VisibilityMs: c.VisibilityMs, AttemptsMax: c.AttemptsMax, Ordered: c.Ordered, Members: c.Members, From: c.From,
		CreatedMs: c.CreatedMs, Changed: index,
	}
	changed := *entry
	changed.subscriptions = entry.subscriptions.Clone()
	changed.subscriptions.ReplaceOrInsert(subscription)
	changed.Subscriptions = changed.subscriptions.Len()
	changed.newest = index
	next.topics.ReplaceOrInsert(&changed)
	next.ids.ReplaceOrInsert(idEntry{id: subscription.ID, topic: c.Topic, subscription: c.Name})
	return next, Result{Created: true, Subscription: *subscription}
}

// differsFrom returns the first setting that is not what is asked for.
func (s *Subscription) differsFrom(c CreateSubscription) *difference {
	return firstDifference(
		differ("kind", kindName(s.Kind), kindName(c.Kind)),
		differ("pattern", s.Pattern, c.Pattern),
		differ("visibility_ms", s.VisibilityMs, c.VisibilityMs),
		differ("attempts_max", s.AttemptsMax, c.AttemptsMax),
		differ("ordered", s.Ordered, c.Ordered),
		differ("from", startName(s.From), startName(c.From)),
		differ("members", strings.Join(s.Members, ","), strings.Join(c.Members, ",")),
	)
}

// kindName is a kind in people's words.
func kindName(kind freshetv1.SubscriptionKind) string {
	if kind == fanout {
		return "fanout"
	}
	return "queue"
}

// startName is a start in people's words.
func startName(from freshetv1.SubscriptionStart) string {
	if from == earliest {
		return "earliest"
	}
	return "latest"
}

// topicBytes is what a topic counts for.
func topicBytes(name string) int64 { return EntryBytes + int64(len(name)) }

// subscriptionBytes is what a subscription counts for.
func subscriptionBytes(name, pattern string, members []string) int64 {
	bytes := EntryBytes + int64(len(name)+len(pattern))
	for _, member := range members {
		bytes += int64(len(member)) + 16 // and the string's own header
	}
	return bytes
}

func catalogFull() *Error {
	return tooMany("bytes", " of names, patterns and members in all topics and subscriptions", BytesMax)
}
