package client

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"iter"
	"strings"
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Admin makes topics and subscriptions and tells what there is. It is safe for concurrent use.
type Admin struct{ client *Client }

// Admin returns the client's administrative side.
func (c *Client) Admin() *Admin { return &Admin{client: c} }

// Topic is where events are published.
type Topic struct {
	// Name is 1 to 128 bytes of A-Z a-z 0-9 . _ -, and begins with a letter or a digit.
	Name string
	// ID identifies it: a topic deleted and made again has another.
	ID uint64
	// EventBytesMax is the largest event data in bytes.
	EventBytesMax int
	// Created is when it was made.
	Created time.Time
	// Subscriptions is how many it has.
	Subscriptions int
	// Partitions is on how many it is. What is ordered is ordered within a partition.
	Partitions int
	// Retention is what it keeps besides what isn't settled.
	Retention Retention
}

// TopicConfig is what can be chosen of a topic.
type TopicConfig struct {
	// Name is as in Topic. Required.
	Name string
	// EventBytesMax is the largest event data in bytes, 1 to 1,048,576. Default 1,048,576 (1 MiB).
	EventBytesMax int
	// Partitions is on how many of the cluster's partitions it is to be, 1 to all of them. Default 1. Keys are spread over them, each on one:
	// what is ordered is ordered within a partition.
	Partitions int
	// Retention is what it is to keep besides what isn't settled. Default: what the nodes' configuration says, nothing if it says nothing.
	Retention Retention
}

// CreateTopic makes a topic, or returns the one that is there when its settings are the same; created tells which. With other settings it
// returns an error that is ErrExists.
func (a *Admin) CreateTopic(ctx context.Context, config TopicConfig) (topic *Topic, created bool, err error) {
	if config.EventBytesMax < 0 || config.EventBytesMax > eventBytesMax {
		return nil, false, limitError("event_bytes_max", eventBytesMax, int64(config.EventBytesMax), "event_bytes_max is 1 to 1,048,576")
	}
	if config.Partitions < 0 || config.Partitions > partitionsMax {
		return nil, false, limitError("partitions", partitionsMax, int64(config.Partitions), "partitions is 1 to as many as the cluster has")
	}
	if err := config.Retention.check(); err != nil {
		return nil, false, err
	}
	response, err := a.client.admin.CreateTopic(ctx, &freshetv1.CreateTopicRequest{
		Name: config.Name, EventBytesMax: uint32(config.EventBytesMax), Partitions: uint32(config.Partitions), Retention: config.Retention.wire(),
		Request: requestNumber(),
	})
	if err != nil {
		return nil, false, errorOf(ctx, err)
	}
	return topicOf(response.GetTopic()), response.GetCreated(), nil
}

// DeleteTopic removes a topic with its subscriptions and all that they hold, dead letters too. Its producers, consumers and readers end with
// errors that are ErrNotFound. A topic made again under the name is another one.
func (a *Admin) DeleteTopic(ctx context.Context, name string) error {
	if _, err := a.client.admin.DeleteTopic(ctx, &freshetv1.DeleteTopicRequest{Name: name, Request: requestNumber()}); err != nil {
		return errorOf(ctx, err)
	}
	return nil
}

// Topics yields the topics by name. An error ends it.
func (a *Admin) Topics(ctx context.Context) iter.Seq2[*Topic, error] {
	return pages(ctx, func(after string) ([]*Topic, bool, error) {
		response, err := a.client.admin.ListTopics(ctx, &freshetv1.ListTopicsRequest{After: after})
		return convert(response.GetTopics(), topicOf), response.GetMore(), err
	}, func(t *Topic) string { return t.Name })
}

func topicOf(t *freshetv1.Topic) *Topic {
	return &Topic{
		Name: t.GetName(), ID: t.GetId(), EventBytesMax: int(t.GetEventBytesMax()),
		Created: time.UnixMilli(t.GetCreatedMs()).UTC(), Subscriptions: int(t.GetSubscriptions()), Partitions: int(t.GetPartitions()),
		Retention: retentionOf(t.GetRetention()),
	}
}

// Kind says who gets an event that matches a subscription.
type Kind uint8

// The kinds.
const (
	// KindQueue gives it to one of the competing consumers.
	KindQueue = Kind(freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE)
	// KindFanout gives it to every member.
	KindFanout = Kind(freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_FANOUT)
)

// String is "queue" or "fanout".
func (k Kind) String() string {
	switch k {
	case KindQueue:
		return "queue"
	case KindFanout:
		return "fanout"
	default:
		return "unspecified"
	}
}

// SubscriptionConfig is what can be chosen of a subscription.
type SubscriptionConfig struct {
	// Name is the full name, "topic/subscription". Required.
	Name string
	// Kind is required.
	Kind Kind
	// Pattern is the event pattern, JSON text of at most 64 KiB. Default: every event.
	Pattern string
	// Visibility is how long a lease lasts, 1 s to 12 h. Default 30 s.
	Visibility time.Duration
	// Attempts is how often an event is tried before it is a dead letter, 1 to 1,000. Default 5.
	Attempts int
	// Ordered: a queue hands out events of one key one after the other, in the order in which they were stored. It can't be changed.
	Ordered bool
	// Members of a fan-out that are there from the start, at most 256; others come when they first consume.
	Members []string
	// From is where it begins in what the topic holds when it is made, and a fan-out's member when that is. Default: Latest.
	From Start
}

// Subscription is one that is there.
type Subscription struct {
	SubscriptionConfig

	// ID identifies it: a subscription deleted and made again has another.
	ID uint64
	// Created is when it was made.
	Created time.Time
	// Counts is what it holds; of a fan-out the sum over its members.
	Counts Counts
}

// Counts counts a subscription's events that aren't settled.
type Counts struct {
	// Ready could be leased now, Leased are under a lease, Delayed were released with a delay that isn't over or are to be delivered later, Dead are dead
	// letters.
	Ready, Leased, Delayed, Dead uint64
	// Blocked events of an ordered queue wait for an earlier one of their key. Stalls is how often it found only such, as far ahead as it looks.
	Blocked, Stalls uint64
	// Unread events are stored and not looked at yet: whether they match is found out when consumers have room for them. They are in none of the others.
	Unread uint64
	// Dropped events waited when the topic's retention dropped them, Skipped ones were dropped before anybody looked whether they match. They are gone.
	Dropped, Skipped uint64
	// Sessions is how many consumers are attached.
	Sessions int
}

// CreateSubscription makes a subscription, or returns the one that is there when its settings are the same; created tells which. With other
// settings it returns an error that is ErrExists. What is published after it has returned is routed by it.
func (a *Admin) CreateSubscription(ctx context.Context, config SubscriptionConfig) (subscription *Subscription, created bool, err error) {
	name, err := parseSubscription(config.Name)
	if err != nil {
		return nil, false, err
	}
	if err := checkVisibility(config.Visibility); err != nil {
		return nil, false, err
	}
	if config.Attempts < 0 || config.Attempts > attemptsMax {
		return nil, false, argumentError("attempts_max", "%d attempts: 1 to %d are possible", config.Attempts, attemptsMax)
	}
	response, err := a.client.admin.CreateSubscription(ctx, &freshetv1.CreateSubscriptionRequest{Subscription: &freshetv1.Subscription{
		Topic: name.topic, Name: name.subscription, Kind: freshetv1.SubscriptionKind(config.Kind), Pattern: config.Pattern,
		VisibilityMs: millis(config.Visibility), AttemptsMax: uint32(config.Attempts), Ordered: config.Ordered, Members: config.Members,
		From: freshetv1.SubscriptionStart(config.From) + freshetv1.SubscriptionStart_SUBSCRIPTION_START_LATEST,
	}, Request: requestNumber()})
	if err != nil {
		return nil, false, errorOf(ctx, err)
	}
	return subscriptionOf(response.GetSubscription()), response.GetCreated(), nil
}

// DeleteSubscription removes a subscription, named "topic/subscription", with all that it holds, dead letters too. Its consumers end with errors
// that are ErrNotFound.
func (a *Admin) DeleteSubscription(ctx context.Context, topicSlashSub string) error {
	return a.deleteSubscription(ctx, topicSlashSub, "")
}

// DeleteMember removes a member of a fan-out with all that it holds, likewise. Should it consume again, it is there again, from then on.
func (a *Admin) DeleteMember(ctx context.Context, topicSlashSub, member string) error {
	if member == "" { // would stand for the whole subscription
		return argumentError("member", "no member is named")
	}
	return a.deleteSubscription(ctx, topicSlashSub, member)
}

func (a *Admin) deleteSubscription(ctx context.Context, topicSlashSub, member string) error {
	name, err := parseSubscription(topicSlashSub)
	if err != nil {
		return err
	}
	_, err = a.client.admin.DeleteSubscription(ctx, &freshetv1.DeleteSubscriptionRequest{
		Topic: name.topic, Subscription: name.subscription, Member: member, Request: requestNumber(),
	})
	if err != nil {
		return errorOf(ctx, err)
	}
	return nil
}

// Subscriptions yields a topic's subscriptions by name, with what they hold. An error ends it.
func (a *Admin) Subscriptions(ctx context.Context, topic string) iter.Seq2[*Subscription, error] {
	return pages(ctx, func(after string) ([]*Subscription, bool, error) {
		_, last, _ := strings.Cut(after, "/")
		response, err := a.client.admin.ListSubscriptions(ctx, &freshetv1.ListSubscriptionsRequest{Topic: topic, After: last})
		return convert(response.GetSubscriptions(), subscriptionOf), response.GetMore(), err
	}, func(s *Subscription) string { return s.Name })
}

func subscriptionOf(s *freshetv1.Subscription) *Subscription {
	c := s.GetCounts()
	return &Subscription{
		SubscriptionConfig: SubscriptionConfig{
			Name: s.GetTopic() + "/" + s.GetName(), Kind: Kind(s.GetKind()), Pattern: s.GetPattern(),
			Visibility: duration(s.GetVisibilityMs()), Attempts: int(s.GetAttemptsMax()), Ordered: s.GetOrdered(), Members: s.GetMembers(),
			From: startOf(s.GetFrom()),
		},
		ID: s.GetId(), Created: time.UnixMilli(s.GetCreatedMs()).UTC(),
		Counts: Counts{
			Ready: c.GetReady(), Leased: c.GetLeased(), Delayed: c.GetDelayed(), Dead: c.GetDead(), Sessions: int(c.GetSessions()),
			Blocked: c.GetBlocked(), Stalls: c.GetStalls(), Unread: c.GetUnread(), Dropped: c.GetDropped(), Skipped: c.GetSkipped(),
		},
	}
}

// Limits of topics and subscriptions.
const (
	eventBytesMax = 1 << 20
	// partitionsMax is as many as there are slots to be placed on them (block.Slots).
	partitionsMax = 1 << 10
	attemptsMax   = 1_000
)

// convert makes ours of the wire's.
func convert[From, To any](list []From, of func(From) To) []To {
	converted := make([]To, len(list))
	for i, from := range list {
		converted[i] = of(from)
	}
	return converted
}

// pages yields a list that comes page by page, each behind the key of the last one's last.
func pages[T any](ctx context.Context, page func(after string) ([]T, bool, error), key func(T) string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		after := ""
		for {
			list, more, err := page(after)
			if err != nil {
				var none T
				yield(none, errorOf(ctx, err))
				return
			}
			for _, one := range list {
				if !yield(one, nil) {
					return
				}
				after = key(one)
			}
			if !more || len(list) == 0 {
				return
			}
		}
	}
}

// requestNumber tells a request from others that ask for the same, so that one that is made again is known again: what it came to the first time is the answer.
func requestNumber() uint64 {
	var random [8]byte
	rand.Read(random[:])
	return max(binary.LittleEndian.Uint64(random[:]), 1) // 0 is none
}

// millis is a duration on the wire, rounded up.
func millis(d time.Duration) uint32 { return uint32((d + time.Millisecond - 1) / time.Millisecond) }

func duration(ms uint32) time.Duration { return time.Duration(ms) * time.Millisecond }
