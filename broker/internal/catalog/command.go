package catalog

import (
	"slices"
	"unicode/utf8"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Command changes the catalog once it is applied: FoundCluster, CreateTopic, CreateSubscription, DeleteTopic,
// DeleteSubscription, ForgetRemovals, PutNode or ReplaceMember; or Requested, which has one of the four in the middle in it.
type Command interface {
	// withDefaults returns the command with everything filled in that may be left out.
	withDefaults() Command
	// check returns what is wrong with it, whatever the catalog holds.
	check() *Error
}

// ReceiptKey is what receipts of the cluster are sealed with. It is a secret and prints as one.
type ReceiptKey [32]byte

// String tells nothing.
func (ReceiptKey) String() string { return "(secret)" }

// GoString tells nothing either.
func (ReceiptKey) GoString() string { return "(secret)" }

// FoundCluster names the cluster. The first one is in force for good; a later one with the same name is answered with
// what is there, whatever its id and key: several nodes may propose it at once.
type FoundCluster struct {
	Name string
	// ID is what tells the cluster from another of its name: 1 to 64 bytes, chosen by the proposer. Required.
	ID string
	// ReceiptKey is 32 random bytes, chosen by the proposer. Required.
	ReceiptKey ReceiptKey
	// Partitions is how many the cluster has, for good: 1 to 256. 0: the default, 8.
	Partitions uint32
	// Members are the nodes that the cluster is founded with, by name, in their first generation; none where it is one node.
	Members []Member
	// CreatedMs is the proposer's wall time, in milliseconds since 1970 UTC; as in all commands.
	CreatedMs int64
}

func (c FoundCluster) withDefaults() Command {
	if c.Partitions == 0 {
		c.Partitions = PartitionsDefault
	}
	return c
}

func (c FoundCluster) check() *Error {
	if refused := checkName("cluster name", c.Name); refused != nil {
		return refused
	}
	switch {
	case c.ID == "" || len(c.ID) > ClusterIDBytesMax:
		return outside("bytes of the cluster id", int64(len(c.ID)), 1, ClusterIDBytesMax)
	case !utf8.ValidString(c.ID):
		return wrong("cluster id", "is not UTF-8")
	case c.ReceiptKey == ReceiptKey{}:
		return wrong("receipt_key", "is all zeros; it must be random")
	case c.Partitions < 1 || c.Partitions > PartitionsMax:
		return outside("partitions of the cluster", int64(c.Partitions), 1, PartitionsMax)
	}
	if refused := checkFounders(c.Members); refused != nil {
		return refused
	}
	return checkCreated(c.CreatedMs)
}

// CreateTopic makes a topic. One of that name with the same settings is the answer; with others it is a conflict.
type CreateTopic struct {
	Name string
	// EventBytesMax is the largest event data, in bytes, 1 to 1,048,576. 0: the default, 1,048,576.
	EventBytesMax uint32
	// Partitions is on how many of the cluster's it is to be. Those that hold the fewest topics take it. 0: the default, 1.
	Partitions uint32
	Retention  Retention
	CreatedMs  int64
}

func (c CreateTopic) withDefaults() Command {
	if c.EventBytesMax == 0 {
		c.EventBytesMax = EventBytesMax
	}
	if c.Partitions == 0 {
		c.Partitions = 1
	}
	return c
}

func (c CreateTopic) check() *Error {
	if refused := checkName("name", c.Name); refused != nil {
		return refused
	}
	if c.EventBytesMax < 1 || c.EventBytesMax > EventBytesMax {
		return outside("event_bytes_max", int64(c.EventBytesMax), 1, EventBytesMax)
	}
	if c.Partitions < 1 || c.Partitions > PartitionsMax {
		return outside("partitions", int64(c.Partitions), 1, PartitionsMax)
	}
	if refused := c.Retention.check(); refused != nil {
		return refused
	}
	return checkCreated(c.CreatedMs)
}

// CreateSubscription makes a subscription on a topic. One of that name with the same settings is the answer; with others
// it is a conflict. Settings are the same when they are equal byte by byte, apart from the order of members.
type CreateSubscription struct {
	Topic, Name string
	Kind        freshetv1.SubscriptionKind
	// Pattern is the event pattern, JSON text of at most 64 KiB; empty: every event. Whether it is a pattern is for the
	// proposer to check: replicas of different releases might disagree.
	Pattern string
	// VisibilityMs is how long a lease lasts, in milliseconds, 1,000 to 43,200,000. 0: the default, 30,000.
	VisibilityMs uint32
	// AttemptsMax is how often an event is tried, 1 to 1,000. 0: the default, 5.
	AttemptsMax uint32
	// Ordered: a queue hands events of one key out one after the other.
	Ordered bool
	// Members are those that a fan-out begins with, at most 256. A queue has none.
	Members []string
	// From is where it begins: latest or earliest. Unspecified: latest.
	From      freshetv1.SubscriptionStart
	CreatedMs int64
}

func (c CreateSubscription) withDefaults() Command {
	if c.VisibilityMs == 0 {
		c.VisibilityMs = VisibilityDefaultMs
	}
	if c.AttemptsMax == 0 {
		c.AttemptsMax = AttemptsDefault
	}
	if c.From == freshetv1.SubscriptionStart_SUBSCRIPTION_START_UNSPECIFIED {
		c.From = latest
	}
	c.Members = slices.Sorted(slices.Values(c.Members))
	return c
}

func (c CreateSubscription) check() *Error {
	if refused := checkName("topic", c.Topic); refused != nil {
		return refused
	}
	if refused := checkName("name", c.Name); refused != nil {
		return refused
	}
	switch {
	case c.Kind != queue && c.Kind != fanout:
		return wrong("kind", "is %v; it must be queue or fanout", int32(c.Kind))
	case len(c.Pattern) > PatternBytesMax:
		return tooLarge("pattern", int64(len(c.Pattern)), PatternBytesMax, "bytes")
	case !utf8.ValidString(c.Pattern):
		return wrong("pattern", "is not UTF-8")
	case c.VisibilityMs < VisibilityMinMs || c.VisibilityMs > VisibilityMaxMs:
		return outside("visibility_ms", int64(c.VisibilityMs), VisibilityMinMs, VisibilityMaxMs)
	case c.From != latest && c.From != earliest:
		return wrong("from", "is %v; it must be latest or earliest", int32(c.From))
	case c.AttemptsMax < 1 || c.AttemptsMax > AttemptsMax:
		return outside("attempts_max", int64(c.AttemptsMax), 1, AttemptsMax)
	case c.Ordered && c.Kind != queue:
		return wrong("ordered", "is set; only a queue can be ordered: each member of a fan-out gets events in order, and its consumers compete")
	}
	if refused := checkMembers(c.Kind, c.Members); refused != nil {
		return refused
	}
	return checkCreated(c.CreatedMs)
}

// DeleteTopic removes a topic with its subscriptions. Partitions are told by its id, which stays among the removals until
// they have done it (M2).
type DeleteTopic struct{ Name string }

func (c DeleteTopic) withDefaults() Command { return c }

func (c DeleteTopic) check() *Error { return checkName("name", c.Name) }

// DeleteSubscription removes a subscription, likewise.
type DeleteSubscription struct{ Topic, Name string }

func (c DeleteSubscription) withDefaults() Command { return c }

func (c DeleteSubscription) check() *Error {
	if refused := checkName("topic", c.Topic); refused != nil {
		return refused
	}
	return checkName("name", c.Name)
}

// ForgetRemovals says that every partition has removed what was deleted by entries up to Through.
type ForgetRemovals struct{ Through uint64 }

func (c ForgetRemovals) withDefaults() Command { return c }

func (c ForgetRemovals) check() *Error { return nil }

// checkMembers wants names in order, so that equal sets are equal lists.
func checkMembers(kind freshetv1.SubscriptionKind, members []string) *Error {
	switch {
	case kind == queue && len(members) > 0:
		return wrong("members", "has %d names; a queue has consumers that come and go, only a fan-out has members", len(members))
	case len(members) > MembersMax:
		return tooLarge("members", int64(len(members)), MembersMax, "names")
	}
	for i, member := range members {
		if refused := checkName("members", member); refused != nil {
			return refused
		}
		if i > 0 && member == members[i-1] {
			return wrong("members", "has %q twice", member)
		}
		if i > 0 && member < members[i-1] {
			return wrong("members", "has %q behind %q; they must be sorted", member, members[i-1])
		}
	}
	return nil
}

func checkCreated(ms int64) *Error {
	if ms < 0 || ms > createdMaxMs {
		return outside("created_ms", ms, 0, createdMaxMs)
	}
	return nil
}
