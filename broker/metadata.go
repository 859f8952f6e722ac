package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/broker/internal/peerpb"
	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
	"github.com/freshet-mq/freshet/raftlog"
)

// metadata is the group of the cluster that holds the catalog: which topics and subscriptions there should be. Partitions hold what there
// is; the controller drives them to it. Every node has a replica, which it looks things up in; what changes anything goes to the leader.
type metadata struct {
	machine *catalog.Machine
	group   *raftlog.Group
	clock   partition.Clock
	logger  *slog.Logger
	self    string
	// founders are who the cluster is founded with, if this node does it.
	founders []catalog.Member
	peers    *peers
	// syncs has those who wait to be told that this replica is as far as the catalog is (metadata_sync.go).
	syncs chan chan error
	// leading is whether this node leads the group, and what it knows while it does.
	leading struct {
		sync.Mutex
		now bool
		// removed is through which version each partition has removed what was deleted, as this leader was told.
		removed map[uint32]uint64
	}
}

const (
	// metadataBytesMax is the size of the metadata group's log. Beside entries it holds nothing for long: a checkpoint has all of the catalog.
	metadataBytesMax = 512 << 20
	// metadataGroup is the group's number on the transport that it shares with the partitions, which count from one.
	metadataGroup raftlog.GroupNumber = 1 << 31
	// joinSay is how often a node that waits for the others says so.
	joinSay = 5 * time.Second
	// orderAgain is how long a node waits before it asks the leader again, or looks for another.
	orderAgain = 200 * time.Millisecond
)

// openMetadata opens the group. It may not lead yet, nor know who does.
func openMetadata(o *Options, d *directory, st *storage, ps *peers, fatal func(error)) (*metadata, error) {
	m := &metadata{machine: catalog.NewMachine(), clock: o.Clock, logger: o.Logger, self: o.Node, founders: foundersOf(d), peers: ps, syncs: make(chan chan error, syncsMax)}
	group, err := raftlog.Open(raftlog.Options{
		Dir: d.part("meta"), Node: d.raftName(), Name: "meta", Machine: m.machine, Transport: st.line(metadataGroup),
		Members: o.members(), Joins: d.Generation > 1,
		BytesMax: metadataBytesMax, Logger: o.Logger, Fatal: fatal,
	})
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	group.Retain(raftlog.RetainNone)
	m.group = group
	st.watch(group)
	err = m.checkMembers(o)
	return m, err
}

// checkMembers refuses a configuration by which this node would look for the cluster's nodes where they are not: there is no way yet to change them.
// What the group knows is a part of them: one that is being replaced is gone from it for a moment, and a crash may keep that moment. So names
// that it lacks are looked at when the catalog is known (checkNames).
func (m *metadata) checkMembers(o *Options) error {
	wanted, there := o.members(), m.group.Members()
	for i := range there {
		there[i] = raftlog.Member{Node: nodeOf(there[i].Node), Address: there[i].Address, Voter: true}
	}
	if len(wanted) == 0 && len(there) > 1 {
		return fmt.Errorf("the data directory belongs to a node of a cluster of %d, and Peers is empty: name all of its nodes", len(there))
	}
	if len(wanted) < 2 && len(there) < 2 { // nobody has to find anybody
		return nil
	}
	for _, known := range there {
		if !slices.Contains(wanted, known) {
			return refuseMembers(wanted, there)
		}
	}
	return nil
}

// checkNames refuses a configuration that names other nodes than the catalog. It is called when that is known.
func (m *metadata) checkNames(o *Options) error {
	wanted, members := o.members(), m.view().Members()
	if len(wanted) == 0 || len(members) == 0 {
		return nil
	}
	there := make([]raftlog.Member, 0, len(members))
	for _, known := range members {
		member := raftlog.Member{Node: known.Node}
		if at := slices.IndexFunc(wanted, func(w raftlog.Member) bool { return w.Node == known.Node }); at >= 0 {
			member.Address = wanted[at].Address // checkMembers has seen to it
		}
		there = append(there, member)
	}
	if len(there) != len(wanted) || slices.ContainsFunc(there, func(member raftlog.Member) bool { return member.Address == "" }) {
		return refuseMembers(wanted, there)
	}
	return nil
}

func refuseMembers(wanted, there []raftlog.Member) error {
	return fmt.Errorf("option Peers is %s, and the cluster that the data directory belongs to consists of %s: this release can't change them, correct the configuration",
		listMembers(wanted), listMembers(there))
}

func listMembers(members []raftlog.Member) string {
	var parts []string
	for _, m := range members {
		if m.Address == "" {
			parts = append(parts, m.Node)
			continue
		}
		parts = append(parts, m.Node+"="+m.Address)
	}
	return strings.Join(parts, ", ")
}

// run founds the cluster when this node is the first to lead its metadata, and keeps whether it leads, until the group ends.
func (m *metadata) run(ctx context.Context, name, id string, partitions int) {
	var again <-chan time.Time
	now := make(chan time.Time)
	close(now)
	for {
		select {
		case l, open := <-m.group.Leadership():
			if !open {
				return
			}
			m.lead(l.Leading)
			if again = nil; l.Leading {
				again = now
			}
		case <-again:
			if again = nil; m.found(ctx, name, id, partitions) != nil {
				again = time.After(orderAgain)
			}
		}
	}
}

func (m *metadata) lead(leading bool) {
	m.leading.Lock()
	defer m.leading.Unlock()
	m.leading.now = leading
	m.leading.removed = map[uint32]uint64{}
}

// leads tells whether this node leads the metadata, and has applied all that leaders before it had.
func (m *metadata) leads() bool {
	m.leading.Lock()
	defer m.leading.Unlock()
	return m.leading.now
}

// found gives the cluster its name, id, receipt key and partitions, once. Of several nodes that try, the first one's are in force.
func (m *metadata) found(ctx context.Context, name, id string, partitions int) error {
	if _, ok := m.view().Cluster(); ok {
		return nil
	}
	command := catalog.FoundCluster{Name: name, ID: id, Partitions: uint32(partitions), Members: m.founders, CreatedMs: m.clock.Now().UnixMilli()}
	if _, err := rand.Read(command.ReceiptKey[:]); err != nil {
		return fmt.Errorf("making the receipt key: %w", err)
	}
	_, err := m.propose(ctx, command)
	if err != nil && ctx.Err() == nil {
		m.logger.Warn("founding the cluster", "error", err)
	}
	return err
}

// join waits until the catalog says what the cluster is.
func (m *metadata) join(ctx context.Context) (catalog.Cluster, error) {
	patience := time.NewTicker(joinSay)
	defer patience.Stop()
	for {
		view := m.view()
		if cluster, ok := view.Cluster(); ok {
			return cluster, nil
		}
		select {
		case <-view.Changed():
		case <-patience.C:
			m.logger.Info("waiting for a majority of the cluster's nodes", "node", m.self, "leader", m.leader())
		case <-ctx.Done():
			return catalog.Cluster{}, fmt.Errorf("metadata: no majority of the cluster's nodes has been reached: %w", context.Cause(ctx))
		}
	}
}

// handOn has another node lead the metadata, if this one does.
func (m *metadata) handOn(ctx context.Context) error {
	err := m.group.TransferLeadership(ctx, "")
	if err == nil || errors.Is(err, raftlog.ErrNotLeader) || errors.Is(err, raftlog.ErrClosed) {
		return nil
	}
	return fmt.Errorf("metadata: %w", err)
}

// Close ends the group.
func (m *metadata) Close() error { return m.group.Close() }

func (m *metadata) view() *catalog.View { return m.machine.View() }

// reached waits until this node's replica has what the catalog had at a version.
func (m *metadata) reached(ctx context.Context, version uint64) (*catalog.View, error) {
	for {
		view := m.view()
		if view.Version() >= version {
			return view, nil
		}
		select {
		case <-view.Changed():
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// propose changes the catalog, where this node leads it, and returns what is there then.
func (m *metadata) propose(ctx context.Context, c catalog.Command) (catalog.Result, error) {
	data, err := catalog.Encode(c)
	if err != nil {
		return catalog.Result{}, catalogFault(err)
	}
	return m.proposeData(ctx, data)
}

// proposeOnce is propose of what a client's request wants, under the request's number: when it comes again it is answered as it was the first time, if it
// has a number other than 0.
func (m *metadata) proposeOnce(ctx context.Context, request uint64, c catalog.Command) (catalog.Result, error) {
	return m.propose(ctx, catalog.Requested{Command: c, Number: request, AtMs: m.clock.Now().UnixMilli()})
}

func (m *metadata) proposeData(ctx context.Context, data []byte) (catalog.Result, error) {
	applied, err := m.group.Propose(data).Wait(ctx)
	if err := metadataFault(err); err != nil {
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

// metadataFault tells what became of a proposal that failed.
func metadataFault(err error) error {
	switch {
	case errors.Is(err, raftlog.ErrNotLeader), errors.Is(err, raftlog.ErrClosed):
		return faultf(freshetv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "the metadata has no leader now; nothing was done, try again")
	case errors.Is(err, raftlog.ErrFull):
		return faultf(freshetv1.ErrorCode_ERROR_CODE_BUSY, "the metadata's log is full until its next checkpoint; nothing was done, try again")
	case errors.Is(err, raftlog.ErrOutcomeUnknown):
		return faultf(freshetv1.ErrorCode_ERROR_CODE_OUTCOME_UNKNOWN, "the answer was lost on its way through the metadata's log: it may have been done or not")
	}
	return err
}

// change has the catalog changed by whoever leads it, as often as it takes, and waits until this node's replica has that too. Without a command it
// only waits for what was committed before it was called. The command must be one that may be done twice.
func (m *metadata) change(ctx context.Context, c catalog.Command) (*catalog.View, error) {
	var data []byte
	if c != nil {
		var err error
		if data, err = catalog.Encode(c); err != nil {
			return nil, catalogFault(err)
		}
	}
	for {
		version, err := m.order(ctx, data)
		if err == nil {
			return m.reached(ctx, version)
		}
		if code := status.Code(err); code != codes.Unavailable && code != codes.DeadlineExceeded {
			return nil, err
		}
		timer := time.NewTimer(orderAgain)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, errors.Join(err, context.Cause(ctx))
		}
	}
}

// order has the leader change the catalog, once: this node, or the one that it is.
func (m *metadata) order(ctx context.Context, data []byte) (version uint64, err error) {
	if conn, ok := m.peers.conn(m.leader()); ok {
		ctx, cancel := context.WithTimeout(ctx, orderWithin)
		defer cancel()
		res, err := peerpb.NewPeerServiceClient(conn).Change(ctx, &peerpb.ChangeRequest{Command: data})
		return res.GetVersion(), err
	}
	return m.changeHere(ctx, data)
}

// leader is the name of the node that leads the metadata, as far as this one knows; empty: none is known to.
func (m *metadata) leader() string { return nodeOf(m.group.Status().Leader) }

// report tells whoever leads the metadata, once, that a partition holds nothing that the catalog had among its removals at a version.
func (m *metadata) report(ctx context.Context, number uint32, through uint64) error {
	if conn, ok := m.peers.conn(m.leader()); ok {
		ctx, cancel := context.WithTimeout(ctx, orderWithin)
		defer cancel()
		_, err := peerpb.NewPeerServiceClient(conn).Removed(ctx, &peerpb.RemovedRequest{Partition: number, Through: through})
		return err
	}
	return m.removed(ctx, number, through)
}

// removed has the catalog forget what every partition has removed, where this node leads it. What it was told is lost with its leadership, and told
// again to the next.
func (m *metadata) removed(ctx context.Context, number uint32, through uint64) error {
	view := m.view()
	cluster, _ := view.Cluster()
	m.leading.Lock()
	if !m.leading.now || number >= cluster.Partitions {
		m.leading.Unlock()
		return notLeader("the metadata", m.leader())
	}
	m.leading.removed[number] = max(m.leading.removed[number], through)
	everywhere := uint64(math.MaxUint64)
	for each := range cluster.Partitions {
		everywhere = min(everywhere, m.leading.removed[each])
	}
	m.leading.Unlock()
	for removal := range view.Removals() {
		if removal.Changed <= everywhere {
			_, err := m.propose(ctx, catalog.ForgetRemovals{Through: everywhere})
			return err
		}
	}
	return nil
}

// orderWithin bounds how long the leader may take over a change.
const orderWithin = 10 * time.Second

// changeHere changes the catalog, or finds out how far it is, where this node leads it.
func (m *metadata) changeHere(ctx context.Context, data []byte) (version uint64, err error) {
	if !m.leads() {
		return 0, notLeader("the metadata", m.leader())
	}
	if len(data) == 0 {
		if err := metadataFault(m.group.Barrier(ctx)); err != nil {
			return 0, err
		}
		return m.view().Version(), nil
	}
	if _, err := m.proposeData(ctx, data); err != nil {
		return 0, err
	}
	return m.view().Version(), nil
}

// versionHere tells how far the catalog is, where this node leads it, and makes sure that it does. It costs no entry.
func (m *metadata) versionHere(ctx context.Context) (version uint64, err error) {
	if !m.leads() {
		return 0, notLeader("the metadata", m.leader())
	}
	if err := m.group.Verify(ctx); err != nil {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return 0, notLeader("the metadata", "")
	}
	return m.view().Version(), nil
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
	return catalog.Topic{}, m.named(catalogFault(view.NoTopic(name)), name, "")
}

// subscription resolves the names of a topic and of its subscription.
func (m *metadata) subscription(topic, name string) (catalog.Subscription, error) {
	view := m.view()
	if s, ok := view.Subscription(topic, name); ok {
		return s, nil
	}
	if _, err := m.topic("topic", topic); err != nil {
		return catalog.Subscription{}, err
	}
	if err := catalog.CheckName("subscription", name); err != nil {
		return catalog.Subscription{}, catalogFault(err)
	}
	return catalog.Subscription{}, m.named(catalogFault(view.NoSubscription(topic, name)), topic, name)
}

// named says of a refusal for want of a topic, or of a subscription, which one it is that isn't there.
func (m *metadata) named(err error, topic, subscription string) error {
	f, ok := errors.AsType[*fault](err)
	switch {
	case !ok:
		return err
	case f.code == freshetv1.ErrorCode_ERROR_CODE_TOPIC_NOT_FOUND:
		f = f.with("topic", topic)
		f.message = fmt.Sprintf("topic %q not found", topic)
	case f.code == freshetv1.ErrorCode_ERROR_CODE_SUBSCRIPTION_NOT_FOUND:
		t, _ := m.view().Topic(topic)
		f = f.with("topic", topic).with("subscription", subscription).with("subscriptions", strconv.Itoa(t.Subscriptions))
		f.message = fmt.Sprintf("subscription %q not found", topic+"/"+subscription)
	}
	return f
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
