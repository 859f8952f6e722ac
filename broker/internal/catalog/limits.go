package catalog

import freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"

// Limits of what the catalog takes, and defaults of what is left out.
const (
	// TopicsMax is the most topics of a cluster.
	TopicsMax = 10_000
	// SubscriptionsMax is the most subscriptions of a topic.
	SubscriptionsMax = 10_000
	// MembersMax is the most members that a fan-out can be made with.
	MembersMax = 256
	// RemovalsMax is how many deleted topics and subscriptions partitions may have yet to remove. Beyond it deleting is
	// refused until they have.
	RemovalsMax = 10_000
	// PatternBytesMax is the longest event pattern, in bytes: 64 KiB.
	PatternBytesMax = 64 << 10
	// BytesMax bounds the whole catalog, which is held in memory on every node: 64 MiB of names, patterns and members,
	// with EntryBytes for each topic and subscription.
	BytesMax = 64 << 20
	// EntryBytes is what a topic or a subscription counts for besides its texts.
	EntryBytes = 128

	// RequestBytesMax bounds the requests that are remembered: 16 MiB, with RequestBytes for each besides the texts of refusals and numbers of partitions, which
	// is some 120,000. Nothing more is taken when it is reached, so that it may be exceeded by one.
	RequestBytesMax = 16 << 20
	// RequestBytes is what a request counts for.
	RequestBytes = 128
	// RequestMs is how long a request is remembered at least, in milliseconds: two minutes. A client that waits for an answer asks again for 10 s.
	RequestMs = 120_000

	// EventBytesMax is the largest event data that a topic can allow, and the default: 1 MiB.
	EventBytesMax = 1 << 20

	// VisibilityMinMs is the shortest visibility timeout of a subscription: 1 s.
	VisibilityMinMs = 1_000
	// VisibilityMaxMs is the longest: 12 h.
	VisibilityMaxMs = 43_200_000
	// VisibilityDefaultMs is 30 s.
	VisibilityDefaultMs = 30_000
	// AttemptsMax is the most attempts that a subscription can allow.
	AttemptsMax = 1_000
	// AttemptsDefault is how many it allows when nothing is said.
	AttemptsDefault = 5

	// RetentionAgeMinMs and RetentionAgeMaxMs bound how long a topic may keep events: 1 s to 3,650 days.
	RetentionAgeMinMs = 1_000
	RetentionAgeMaxMs = 3_650 * 24 * 60 * 60 * 1_000
	// RetentionBytesMin and RetentionBytesMax bound how many bytes of them a partition keeps: 1 MiB to 1 PiB.
	RetentionBytesMin = 1 << 20
	RetentionBytesMax = 1 << 50

	// PartitionsMax is the most partitions of a cluster, PartitionsDefault how many it has when nothing is said.
	PartitionsMax     = 256
	PartitionsDefault = 8
	// NodesMax is the most nodes of a cluster.
	NodesMax = 64
	// DirectoryBytesMax is the longest id of a data directory, in bytes.
	DirectoryBytesMax = 64
	// AddressBytesMax is the longest address of a node, and VersionBytesMax the longest name of its release, in bytes.
	AddressBytesMax = 255
	VersionBytesMax = 128

	// ClusterIDBytesMax is the longest id of a cluster, in bytes.
	ClusterIDBytesMax = 64
	// createdMaxMs is the end of the year 9999.
	createdMaxMs = 253_402_300_799_999
)

const (
	queue  = freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE
	fanout = freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_FANOUT

	latest   = freshetv1.SubscriptionStart_SUBSCRIPTION_START_LATEST
	earliest = freshetv1.SubscriptionStart_SUBSCRIPTION_START_EARLIEST
)
