package broker

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// administer are the steps of the admin service.
func (s *story) administer(a arguments) (string, error) {
	ctx := s.context()
	switch a.Cmd {
	case "topic":
		res, err := s.admin.CreateTopic(ctx, &freshetv1.CreateTopicRequest{Name: a.word(0), EventBytesMax: uint32(a.number("max"))})
		if err != nil {
			return "", err
		}
		return made(res.GetCreated()) + showTopic(res.GetTopic()), nil
	case "sub":
		return s.createSubscription(a)
	case "topics":
		res, err := s.admin.ListTopics(ctx, &freshetv1.ListTopicsRequest{After: a.text("after"), Max: uint32(a.number("max"))})
		if err != nil {
			return "", err
		}
		var lines []string
		for _, t := range res.GetTopics() {
			lines = append(lines, fmt.Sprintf("%s, %d subscriptions", showTopic(t), t.GetSubscriptions()))
		}
		return listed(lines, res.GetMore()), nil
	case "subs", "counts":
		return s.listSubscriptions(a)
	case "dead":
		return s.listDead(a)
	case "redrive":
		return s.redrive(a)
	case "delete":
		topic, name, member := a.place(0)
		if name == "" {
			if _, err := s.admin.DeleteTopic(ctx, &freshetv1.DeleteTopicRequest{Name: topic}); err != nil {
				return "", err
			}
			return "deleted", nil
		}
		req := &freshetv1.DeleteSubscriptionRequest{Topic: topic, Subscription: name, Member: member}
		if _, err := s.admin.DeleteSubscription(ctx, req); err != nil {
			return "", err
		}
		return "deleted", nil
	default:
		res, err := s.admin.DescribeCluster(ctx, &freshetv1.DescribeClusterRequest{})
		if err != nil {
			return "", err
		}
		out := fmt.Sprintf("cluster %s, id of %d bytes\n", res.GetName(), len(res.GetId()))
		for _, n := range res.GetNodes() {
			out += fmt.Sprintf("node %s runs %s, here: %t\n", n.GetName(), n.GetVersion(), n.GetApiAddress() == s.node.Addr().String())
		}
		for _, p := range res.GetPartitions() {
			out += fmt.Sprintf("partition %d led by %q, held by %q from %d, log of %d\n", p.GetNumber(), p.GetLeader(), p.GetOldestHolder(), p.GetOldestOffset(), p.GetLogBytesMax())
		}
		return out, nil
	}
}

func made(created bool) string {
	if created {
		return "created "
	}
	return "there already: "
}

func listed(lines []string, more bool) string {
	if more {
		lines = append(lines, "and more")
	}
	if len(lines) == 0 {
		return "nothing"
	}
	return strings.Join(lines, "\n")
}

func showTopic(t *freshetv1.Topic) string {
	return fmt.Sprintf("%s, events of at most %d bytes, at +%v", t.GetName(), t.GetEventBytesMax(), since(t.GetCreatedMs()))
}

func since(ms int64) time.Duration { return time.UnixMilli(ms).Sub(clockStart) }

func (s *story) createSubscription(a arguments) (string, error) {
	topic, name, _ := a.place(0)
	kind := freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE
	if a.has("fanout") {
		kind = freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_FANOUT
	}
	res, err := s.admin.CreateSubscription(s.context(), &freshetv1.CreateSubscriptionRequest{Subscription: &freshetv1.Subscription{
		Topic: topic, Name: name, Kind: kind, Pattern: strings.TrimSpace(a.Input), VisibilityMs: a.ms("visibility"),
		AttemptsMax: uint32(a.number("attempts")), Ordered: a.has("ordered"), Members: a.list("members"),
	}})
	if err != nil {
		return "", err
	}
	return made(res.GetCreated()) + showSubscription(res.GetSubscription()), nil
}

func showSubscription(sub *freshetv1.Subscription) string {
	out := fmt.Sprintf("%s/%s, %s, visibility %v, %d attempts", sub.GetTopic(), sub.GetName(),
		strings.ToLower(strings.TrimPrefix(sub.GetKind().String(), "SUBSCRIPTION_KIND_")),
		time.Duration(sub.GetVisibilityMs())*time.Millisecond, sub.GetAttemptsMax())
	if sub.GetOrdered() {
		out += ", ordered by key"
	}
	if len(sub.GetMembers()) > 0 {
		out += ", members " + strings.Join(sub.GetMembers(), " ")
	}
	return out
}

// listSubscriptions lists a topic's, or counts what one holds.
func (s *story) listSubscriptions(a arguments) (string, error) {
	topic, name, _ := a.place(0)
	res, err := s.admin.ListSubscriptions(s.context(), &freshetv1.ListSubscriptionsRequest{Topic: topic, After: a.text("after"), Max: uint32(a.number("max"))})
	if err != nil {
		return "", err
	}
	var lines []string
	for _, sub := range res.GetSubscriptions() {
		n := sub.GetCounts()
		counts := fmt.Sprintf("ready %d, leased %d, delayed %d, dead %d, sessions %d", n.GetReady(), n.GetLeased(), n.GetDelayed(), n.GetDead(), n.GetSessions())
		if sub.GetOrdered() {
			counts += fmt.Sprintf(", blocked %d, stalls %d", n.GetBlocked(), n.GetStalls())
		}
		if name == "" {
			lines = append(lines, showSubscription(sub))
		} else if sub.GetName() == name {
			return counts, nil
		}
	}
	return listed(lines, res.GetMore()), nil
}

func (s *story) listDead(a arguments) (string, error) {
	topic, name, member := a.place(0)
	res, err := s.admin.ListDeadLetters(s.context(), &freshetv1.ListDeadLettersRequest{
		Topic: topic, Subscription: name, Member: member, FromOffset: a.number("from"), Max: uint32(a.number("max")),
		Reason: reasonCalled(a.text("reason")), Key: a.text("key"), Pattern: strings.TrimSpace(a.Input),
	})
	if err != nil {
		return "", err
	}
	var lines []string
	for _, l := range res.GetLetters() {
		lines = append(lines, fmt.Sprintf("%d %s %q after %d attempts, at +%v: %s", l.GetOffset(),
			strings.ToLower(strings.TrimPrefix(l.GetReason().String(), "DEAD_REASON_")), l.GetDetail(), l.GetAttempts(),
			since(l.GetDiedMs()), strings.Join(eventsOf(s.t, l.GetBlock()), " ")))
	}
	return listed(lines, res.GetMore()), nil
}

// reasonCalled is a reason of death in small letters.
func reasonCalled(name string) freshetv1.DeadReason {
	return freshetv1.DeadReason(freshetv1.DeadReason_value["DEAD_REASON_"+strings.ToUpper(name)])
}

func (s *story) redrive(a arguments) (string, error) {
	topic, name, member := a.place(0)
	req := &freshetv1.RedriveDeadLettersRequest{
		Topic: topic, Subscription: name, Member: member, FromOffset: a.number("from"), Max: uint32(a.number("max")),
		Reason: reasonCalled(a.text("reason")), Key: a.text("key"), Pattern: strings.TrimSpace(a.Input), DryRun: a.has("dry"),
	}
	for _, text := range a.list("offsets") {
		at, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return "", err
		}
		req.Offsets = append(req.Offsets, at)
	}
	res, err := s.admin.RedriveDeadLetters(s.context(), req)
	if err != nil {
		return "", err
	}
	out := fmt.Sprintf("redriven %d", res.GetRedriven())
	if res.GetMore() {
		out += fmt.Sprintf(", more from %d on", res.GetNextOffset())
	}
	return out, nil
}
