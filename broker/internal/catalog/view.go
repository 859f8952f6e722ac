package catalog

import (
	"iter"

	"github.com/google/btree"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// treeDegree of the sets below: small, since each change copies the nodes on its way.
const treeDegree = 16

// Cluster is what the cluster is called.
type Cluster struct {
	Name, ID   string
	ReceiptKey ReceiptKey
	// Partitions is how many there are: 0 to Partitions-1.
	Partitions uint32
	CreatedMs  int64
}

// Topic is where events are published. Its fields mean what they mean in freshet.v1.Topic.
type Topic struct {
	Name          string
	ID            uint64
	EventBytesMax uint32
	// Partitions that it is on, ascending. Its slots are spread over them in equal runs, in this order. They must not be changed.
	Partitions []uint32
	// Epoch grows when slots move. At least 1.
	Epoch     uint64
	Retention Retention
	CreatedMs int64
	// Subscriptions is how many it has.
	Subscriptions int
	// Changed is the index of the entry that changed its own settings last; its subscriptions have theirs.
	Changed uint64
}

// Subscription says who wants which events of a topic. Its fields mean what they mean in freshet.v1.Subscription.
type Subscription struct {
	Topic        string
	TopicID      uint64
	Name         string
	ID           uint64
	Kind         freshetv1.SubscriptionKind
	Pattern      string
	VisibilityMs uint32
	AttemptsMax  uint32
	Ordered      bool
	// Members that it was made with, sorted. They must not be changed.
	Members   []string
	From      freshetv1.SubscriptionStart
	CreatedMs int64
	// Changed is the index of the entry that changed it last.
	Changed uint64
}

// topicEntry is a topic with its subscriptions. It is never changed once a view holds it.
type topicEntry struct {
	Topic
	subscriptions *btree.BTreeG[*Subscription] // by name
	newest        uint64                       // highest Changed of the topic and its subscriptions
}

// idEntry finds names again by id.
type idEntry struct {
	id                  uint64
	topic, subscription string // subscription is empty for a topic's id
}

// View is the catalog after some entry. It never changes, may be read by any number of goroutines, and costs nothing to
// hold on to but the memory of what was replaced since.
type View struct {
	version uint64
	lastID  uint64
	bytes   int64
	cluster *Cluster
	topics  *btree.BTreeG[*topicEntry] // by name
	ids     *btree.BTreeG[idEntry]
	// removals by id.
	removals *btree.BTreeG[Removal]
	// members by node, nodes by name, and how many topics each partition holds a part of. Never changed once a view has them.
	members  []Member
	nodes    []Node
	topicsOn []int
	// superseded is closed when a newer view takes this one's place.
	superseded chan struct{}
}

func emptyView() *View {
	return &View{
		topics:     btree.NewG(treeDegree, func(a, b *topicEntry) bool { return a.Name < b.Name }),
		ids:        btree.NewG(treeDegree, func(a, b idEntry) bool { return a.id < b.id }),
		removals:   btree.NewG(treeDegree, func(a, b Removal) bool { return a.ID < b.ID }),
		superseded: make(chan struct{}),
	}
}

func newSubscriptions() *btree.BTreeG[*Subscription] {
	return btree.NewG(treeDegree, func(a, b *Subscription) bool { return a.Name < b.Name })
}

// Version is the index of the entry that changed something last; 0: nothing was ever changed.
func (v *View) Version() uint64 { return v.version }

// Changed is closed when there is a newer view. So a reader that takes a view, does what it says and then waits here
// misses nothing.
func (v *View) Changed() <-chan struct{} { return v.superseded }

// Cluster returns what the cluster is called, and whether it has been founded.
func (v *View) Cluster() (Cluster, bool) {
	if v.cluster == nil {
		return Cluster{}, false
	}
	return *v.cluster, true
}

// Topic returns the topic of that name.
func (v *View) Topic(name string) (Topic, bool) {
	if entry, ok := v.topics.Get(&topicEntry{Topic: Topic{Name: name}}); ok {
		return entry.Topic, true
	}
	return Topic{}, false
}

// TopicByID returns the topic of that id.
func (v *View) TopicByID(id uint64) (Topic, bool) {
	if names, ok := v.ids.Get(idEntry{id: id}); ok && names.subscription == "" {
		return v.Topic(names.topic)
	}
	return Topic{}, false
}

// Topics returns topics in the order of their names: those behind after, or all of them.
func (v *View) Topics(after string) iter.Seq[Topic] {
	return func(yield func(Topic) bool) {
		v.topics.AscendGreaterOrEqual(&topicEntry{Topic: Topic{Name: after}}, func(entry *topicEntry) bool {
			return entry.Name == after || yield(entry.Topic)
		})
	}
}

// Subscription returns the topic's subscription of that name.
func (v *View) Subscription(topic, name string) (Subscription, bool) {
	if entry, ok := v.topics.Get(&topicEntry{Topic: Topic{Name: topic}}); ok {
		if subscription, ok := entry.subscriptions.Get(&Subscription{Name: name}); ok {
			return *subscription, true
		}
	}
	return Subscription{}, false
}

// SubscriptionByID returns the subscription of that id.
func (v *View) SubscriptionByID(id uint64) (Subscription, bool) {
	if names, ok := v.ids.Get(idEntry{id: id}); ok && names.subscription != "" {
		return v.Subscription(names.topic, names.subscription)
	}
	return Subscription{}, false
}

// Subscriptions returns a topic's subscriptions in the order of their names: those behind after, or all of them. A topic
// that isn't there has none.
func (v *View) Subscriptions(topic, after string) iter.Seq[Subscription] {
	return func(yield func(Subscription) bool) {
		entry, ok := v.topics.Get(&topicEntry{Topic: Topic{Name: topic}})
		if !ok {
			return
		}
		entry.subscriptions.AscendGreaterOrEqual(&Subscription{Name: after}, func(subscription *Subscription) bool {
			return subscription.Name == after || yield(*subscription)
		})
	}
}

// Since returns the topics and subscriptions that changed after an entry, a topic before its subscriptions: what a
// controller that has done everything up to there has yet to do. The topic is that of the subscription, which is nil
// where it is the topic itself that changed.
func (v *View) Since(version uint64) iter.Seq2[Topic, *Subscription] {
	return func(yield func(Topic, *Subscription) bool) {
		v.topics.Ascend(func(entry *topicEntry) bool {
			if entry.newest <= version {
				return true
			}
			if entry.Changed > version && !yield(entry.Topic, nil) {
				return false
			}
			more := true
			entry.subscriptions.Ascend(func(subscription *Subscription) bool {
				if subscription.Changed > version {
					copied := *subscription
					more = yield(entry.Topic, &copied)
				}
				return more
			})
			return more
		})
	}
}

// NoTopic returns the error for a topic that isn't there: an *Error that names the closest name there is. Looking for
// that takes a while where there are many, so it is not for a hot path.
func (v *View) NoTopic(name string) error { return v.noTopic(name) }

func (v *View) noTopic(name string) *Error {
	near := closest(name, func(yield func(string) bool) {
		v.topics.Ascend(func(entry *topicEntry) bool { return yield(entry.Name) })
	})
	return notFound(freshetv1.ErrorCode_ERROR_CODE_TOPIC_NOT_FOUND, "topic", name, near)
}

// NoSubscription returns the error for a subscription that isn't there, or for its topic, if that is what is missing; as
// NoTopic.
func (v *View) NoSubscription(topic, name string) error { return v.noSubscription(topic, name) }
