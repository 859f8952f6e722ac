package catalog

import (
	"hash/fnv"
	"io"
)

// Requested is a command that makes or deletes something, with the number of the request that wants it. When it comes again, since its answer was lost on the
// way, it does nothing and is answered as it was the first time: refused if it was refused, done if it was done, though what it made may have been deleted
// since, and another may have the name that it deleted. memory.go says for how long.
type Requested struct {
	// Command is CreateTopic, CreateSubscription, DeleteTopic or DeleteSubscription.
	Command

	// Number was drawn at random by whoever wants it, and is the same each time that it is sent. 0: there is none, and it isn't remembered.
	Number uint64
	// AtMs is the proposer's wall time, in milliseconds since 1970 UTC.
	AtMs int64
}

func (c Requested) withDefaults() Command {
	c.Command = c.Command.withDefaults()
	return c
}

func (c Requested) check() *Error {
	if verbOf(c.Command) == 0 {
		return wrong("request", "is set; only what makes and deletes topics and subscriptions has one")
	}
	if refused := c.Command.check(); refused != nil {
		return refused
	}
	return checkCreated(c.AtMs)
}

// The verbs of commands that can be requested, as about has them. They stand in checkpoints.
const (
	makeTopic byte = iota + 1
	makeSubscription
	deleteTopic
	deleteSubscription
)

// verbOf is 0 for a command that can't be requested.
func verbOf(c Command) byte {
	switch c.(type) {
	case CreateTopic:
		return makeTopic
	case CreateSubscription:
		return makeSubscription
	case DeleteTopic:
		return deleteTopic
	case DeleteSubscription:
		return deleteSubscription
	}
	return 0
}

// about is what a request is about, so that a number that two have by mistake is noticed: 64 bits of FNV-1a over
//
//	verb  topic             0  subscription
//	1     1 to 128 bytes    1  0 to 128 bytes
//
// Settings aren't in it: a node fills in its own defaults, and the request may come again through another.
func (c Requested) about() uint64 {
	topic, subscription := "", ""
	switch plain := c.Command.(type) {
	case CreateTopic:
		topic = plain.Name
	case CreateSubscription:
		topic, subscription = plain.Topic, plain.Name
	case DeleteTopic:
		topic = plain.Name
	case DeleteSubscription:
		topic, subscription = plain.Topic, plain.Name
	}
	sum := fnv.New64a()
	for _, text := range []string{string(verbOf(c.Command)), topic, "\x00", subscription} {
		_, _ = io.WriteString(sum, text) // a hash takes everything
	}
	return sum.Sum64()
}

// request is one that is remembered: what it came to, but for what the command says itself. It is never changed.
type request struct {
	number, about uint64
	atMs          int64
	index         uint64 // of its entry
	// refusal is nil where it was done.
	refusal *Error
	// created tells whether it made what there is.
	created bool
	// id and topicID are of what was made, found or deleted; topicID is 0 for a topic.
	id, topicID uint64
	createdMs   int64
	// partitions are the topic's. They must not be changed.
	partitions []uint32
}

// cameTo is what is remembered of a command that was just applied.
func (c Requested) cameTo(index uint64, result Result) *request {
	r := &request{number: c.Number, about: c.about(), atMs: c.AtMs, index: index}
	if refused, ok := result.Err.(*Error); ok { //nolint:errorlint // apply wraps nothing
		r.refusal = refused
		return r
	}
	r.created = result.Created
	switch verbOf(c.Command) {
	case makeTopic, deleteTopic:
		r.id, r.createdMs, r.partitions = result.Topic.ID, result.Topic.CreatedMs, result.Topic.Partitions
	default:
		r.id, r.topicID, r.createdMs = result.Subscription.ID, result.Subscription.TopicID, result.Subscription.CreatedMs
	}
	return r
}

// answer is the result that the command had when it came first. What it made is shown as it is now, if it is there.
func (r *request) answer(again Requested, v *View) Result {
	if r.about != again.about() {
		return Result{Err: wrong("request", "is the number of another request; each needs a random one of its own")}
	}
	if r.refusal != nil {
		return Result{Err: r.refusal}
	}
	switch c := again.Command.(type) {
	case CreateTopic:
		topic, there := v.TopicByID(r.id)
		if !there {
			topic = Topic{
				Name: c.Name, ID: r.id, EventBytesMax: c.EventBytesMax, Partitions: r.partitions, Epoch: firstEpoch, Retention: c.Retention,
				CreatedMs: r.createdMs, Changed: r.index,
			}
		}
		return Result{Created: r.created, Topic: topic}
	case CreateSubscription:
		subscription, there := v.SubscriptionByID(r.id)
		if !there {
			subscription = Subscription{
				Topic: c.Topic, TopicID: r.topicID, Name: c.Name, ID: r.id, Kind: c.Kind, Pattern: c.Pattern, VisibilityMs: c.VisibilityMs,
				AttemptsMax: c.AttemptsMax, Ordered: c.Ordered, Members: c.Members, From: c.From, CreatedMs: r.createdMs, Changed: r.index,
			}
		}
		return Result{Created: r.created, Subscription: subscription}
	case DeleteTopic:
		return Result{Topic: Topic{Name: c.Name, ID: r.id, Partitions: r.partitions, CreatedMs: r.createdMs, Changed: r.index}}
	case DeleteSubscription:
		return Result{Subscription: Subscription{Topic: c.Topic, TopicID: r.topicID, Name: c.Name, ID: r.id, CreatedMs: r.createdMs, Changed: r.index}}
	}
	panic("catalog: assertion: unknown request")
}
