package catalog

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/freshet-mq/freshet/broker/internal/catalog/catalogpb"
)

// encode returns the view and the requests as a checkpoint. Equal ones give equal bytes: trees are walked in order, and no map is.
func encode(v *View, m *memory) ([]byte, error) {
	state := v.form()
	state.Requests = m.form()
	data, err := deterministic.Marshal(state)
	if err != nil {
		return nil, fmt.Errorf("catalog: encoding a checkpoint: %w", err)
	}
	return data, nil
}

// form is the view as it stands in a checkpoint.
func (v *View) form() *catalogpb.State {
	state := &catalogpb.State{Version: formVersion, Changed: v.version, LastId: v.lastID}
	if v.cluster != nil {
		state.Cluster = &catalogpb.Cluster{
			Name: v.cluster.Name, Id: v.cluster.ID, ReceiptKey: v.cluster.ReceiptKey[:], CreatedMs: v.cluster.CreatedMs,
			Partitions: v.cluster.Partitions,
		}
	}
	v.topics.Ascend(func(entry *topicEntry) bool {
		topic := &catalogpb.Topic{
			Name: entry.Name, Id: entry.ID, EventBytesMax: entry.EventBytesMax, CreatedMs: entry.CreatedMs, Changed: entry.Changed,
			Partitions: entry.Partitions, Epoch: entry.Epoch, Retention: entry.Retention.form(),
		}
		entry.subscriptions.Ascend(func(s *Subscription) bool {
			topic.Subscriptions = append(topic.Subscriptions, &catalogpb.Subscription{
				Name: s.Name, Id: s.ID, Kind: s.Kind, Pattern: s.Pattern, VisibilityMs: s.VisibilityMs, AttemptsMax: s.AttemptsMax,
				Ordered: s.Ordered, Members: s.Members, From: startForm(s.From), CreatedMs: s.CreatedMs, Changed: s.Changed,
			})
			return true
		})
		state.Topics = append(state.Topics, topic)
		return true
	})
	for removal := range v.Removals() {
		state.Removals = append(state.Removals, &catalogpb.Removal{Id: removal.ID, TopicId: removal.TopicID, Changed: removal.Changed})
	}
	for _, n := range v.nodes {
		state.Nodes = append(state.Nodes, &catalogpb.Node{
			Name: n.Name, ApiAddress: n.APIAddress, PeerAddress: n.PeerAddress, Version: n.Version, Changed: n.Changed,
		})
	}
	state.Members = membersToWire(v.members)
	return state
}

// decodeState reads what encode wrote. It takes no state that no sequence of commands could have made: names out of order,
// ids twice or beyond the last, settings beyond their limits. Errors are ErrVersion and ErrCorrupt.
func decodeState(data []byte) (*View, *memory, error) {
	state := &catalogpb.State{}
	if err := proto.Unmarshal(data, state); err != nil {
		return nil, nil, fmt.Errorf("%w: a checkpoint: %w", ErrCorrupt, err)
	}
	if err := checkForm("checkpoint", state.GetVersion(), state); err != nil {
		return nil, nil, err
	}
	v, err := viewOf(state)
	if err != nil {
		return nil, nil, err
	}
	m, err := memoryOf(state.GetRequests(), v)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return v, m, nil
}

// viewOf reads what View.form gave.
func viewOf(state *catalogpb.State) (*View, error) {
	v := emptyView()
	v.version, v.lastID = state.GetChanged(), state.GetLastId()
	if c := state.GetCluster(); c != nil {
		if err := v.restoreCluster(c); err != nil {
			return nil, err
		}
	}
	if len(state.GetTopics()) > TopicsMax {
		return nil, fmt.Errorf("%w: %d topics, the limit is %d", ErrCorrupt, len(state.GetTopics()), TopicsMax)
	}
	last := ""
	for _, topic := range state.GetTopics() {
		if topic.GetName() <= last {
			return nil, fmt.Errorf("%w: topic %q behind %q", ErrCorrupt, topic.GetName(), last)
		}
		last = topic.GetName()
		if err := v.restoreTopic(topic); err != nil {
			return nil, fmt.Errorf("%w: topic %q: %w", ErrCorrupt, topic.GetName(), err)
		}
	}
	if len(state.GetRemovals()) > RemovalsMax {
		return nil, fmt.Errorf("%w: %d removals, the limit is %d", ErrCorrupt, len(state.GetRemovals()), RemovalsMax)
	}
	for _, r := range state.GetRemovals() {
		if err := v.restoreRemoval(Removal{ID: r.GetId(), TopicID: r.GetTopicId(), Changed: r.GetChanged()}); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}
	if err := v.restoreNodes(state.GetNodes()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if err := v.restoreMembers(state.GetMembers()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if v.bytes > BytesMax {
		return nil, fmt.Errorf("%w: %d bytes, the limit is %d", ErrCorrupt, v.bytes, int64(BytesMax))
	}
	return v, nil
}

func (v *View) restoreCluster(c *catalogpb.Cluster) error {
	key, err := receiptKey(c.GetReceiptKey())
	if err != nil {
		return err
	}
	founded := FoundCluster{Name: c.GetName(), ID: c.GetId(), ReceiptKey: key, Partitions: max(c.GetPartitions(), 1), CreatedMs: c.GetCreatedMs()}
	if refused := founded.check(); refused != nil {
		return fmt.Errorf("%w: cluster: %w", ErrCorrupt, refused)
	}
	v.cluster = &Cluster{Name: founded.Name, ID: founded.ID, ReceiptKey: key, Partitions: founded.Partitions, CreatedMs: founded.CreatedMs}
	return nil
}

func (v *View) restoreTopic(t *catalogpb.Topic) error {
	on := t.GetPartitions()
	if len(on) == 0 { // written when there was one
		on = []uint32{0}
	}
	command := CreateTopic{
		Name: t.GetName(), EventBytesMax: t.GetEventBytesMax(), Partitions: uint32(len(on)),
		Retention: retentionOf(t.GetRetention()), CreatedMs: t.GetCreatedMs(),
	}
	if refused := command.check(); refused != nil {
		return refused
	}
	if err := v.checkPlaces(on); err != nil {
		return err
	}
	entry := &topicEntry{
		Topic: Topic{
			Name: command.Name, ID: t.GetId(), EventBytesMax: command.EventBytesMax, CreatedMs: command.CreatedMs,
			Partitions: on, Epoch: max(t.GetEpoch(), firstEpoch), Retention: command.Retention,
			Subscriptions: len(t.GetSubscriptions()), Changed: t.GetChanged(),
		},
		subscriptions: newSubscriptions(),
		newest:        t.GetChanged(),
	}
	if err := v.restoreID(idEntry{id: entry.ID, topic: entry.Name}, entry.Changed); err != nil {
		return err
	}
	v.bytes += topicBytes(entry.Name)
	if entry.Subscriptions > SubscriptionsMax {
		return tooMany("subscriptions", " of a topic", SubscriptionsMax)
	}
	last := ""
	for _, s := range t.GetSubscriptions() {
		if s.GetName() <= last {
			return fmt.Errorf("subscription %q behind %q", s.GetName(), last)
		}
		last = s.GetName()
		if err := v.restoreSubscription(entry, s); err != nil {
			return fmt.Errorf("subscription %q: %w", s.GetName(), err)
		}
	}
	v.topics.ReplaceOrInsert(entry)
	v.countTopic(on, 1)
	return nil
}

func (v *View) restoreSubscription(entry *topicEntry, s *catalogpb.Subscription) error {
	command := CreateSubscription{
		Topic: entry.Name, Name: s.GetName(), Kind: s.GetKind(), Pattern: s.GetPattern(), VisibilityMs: s.GetVisibilityMs(),
		AttemptsMax: s.GetAttemptsMax(), Ordered: s.GetOrdered(), Members: s.GetMembers(), From: startOf(s.GetFrom()),
		CreatedMs: s.GetCreatedMs(),
	}
	if refused := command.check(); refused != nil {
		return refused
	}
	if err := v.restoreID(idEntry{id: s.GetId(), topic: entry.Name, subscription: command.Name}, s.GetChanged()); err != nil {
		return err
	}
	entry.subscriptions.ReplaceOrInsert(&Subscription{
		Topic: entry.Name, TopicID: entry.ID, Name: command.Name, ID: s.GetId(), Kind: command.Kind, Pattern: command.Pattern,
		VisibilityMs: command.VisibilityMs, AttemptsMax: command.AttemptsMax, Ordered: command.Ordered, Members: command.Members,
		From: command.From, CreatedMs: command.CreatedMs, Changed: s.GetChanged(),
	})
	entry.newest = max(entry.newest, s.GetChanged())
	v.bytes += subscriptionBytes(command.Name, command.Pattern, command.Members)
	return nil
}

// restoreID takes an id that was given out, once, and the index of a change that has happened.
func (v *View) restoreID(entry idEntry, changed uint64) error {
	switch {
	case entry.id == 0 || entry.id > v.lastID:
		return fmt.Errorf("id %d, of 1 to %d", entry.id, v.lastID)
	case v.ids.Has(entry):
		return fmt.Errorf("id %d, which something else has", entry.id)
	case changed == 0 || changed > v.version:
		return fmt.Errorf("changed by entry %d, and the last change was by %d", changed, v.version)
	}
	v.ids.ReplaceOrInsert(entry)
	return nil
}
