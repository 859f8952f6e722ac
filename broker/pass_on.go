package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// A client may ask any node. What only a leader can do is passed on to it, once, over the peer port:
//
//	what is asked for                                    who does it
//	publish, consume, receive, settle, redrive, ...      the leader of the partition that it is about
//	topics and subscriptions made and deleted            the leader of the metadata
//	lists, counts, dead letters, routes                  whoever is asked: every node has all replicas
//
//	client ──▶ node ── leader here? ── yes ──▶ done here
//	              ▲         │ no
//	              │         ▼
//	              │    passed on already? ── yes ──▶ FR5003, the node that passed it on looks again
//	              │         │ no
//	              │         ▼
//	              └─── the leader's peer port   (nobody leads, or it can't be reached: again, for up to 3 s; then FR5003)
//
// Nothing is done twice for that: what is tried again is only what its leader said it hadn't done, or what never got to one. When the connection
// breaks with a call on it, its outcome is unknown, and the client is told so.
const (
	// leadWithin is how long a call waits for a partition to have a leader that can be reached.
	leadWithin = 3 * time.Second
	// leadAgain is how long it waits before it looks again.
	leadAgain = 50 * time.Millisecond
)

// destination is where a call goes: to a connection; nil: it is for this node.
type destination = *grpc.ClientConn

// leaderOf finds a partition's leader, as far as this node knows. A *fault of NOT_LEADER says that there is none that it can be passed on to now.
func (s *services) leaderOf(ctx context.Context, p hosted) (destination, error) {
	l := p.leader()
	what := "partition " + strconv.FormatUint(uint64(p.number), 10)
	switch {
	case l.Here:
		return nil, nil //nolint:nilnil // nil is this node
	case l.Node == "" || passedOn(ctx):
		return nil, notLeader(what, l.Node)
	}
	return s.peers.reach(ctx, what, l.Node)
}

// metadataLeader finds the metadata's leader, likewise.
func (s *services) metadataLeader(ctx context.Context) (destination, error) {
	if s.metadata.leads() {
		return nil, nil //nolint:nilnil // nil is this node
	}
	leader := s.metadata.leader()
	if leader == "" || leader == s.self.GetName() || passedOn(ctx) {
		return nil, notLeader("the metadata", leader)
	}
	return s.peers.reach(ctx, "the metadata", leader)
}

// reach returns the connection to a node, once it is there. It doesn't wait for one that has just failed.
func (ps *peers) reach(ctx context.Context, what, node string) (destination, error) {
	conn, ok := ps.conn(node)
	if !ok {
		return nil, notLeader(what, node)
	}
	for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
		conn.Connect()
		if state == connectivity.TransientFailure || state == connectivity.Shutdown || !conn.WaitForStateChange(ctx, state) {
			return nil, notLeader(what, node)
		}
	}
	return conn, nil
}

// passOn has a call done by whoever leads, here or there, and looks for the leader again when it turns out that it was another.
func passOn[Res any](ctx context.Context, s *services, find func(context.Context) (destination, error), here func() (Res, error), there func(grpc.ClientConnInterface) (Res, error)) (res Res, err error) {
	once := func() (Res, error) {
		to, err := find(ctx)
		if err != nil {
			var none Res
			return none, err
		}
		if to == nil {
			return here()
		}
		res, err := there(to)
		return res, peerError(err)
	}
	// Most calls find their leader at once.
	if res, err = once(); err == nil || !undone(err) || passedOn(ctx) {
		return res, err
	}
	again := s.search(ctx)
	defer again.end()
	for again.wait() {
		if res, err = once(); err == nil || !undone(err) {
			return res, err
		}
	}
	return res, s.life.ended(again.bound, err)
}

// search is the time that a call has to find a leader.
type search struct {
	life           *life
	bound, looking context.Context //nolint:containedctx // a call's own
	end            func()
}

func (s *services) search(ctx context.Context) *search {
	bound, release := s.life.bind(ctx)
	looking, stop := s.life.within(bound, leadWithin)
	return &search{life: s.life, bound: bound, looking: looking, end: func() {
		stop()
		release()
	}}
}

// wait waits until it is time to look again; false: it is time to give up.
func (l *search) wait() bool {
	timer, stop := l.life.clock.TimerAt(l.life.clock.Now().Add(leadAgain))
	defer stop()
	select {
	case <-timer:
		return true
	case <-l.looking.Done():
		return false
	}
}

// atLeader is passOn to a partition's leader.
func atLeader[Res any](ctx context.Context, s *services, p hosted, here func() (Res, error), there func(grpc.ClientConnInterface) (Res, error)) (Res, error) {
	return passOn(ctx, s, func(ctx context.Context) (destination, error) { return s.leaderOf(ctx, p) }, here, there)
}

// atMetadata is passOn to the metadata's leader. When it has been done elsewhere, this node's replica has it too before the caller hears of it, so that clients
// see what they did.
func atMetadata[Res any](ctx context.Context, s *services, here func() (Res, error), there func(grpc.ClientConnInterface) (Res, error)) (Res, error) {
	elsewhere := false
	res, err := passOn(ctx, s, s.metadataLeader, func() (Res, error) {
		elsewhere = false
		return here()
	}, func(to grpc.ClientConnInterface) (Res, error) {
		elsewhere = true
		return there(to)
	})
	if err == nil && elsewhere {
		_, err = s.metadata.change(ctx, nil)
	}
	return res, err
}

// partly is what a call ends with of whose parts, each another partition's, some were done before one failed with err: whoever would hear that nothing was
// done would be told wrong.
func (s *services) partly(done, of int, what string, err error) error {
	if done == 0 || denied(err) {
		return err
	}
	return faultf(freshetv1.ErrorCode_ERROR_CODE_OUTCOME_UNKNOWN, "%d of %d %s; of the rest: %s", done, of, what, status.Convert(callError(err, s.metadata)).Message())
}

// undone tells whether an error says that nothing was done since whoever was asked doesn't lead.
func undone(err error) bool {
	if errors.Is(err, partition.ErrUnavailable) {
		return true
	}
	f, ok := errors.AsType[*fault](err)
	return ok && (f.code == freshetv1.ErrorCode_ERROR_CODE_NOT_LEADER || f.code == freshetv1.ErrorCode_ERROR_CODE_UNAVAILABLE)
}

// peerError is what became of a call that was passed on. What the other node answered is the answer; without one nobody knows.
func peerError(err error) error {
	if err == nil {
		return nil
	}
	st, ok := status.FromError(err)
	if !ok && !errors.Is(err, io.EOF) {
		return err
	}
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == faultDomain {
			switch info.GetReason() {
			case reason(freshetv1.ErrorCode_ERROR_CODE_NOT_LEADER), reason(freshetv1.ErrorCode_ERROR_CODE_UNAVAILABLE):
				return faultf(freshetv1.ErrorCode_ERROR_CODE_NOT_LEADER, "%s", st.Message())
			}
			return err
		}
	}
	if code := st.Code(); code == codes.Unavailable || code == codes.Unknown || code == codes.Internal {
		return faultf(freshetv1.ErrorCode_ERROR_CODE_OUTCOME_UNKNOWN, "the connection to the node that leads broke before it answered: it may have been done or not")
	}
	return err
}

// partitionOf returns the partition of a topic that a request is about: the one that it names, or the only one.
func (s *services) partitionOf(topic catalog.Topic, number *uint32) (hosted, error) {
	switch {
	case len(topic.Partitions) == 0: // deleted since it was resolved
		return hosted{}, faultf(freshetv1.ErrorCode_ERROR_CODE_TOPIC_NOT_FOUND, "topic %q was deleted", topic.Name).with("topic", topic.Name)
	case number == nil && len(topic.Partitions) > 1:
		return hosted{}, argumentRefused("partition", "is missing; topic %q is on %d partitions, so it is required", topic.Name, len(topic.Partitions))
	case number == nil:
		return s.partitions.home(topic), nil
	}
	return s.partOf(&topic, *number)
}

// partitionsNamed is how many of a topic's partitions an error lists.
const partitionsNamed = 8

// partOf returns a partition by its number, which has to hold a part of the topic.
func (s *services) partOf(topic *catalog.Topic, number uint32) (hosted, error) {
	if slices.Contains(topic.Partitions, number) {
		return s.partitions.all[number], nil
	}
	return hosted{}, notOn(topic, number)
}

// notOn is the refusal of a partition that holds no part of the topic.
func notOn(topic *catalog.Topic, number uint32) error {
	on := make([]string, 0, partitionsNamed)
	for _, n := range topic.Partitions[:min(len(topic.Partitions), partitionsNamed)] {
		on = append(on, strconv.FormatUint(uint64(n), 10))
	}
	where := strings.Join(on, ", ")
	if more := len(topic.Partitions) - len(on); more > 0 {
		where += fmt.Sprintf(" and %d others", more)
	}
	return faultf(freshetv1.ErrorCode_ERROR_CODE_PARTITION_NOT_FOUND, "topic %q isn't on partition %d; it is on %s", topic.Name, number, where).
		with("field", "partition").with("partition", fmt.Sprint(number)).with("topic", topic.Name)
}
