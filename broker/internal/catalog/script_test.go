package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/freshet-mq/freshet/raftlog"
)

// TestScripts plays testdata/: commands are encoded, applied as entries 1, 2, 3, ..., and answered as their proposer would
// be. What Encode refuses never becomes an entry.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &script{machine: NewMachine()}
		s.watched = s.machine.View()
		datadriven.RunTest(t, path, s.run)
	})
}

type script struct {
	machine *Machine
	index   uint64
	watched *View
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "found":
		c := FoundCluster{CreatedMs: 1000}
		var key int
		d.MaybeScanArgs(t, "name", &c.Name)
		d.MaybeScanArgs(t, "id", &c.ID)
		d.MaybeScanArgs(t, "key", &key)
		c.ReceiptKey[0] = byte(key)
		for _, arg := range d.CmdArgs {
			if arg.Key == "members" {
				for _, node := range arg.Vals {
					c.Members = append(c.Members, Member{Node: node, Directory: "first-of-" + node, Generation: 1})
				}
			}
		}
		return s.propose(t, d, c)
	case "topic":
		c := CreateTopic{Name: first(d), CreatedMs: 2000}
		d.MaybeScanArgs(t, "event-bytes-max", &c.EventBytesMax)
		d.MaybeScanArgs(t, "at", &c.CreatedMs)
		d.MaybeScanArgs(t, "age-ms", &c.Retention.AgeMs)
		d.MaybeScanArgs(t, "bytes", &c.Retention.Bytes)
		c.Retention.Drop = d.HasArg("drop")
		return s.propose(t, d, c)
	case "queue", "fanout":
		c := CreateSubscription{Kind: queue, Pattern: strings.TrimSpace(d.Input), CreatedMs: 3000}
		if d.Cmd == "fanout" {
			c.Kind = fanout
		}
		c.Topic, c.Name, _ = strings.Cut(first(d), "/")
		d.MaybeScanArgs(t, "visibility-ms", &c.VisibilityMs)
		d.MaybeScanArgs(t, "attempts-max", &c.AttemptsMax)
		c.Ordered = d.HasArg("ordered")
		if d.HasArg("earliest") {
			c.From = earliest
		}
		for _, arg := range d.CmdArgs {
			if arg.Key == "members" {
				c.Members = arg.Vals
			}
		}
		return s.propose(t, d, c)
	case "delete":
		topic, name, subscription := strings.Cut(first(d), "/")
		if subscription {
			return s.propose(t, d, DeleteSubscription{Topic: topic, Name: name})
		}
		return s.propose(t, d, DeleteTopic{Name: topic})
	case "forget":
		var c ForgetRemovals
		d.ScanArgs(t, "through", &c.Through)
		return s.propose(t, d, c)
	case "replace":
		c := ReplaceMember{Node: first(d)}
		d.MaybeScanArgs(t, "with", &c.Directory)
		d.MaybeScanArgs(t, "generation", &c.Generation)
		return s.propose(t, d, c)
	case "members":
		var b strings.Builder
		for _, m := range s.machine.View().Members() {
			fmt.Fprintf(&b, "%s generation %d: %s\n", m.Node, m.Generation, m.Directory)
		}
		return b.String()
	case "entry":
		return s.apply([]byte(d.Input))
	case "show":
		return s.show()
	case "topics":
		var after string
		d.MaybeScanArgs(t, "after", &after)
		return names(s.machine.View().Topics(after), func(topic Topic) string { return topic.Name })
	case "subscriptions":
		var after string
		d.MaybeScanArgs(t, "after", &after)
		return names(s.machine.View().Subscriptions(first(d), after), func(s Subscription) string { return s.Name })
	case "find":
		return s.find(first(d))
	case "since":
		var version uint64
		d.ScanArgs(t, "version", &version)
		return s.since(version)
	case "watch":
		s.watched = s.machine.View()
		return fmt.Sprintf("version %d", s.watched.Version())
	case "watched":
		select {
		case <-s.watched.Changed():
			return fmt.Sprintf("still shows version %d; there is a newer one", s.watched.Version())
		default:
			return fmt.Sprintf("still shows version %d; nothing is newer", s.watched.Version())
		}
	case "restart":
		return s.restart(t)
	default:
		t.Fatalf("unknown command %q", d.Cmd)
		return ""
	}
}

func first(d *datadriven.TestData) string {
	if len(d.CmdArgs) == 0 || len(d.CmdArgs[0].Vals) > 0 {
		return ""
	}
	return d.CmdArgs[0].Key
}

// propose has a command applied; with request=NUMBER and now=MS as what a request wants.
func (s *script) propose(t *testing.T, d *datadriven.TestData, command Command) string {
	if d.HasArg("request") {
		requested := Requested{Command: command}
		d.ScanArgs(t, "request", &requested.Number)
		d.MaybeScanArgs(t, "now", &requested.AtMs)
		command = requested
	}
	data, err := Encode(command)
	if err != nil {
		if _, ok := errors.AsType[*Error](err); !ok {
			t.Fatalf("refused with a %T: %v", err, err)
		}
		return "refused at once: " + refusal(err)
	}
	return s.apply(data)
}

func (s *script) apply(data []byte) string {
	s.index++
	result, _ := s.machine.Apply(raftlog.Entry{Index: s.index, Term: 1, Data: data}).(Result)
	if result.Err != nil {
		return fmt.Sprintf("entry %d: refused: %s", s.index, refusal(result.Err))
	}
	verb := "is there already"
	switch {
	case result.Created:
		verb = "created"
	case s.machine.View().Removed(max(result.Topic.ID, result.Subscription.ID)):
		verb = "deleted"
	}
	switch {
	case result.Topic.ID != 0:
		return fmt.Sprintf("entry %d: topic %s, id %d, %s", s.index, result.Topic.Name, result.Topic.ID, verb)
	case result.Member.Node != "":
		return fmt.Sprintf("entry %d: %s takes part with %s, generation %d, %s", s.index, result.Member.Node, result.Member.Directory, result.Member.Generation, verb)
	case result.Subscription.ID != 0:
		return fmt.Sprintf("entry %d: subscription %s/%s, id %d, %s", s.index, result.Subscription.Topic, result.Subscription.Name, result.Subscription.ID, verb)
	default:
		return fmt.Sprintf("entry %d: cluster %s, id %s, key %v, first byte %d, %s", s.index,
			result.Cluster.Name, result.Cluster.ID, result.Cluster.ReceiptKey, result.Cluster.ReceiptKey[0], verb)
	}
}

func refusal(err error) string {
	refused, ok := errors.AsType[*Error](err)
	if !ok {
		// The library varies its words from build to build, so that nobody relies on them.
		return fmt.Sprintf("corrupt=%v", errors.Is(err, ErrCorrupt))
	}
	text := fmt.Sprintf("%v\n  %v field=%q", refused, strings.TrimPrefix(refused.Code.String(), "ERROR_CODE_"), refused.Field)
	if refused.Limit != 0 {
		text += fmt.Sprintf(" limit=%d got=%d", refused.Limit, refused.Got)
	}
	if refused.Closest != "" {
		text += fmt.Sprintf(" closest=%q", refused.Closest)
	}
	return text
}

func (s *script) show() string {
	var out strings.Builder
	view := s.machine.View()
	fmt.Fprintf(&out, "version %d\n", view.Version())
	if c, ok := view.Cluster(); ok {
		fmt.Fprintf(&out, "cluster %s, id %s, made at %d\n", c.Name, c.ID, c.CreatedMs)
	}
	for topic := range view.Topics("") {
		fmt.Fprintf(&out, "%d %s: events up to %d bytes, made at %d, changed by entry %d, %d subscriptions\n",
			topic.ID, topic.Name, topic.EventBytesMax, topic.CreatedMs, topic.Changed, topic.Subscriptions)
		for sub := range view.Subscriptions(topic.Name, "") {
			fmt.Fprintf(&out, "  %d %s: %s, %d ms, %d attempts, members %v, made at %d, changed by entry %d\n",
				sub.ID, sub.Name, kindName(sub.Kind), sub.VisibilityMs, sub.AttemptsMax, sub.Members, sub.CreatedMs, sub.Changed)
			if sub.Ordered {
				fmt.Fprintf(&out, "    ordered by key\n")
			}
			if sub.Pattern != "" {
				fmt.Fprintf(&out, "    %s\n", sub.Pattern)
			}
		}
	}
	for r := range view.Removals() {
		fmt.Fprintf(&out, "%d of topic %d is to be removed since entry %d\n", r.ID, r.TopicID, r.Changed)
	}
	return out.String()
}

func names[T any](values func(func(T) bool), name func(T) string) string {
	var all []string
	for value := range values {
		all = append(all, name(value))
	}
	return strings.Join(all, " ")
}

func (s *script) find(name string) string {
	view := s.machine.View()
	topic, subscription, two := strings.Cut(name, "/")
	if !two {
		if found, ok := view.Topic(topic); ok {
			again, _ := view.TopicByID(found.ID)
			return fmt.Sprintf("id %d, which is %s", found.ID, again.Name)
		}
		return refusal(view.NoTopic(topic))
	}
	if found, ok := view.Subscription(topic, subscription); ok {
		again, _ := view.SubscriptionByID(found.ID)
		return fmt.Sprintf("id %d, which is %s/%s", found.ID, again.Topic, again.Name)
	}
	return refusal(view.NoSubscription(topic, subscription))
}

func (s *script) since(version uint64) string {
	var out strings.Builder
	for topic, subscription := range s.machine.View().Since(version) {
		if subscription == nil {
			fmt.Fprintf(&out, "%s\n", topic.Name)
		} else {
			fmt.Fprintf(&out, "%s/%s\n", topic.Name, subscription.Name)
		}
	}
	return out.String()
}

// restart goes on with a machine that was restored from the last one's snapshot, and shows no difference.
func (s *script) restart(t *testing.T) string {
	before := s.show()
	state := snapshot(t, s.machine)
	restored := NewMachine()
	if err := restore(restored, slices.Clone(state)); err != nil {
		t.Fatal(err)
	}
	again := snapshot(t, restored)
	if !bytes.Equal(state, again) {
		t.Fatal("a restored machine gives another snapshot")
	}
	old := s.machine.View()
	s.machine = restored
	if after := s.show(); after != before {
		t.Fatalf("a restored machine shows\n%s\nnot\n%s", after, before)
	}
	if v := restored.View(); v.bytes != old.bytes || v.ids.Len() != old.ids.Len() {
		t.Fatalf("a restored machine counts %d bytes and %d ids, not %d and %d", v.bytes, v.ids.Len(), old.bytes, old.ids.Len())
	}
	return "ok"
}
