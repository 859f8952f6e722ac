package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
	"github.com/freshet-mq/freshet/raftlog"
)

// metadata is the group of the cluster that holds the catalog: which topics and subscriptions there should be. Partitions hold what there
// is; the controller drives them to it.
type metadata struct {
	machine *catalog.Machine
	group   *raftlog.Group
	clock   partition.Clock
}

// metadataBytesMax is the size of the metadata group's log. Beside entries it holds nothing for long: a checkpoint has all of the catalog.
const metadataBytesMax = 512 << 20

// openMetadata opens the group. It may not lead yet.
func openMetadata(o *Options, d *directory, fatal func(error)) (*metadata, error) {
	m := &metadata{machine: catalog.NewMachine(), clock: o.Clock}
	group, err := raftlog.Open(raftlog.Options{
		Dir: d.part("meta"), Node: o.Node, Name: "meta", Machine: m.machine,
		BytesMax: metadataBytesMax, Logger: o.Logger, Fatal: fatal,
	})
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	group.Retain(raftlog.RetainNone)
	m.group = group
	return m, nil
}

// ready waits until the node leads the group, and so knows all that the catalog holds.
func (m *metadata) ready(ctx context.Context) error {
	for {
		select {
		case l, open := <-m.group.Leadership():
			if !open {
				return errors.New("metadata: the group ended")
			}
			if l.Leading {
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("metadata: no leader: %w", context.Cause(ctx))
		}
	}
}

// found makes sure that the cluster has its name, id and receipt key, and that they are the ones of the data directory.
func (m *metadata) found(ctx context.Context, name, id string) (catalog.Cluster, error) {
	cluster, ok := m.view().Cluster()
	if !ok {
		command := catalog.FoundCluster{Name: name, ID: id, CreatedMs: m.clock.Now().UnixMilli()}
		if _, err := rand.Read(command.ReceiptKey[:]); err != nil {
			return catalog.Cluster{}, fmt.Errorf("making the receipt key: %w", err)
		}
		res, err := m.propose(ctx, command)
		if err != nil {
			return catalog.Cluster{}, fmt.Errorf("founding the cluster: %w", err)
		}
		cluster = res.Cluster
	}
	switch {
	case cluster.Name != name:
		return catalog.Cluster{}, fmt.Errorf("the data directory belongs to cluster %q, and this node is to be in %q: correct the name, or choose another directory",
			cluster.Name, name)
	case cluster.ID != id:
		return catalog.Cluster{}, fmt.Errorf("the data directory is cluster %s's, and its metadata cluster %s's: they don't belong together", id, cluster.ID)
	}
	return cluster, nil
}

// Close ends the group.
func (m *metadata) Close() error { return m.group.Close() }

func (m *metadata) view() *catalog.View { return m.machine.View() }

// propose changes the catalog and returns what is there then.
func (m *metadata) propose(ctx context.Context, c catalog.Command) (catalog.Result, error) {
	data, err := catalog.Encode(c)
	if err != nil {
		return catalog.Result{}, catalogFault(err)
	}
	applied, err := m.group.Propose(data).Wait(ctx)
	switch {
	case errors.Is(err, raftlog.ErrNotLeader), errors.Is(err, raftlog.ErrClosed):
		return catalog.Result{}, faultf(freshetv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "the metadata has no leader now; nothing was done, try again")
	case errors.Is(err, raftlog.ErrFull):
		return catalog.Result{}, faultf(freshetv1.ErrorCode_ERROR_CODE_BUSY, "the metadata's log is full until its next checkpoint; nothing was done, try again")
	case errors.Is(err, raftlog.ErrOutcomeUnknown):
		return catalog.Result{}, faultf(freshetv1.ErrorCode_ERROR_CODE_OUTCOME_UNKNOWN, "the answer was lost on its way through the metadata's log: it may have been done or not")
	case err != nil:
		return catalog.Result{}, err
	}
	res, ok := applied.Result.(catalog.Result)
	if !ok {
		return catalog.Result{}, fmt.Errorf("the catalog answered %T", applied.Result)
	}
	if res.Err != nil {
		return catalog.Result{}, catalogFault(res.Err)
	}
	return res, nil
}

// change is propose for who needs no answer but that it is done.
func (m *metadata) change(ctx context.Context, c catalog.Command) error {
	_, err := m.propose(ctx, c)
	return err
}

// topic resolves a topic's name, which a request gave in the field.
func (m *metadata) topic(field, name string) (catalog.Topic, error) {
	view := m.view()
	if t, ok := view.Topic(name); ok {
		return t, nil
	}
	if err := catalog.CheckName(field, name); err != nil {
		return catalog.Topic{}, catalogFault(err)
	}
	f := catalogFault(view.NoTopic(name)).with("topic", name)
	f.message = fmt.Sprintf("topic %q not found", name)
	return catalog.Topic{}, f
}

// subscription resolves the names of a topic and of its subscription.
func (m *metadata) subscription(topic, name string) (catalog.Subscription, error) {
	view := m.view()
	if s, ok := view.Subscription(topic, name); ok {
		return s, nil
	}
	t, err := m.topic("topic", topic)
	if err != nil {
		return catalog.Subscription{}, err
	}
	if err := catalog.CheckName("subscription", name); err != nil {
		return catalog.Subscription{}, catalogFault(err)
	}
	f := catalogFault(view.NoSubscription(topic, name)).with("topic", topic).with("subscription", name).
		with("subscriptions", strconv.Itoa(t.Subscriptions))
	f.message = fmt.Sprintf("subscription %q not found", topic+"/"+name)
	return catalog.Subscription{}, f
}

// topicName is what people call a stream.
func (m *metadata) topicName(id partition.StreamID) string {
	if t, ok := m.view().TopicByID(uint64(id)); ok {
		return t.Name
	}
	return fmt.Sprintf("topic id %d", id)
}

// cursorName is what people call a cursor: topic/subscription, and of a fan-out /member.
func (m *metadata) cursorName(id partition.CursorID) string {
	s, ok := m.view().SubscriptionByID(uint64(id.Subscription))
	if !ok {
		return fmt.Sprintf("subscription id %d", id.Subscription)
	}
	name := s.Topic + "/" + s.Name
	if id.Member != "" {
		name += "/" + id.Member
	}
	return name
}

// catalogFault tells what the catalog refused.
func catalogFault(err error) *fault {
	refused, ok := errors.AsType[*catalog.Error](err)
	if !ok {
		return faultf(freshetv1.ErrorCode_ERROR_CODE_INTERNAL, "the catalog can't take this: %v", err)
	}
	f := faultf(refused.Code, "%s", refused.Error())
	if near := refused.Closest; near != "" {
		return f.with("closest", near[strings.LastIndexByte(near, '/')+1:])
	}
	f = f.with("field", refused.Field)
	if refused.Limit != 0 {
		f = f.with("limit", strconv.FormatInt(refused.Limit, 10)).with("got", strconv.FormatInt(refused.Got, 10))
	}
	return f
}
