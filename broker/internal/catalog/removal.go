package catalog

import (
	"iter"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Removal is something that was deleted and that partitions may still hold: they are told by its id to remove it, and never find out by
// themselves that it isn't mentioned any more (M2).
type Removal struct {
	// ID of the topic or subscription, and TopicID of the topic: the same where all of the topic goes.
	ID, TopicID uint64
	// Changed is the index of the entry that deleted it.
	Changed uint64
}

// deleteTopic takes a topic and its subscriptions out. The answer has the topic as it was, with the entry that deleted it.
func (v *View) deleteTopic(index uint64, c DeleteTopic) (*View, Result) {
	entry, ok := v.topics.Get(&topicEntry{Topic: Topic{Name: c.Name}})
	switch {
	case !ok:
		return v, Result{Err: v.noTopic(c.Name)}
	case v.removals.Len() >= RemovalsMax:
		return v, Result{Err: tooMany("removals", " that partitions have yet to carry out", RemovalsMax)}
	}
	next := v.next(index)
	entry.subscriptions.Ascend(func(s *Subscription) bool {
		next.ids.Delete(idEntry{id: s.ID})
		next.bytes -= subscriptionBytes(s.Name, s.Pattern, s.Members)
		return true
	})
	next.ids.Delete(idEntry{id: entry.ID})
	next.bytes -= topicBytes(entry.Name)
	next.topics.Delete(entry)
	next.countTopic(entry.Partitions, -1)
	next.removals.ReplaceOrInsert(Removal{ID: entry.ID, TopicID: entry.ID, Changed: index})
	gone := entry.Topic
	gone.Changed = index
	return next, Result{Topic: gone}
}

// deleteSubscription takes a subscription out; the answer is as deleteTopic's.
func (v *View) deleteSubscription(index uint64, c DeleteSubscription) (*View, Result) {
	gone, ok := v.Subscription(c.Topic, c.Name)
	switch {
	case !ok:
		return v, Result{Err: v.noSubscription(c.Topic, c.Name)}
	case v.removals.Len() >= RemovalsMax:
		return v, Result{Err: tooMany("removals", " that partitions have yet to carry out", RemovalsMax)}
	}
	next := v.next(index)
	entry, _ := v.topics.Get(&topicEntry{Topic: Topic{Name: c.Topic}})
	changed := *entry
	changed.subscriptions = entry.subscriptions.Clone()
	changed.subscriptions.Delete(&gone)
	changed.Subscriptions = changed.subscriptions.Len()
	next.topics.ReplaceOrInsert(&changed)
	next.ids.Delete(idEntry{id: gone.ID})
	next.bytes -= subscriptionBytes(gone.Name, gone.Pattern, gone.Members)
	next.removals.ReplaceOrInsert(Removal{ID: gone.ID, TopicID: gone.TopicID, Changed: index})
	gone.Changed = index
	return next, Result{Subscription: gone}
}

// forgetRemovals drops those that every partition has carried out.
func (v *View) forgetRemovals(index uint64, c ForgetRemovals) (*View, Result) {
	var done []Removal
	for removal := range v.Removals() {
		if removal.Changed <= c.Through {
			done = append(done, removal)
		}
	}
	if len(done) == 0 {
		return v, Result{}
	}
	next := v.next(index)
	for _, removal := range done {
		next.removals.Delete(removal)
	}
	return next, Result{}
}

// Removals returns what was deleted and partitions may still hold, by id.
func (v *View) Removals() iter.Seq[Removal] {
	return func(yield func(Removal) bool) { v.removals.Ascend(yield) }
}

// Removed tells whether a topic or subscription is among the removals.
func (v *View) Removed(id uint64) bool { return v.removals.Has(Removal{ID: id}) }

// restoreRemoval takes what was deleted, once.
func (v *View) restoreRemoval(r Removal) error {
	if r.TopicID == 0 || r.TopicID > r.ID {
		return notOf(r)
	}
	if err := v.restoreID(idEntry{id: r.ID}, r.Changed); err != nil {
		return err
	}
	v.ids.Delete(idEntry{id: r.ID}) // it was only to be found out whether something else has it
	if _, twice := v.removals.ReplaceOrInsert(r); twice {
		return notOf(r)
	}
	return nil
}

func notOf(r Removal) *Error {
	return wrong("removal", "of id %d and topic %d can't be, or is there twice", r.ID, r.TopicID)
}

func (v *View) noSubscription(topic, name string) *Error {
	if _, ok := v.Topic(topic); !ok {
		return v.noTopic(topic)
	}
	near := closest(name, func(yield func(string) bool) {
		for subscription := range v.Subscriptions(topic, "") {
			if !yield(subscription.Name) {
				return
			}
		}
	})
	if near != "" {
		near = topic + "/" + near
	}
	return notFound(freshetv1.ErrorCode_ERROR_CODE_SUBSCRIPTION_NOT_FOUND, "subscription", topic+"/"+name, near)
}
