package client

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// fakeQueue is a queue in its plainest form: a list of what is ready, and leases by offset. fakeNode.mu guards it.
type fakeQueue struct {
	name       string
	topic      *fakeTopic
	kind       freshetv1.SubscriptionKind
	visibility time.Duration
	attempts   int
	ordered    bool // is said, and left to the client

	ready     []uint64
	delayed   map[uint64]time.Time
	leases    map[uint64]*fakeLease
	tries     map[uint64]uint32
	acked     map[uint64]int
	ackedBy   map[uint64]uint64 // epoch of the lease
	dead      map[uint64]freshetv1.DeadReason
	detail    map[uint64]string
	sessions  map[string]*fakeSession
	uncounted int
}

type fakeLease struct {
	session  *fakeSession // nil: taken by receipt, or of a session that is gone
	delivery uint64
	epoch    uint64
	began    time.Time
	deadline time.Time
}

// fakeSession is a consumer as the node knows it.
type fakeSession struct {
	id         string
	stream     *fakeStream // nil while nobody is attached
	credit     uint32
	hinted     time.Time // when it was told of events, parked; zero: it wasn't
	received   uint64
	deliveries uint64
	listed     map[uint64][]uint64 // offsets by position, of each delivery
	settled    uint64
	answer     []*freshetv1.Leased
	stamp      uint64
	attached   uint64 // the stamp of its last Attach
	visibility time.Duration
	away       time.Time
}

// fakeStream sends what is put into it, in order.
type fakeStream struct {
	credits uint64 // carried out
	mu      sync.Mutex
	waiting []*freshetv1.ConsumeResponse
	changed chan struct{}
}

func (s *fakeStream) put(r *freshetv1.ConsumeResponse) {
	s.mu.Lock()
	s.waiting = append(s.waiting, r)
	s.mu.Unlock()
	poke(s.changed)
}

// fakeNowhere is an offset that no event has.
const fakeNowhere = ^uint64(0)

// fakeAway is how long a session is remembered that nobody attaches.
const fakeAway = 15 * time.Second

func (n *fakeNode) addQueue(full string, kind freshetv1.SubscriptionKind, visibility time.Duration, attempts int) *fakeQueue {
	name, err := parseSubscription(full)
	if err != nil {
		panic(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	q := &fakeQueue{
		name: name.subscription, topic: n.topicLocked(name.topic), kind: kind, visibility: visibility, attempts: attempts,
		delayed: map[uint64]time.Time{}, leases: map[uint64]*fakeLease{}, tries: map[uint64]uint32{},
		acked: map[uint64]int{}, ackedBy: map[uint64]uint64{}, dead: map[uint64]freshetv1.DeadReason{}, detail: map[uint64]string{}, sessions: map[string]*fakeSession{},
	}
	n.mu.queues[full] = q
	return q
}

// expire ends leases, delays and sessions whose time has come.
func (q *fakeQueue) expire(now time.Time) {
	for _, offset := range slices.Sorted(maps.Keys(q.leases)) {
		if l := q.leases[offset]; !now.Before(l.deadline) {
			q.giveBack(offset, true, 0, freshetv1.DeadReason_DEAD_REASON_EXPIRED, "")
		}
	}
	for _, offset := range slices.Sorted(maps.Keys(q.delayed)) {
		if !now.Before(q.delayed[offset]) {
			delete(q.delayed, offset)
			q.ready = append(q.ready, offset)
		}
	}
	for id, s := range q.sessions {
		if s.stream == nil && now.Sub(s.away) >= fakeAway {
			q.forget(id)
		}
	}
	slices.Sort(q.ready)
}

// forget ends a session; its leases run to their deadlines.
func (q *fakeQueue) forget(id string) {
	for _, l := range q.leases {
		if l.session == q.sessions[id] {
			l.session = nil
		}
	}
	delete(q.sessions, id)
}

// giveBack ends a lease without an ack.
func (q *fakeQueue) giveBack(offset uint64, counted bool, after time.Duration, reason freshetv1.DeadReason, detail string) {
	delete(q.leases, offset)
	if counted {
		q.tries[offset]++
	} else {
		q.uncounted++
	}
	switch {
	case int(q.tries[offset]) >= q.attempts:
		q.dead[offset], q.detail[offset] = reason, detail
	case after > 0:
		q.delayed[offset] = time.Now().Add(after)
	default:
		q.ready = append(q.ready, offset)
		slices.Sort(q.ready)
	}
}

// ack settles an event.
func (q *fakeQueue) ack(offset uint64) {
	q.ackedBy[offset] = q.leases[offset].epoch
	delete(q.leases, offset)
	q.acked[offset]++
}

// assign gives ready events to sessions with credit, round and round.
func (q *fakeQueue) assign(n *fakeNode) {
	for _, id := range slices.Sorted(maps.Keys(q.sessions)) {
		s := q.sessions[id]
		if s.stream == nil {
			continue
		}
		if s.credit == 0 {
			s.hint(len(q.ready) > 0, time.Now())
			continue
		}
		held := 0
		for _, l := range q.leases {
			if l.session == s {
				held++
			}
		}
		if room := min(int(s.credit)-held, len(q.ready)); room > 0 {
			s.deliveries++
			d := q.grant(n, s, room, s.visibility)
			d.Number, d.StampNs = s.deliveries, s.stamp
			s.stream.put(&freshetv1.ConsumeResponse{Response: &freshetv1.ConsumeResponse_Delivery{Delivery: d}})
		}
	}
}

// hint tells a parked session whether there are events, as a node does it.
func (s *fakeSession) hint(ready bool, now time.Time) {
	switch {
	case !ready && s.hinted.IsZero(), ready && !s.hinted.IsZero() && now.Sub(s.hinted) < time.Second:
		return
	case ready:
		s.hinted = now
	default:
		s.hinted = time.Time{}
	}
	s.stream.put(&freshetv1.ConsumeResponse{Response: &freshetv1.ConsumeResponse_Hint{Hint: &freshetv1.Hint{Ready: ready}}})
}

// grant leases the first ready events.
func (q *fakeQueue) grant(n *fakeNode, s *fakeSession, events int, visibility time.Duration) *freshetv1.Delivery {
	n.mu.epoch++
	offsets := q.ready[:events]
	q.ready = slices.Clone(q.ready[events:])
	d := &freshetv1.Delivery{Epoch: n.mu.epoch, VisibilityMs: millis(visibility)}
	var w block.Writer
	var listed []uint64
	for i, offset := range offsets {
		skipped := uint32(0)
		if s != nil && (s.deliveries+uint64(i))%7 == 0 { // as if there had been another, which somebody else has settled meanwhile
			listed, skipped = append(listed, fakeNowhere), 1
		}
		listed = append(listed, offset)
		l := &fakeLease{session: s, epoch: n.mu.epoch, began: time.Now(), deadline: time.Now().Add(visibility)}
		if s != nil {
			l.delivery = s.deliveries
		}
		q.leases[offset] = l
		if err := w.Append(&q.topic.events[offset].event); err != nil {
			panic(err)
		}
		attempt := q.tries[offset] + 1
		if k := len(d.Events); k > 0 && skipped == 0 && d.Events[k-1].First+uint64(d.Events[k-1].Count) == offset && d.Events[k-1].Attempt == attempt {
			d.Events[k-1].Count++
		} else {
			d.Events = append(d.Events, &freshetv1.DeliveredRun{First: offset, Count: 1, Attempt: attempt, Skipped: skipped})
		}
	}
	if s != nil {
		s.listed[s.deliveries] = listed
	}
	encoded, err := w.Finish(nil)
	if err != nil {
		panic(err)
	}
	d.Blocks = [][]byte{encoded}
	return d
}

// queueOf finds a subscription; a fan-out of the fake has one member, whatever its name. n.mu is held.
func (n *fakeNode) queueOf(topic, subscription, member string) (*fakeQueue, error) {
	full := topic + "/" + subscription
	if q := n.mu.queues[full]; q != nil {
		return q, nil
	}
	e := &Error{Code: CodeSubscriptionNotFound, Message: fmt.Sprintf("subscription %q not found", full), Metadata: map[string]string{"closest": "billing"}}
	return nil, e.GRPCStatus().Err()
}

// Consume attaches a session and serves it.
func (n *fakeNode) Consume(stream freshetv1.ConsumeService_ConsumeServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	out := &fakeStream{changed: make(chan struct{}, 1)}
	n.mu.Lock()
	q, err := n.queueOf(first.GetAttach().GetTopic(), first.GetAttach().GetSubscription(), first.GetAttach().GetMember())
	if err != nil {
		n.mu.Unlock()
		return err
	}
	s := q.attach(first, out)
	if s == nil {
		n.mu.Unlock()
		return (&Error{Code: CodeSessionLost, Message: "it was forgotten"}).GRPCStatus().Err()
	}
	q.assign(n)
	lost := n.attachFault != nil && n.attachFault(first.GetAttach())
	n.mu.Unlock()
	if lost {
		n.breakAll()
		n.mu.Lock()
		s.stream, s.away = nil, time.Now()
		n.mu.Unlock()
		return errFakeBreak
	}

	ctx, cancel := context.WithCancel(stream.Context())
	var sending sync.WaitGroup
	sending.Go(func() { out.send(ctx, stream) })
	defer sending.Wait()
	defer cancel()
	err = n.converse(stream, q, s, out)
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.stream == out {
		s.stream, s.away = nil, time.Now()
	}
	return err
}

func (s *fakeStream) send(ctx context.Context, stream freshetv1.ConsumeService_ConsumeServer) {
	for {
		s.mu.Lock()
		waiting := s.waiting
		s.waiting = nil
		s.mu.Unlock()
		for _, r := range waiting {
			if stream.Send(r) != nil {
				return
			}
		}
		if len(waiting) > 0 {
			continue
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
			return
		}
	}
}

// attach opens a session or takes one up again; nil: one that was forgotten, of which the consumer has received something.
func (q *fakeQueue) attach(first *freshetv1.ConsumeRequest, out *fakeStream) *fakeSession {
	a := first.GetAttach()
	id := string(a.GetSession())
	s := q.sessions[id]
	resumed := s != nil
	if s == nil {
		if a.GetReceived() > 0 {
			return nil
		}
		s = &fakeSession{id: id, listed: map[uint64][]uint64{}}
		q.sessions[id] = s
	} else if a.GetAnsweredNs() > s.attached { // another of that id was forgotten
		return nil
	}
	s.attached = first.GetStampNs()
	s.stream, s.credit, s.received, s.stamp = out, a.GetCredit().GetEvents(), a.GetReceived(), first.GetStampNs()
	s.hinted = time.Time{}
	s.visibility = cmp.Or(duration(a.GetVisibilityMs()), q.visibility)
	var held []*freshetv1.Leased
	for _, offset := range slices.Sorted(maps.Keys(q.leases)) {
		l := q.leases[offset]
		if l.session != s {
			continue
		}
		if l.delivery > a.GetReceived() {
			q.giveBack(offset, false, 0, 0, "")
			continue
		}
		held = append(held, &freshetv1.Leased{Delivery: l.delivery, Runs: []*freshetv1.OffsetRun{{First: offset, Count: 1}}})
	}
	out.put(&freshetv1.ConsumeResponse{Response: &freshetv1.ConsumeResponse_Attached{Attached: &freshetv1.Attached{
		Resumed: resumed, VisibilityMs: millis(s.visibility), Settled: s.settled, Kind: q.kind, Held: held, Ordered: q.ordered,
		AnswersPings: true,
	}}})
	return s
}

// converse does what a consumer says.
func (n *fakeNode) converse(stream freshetv1.ConsumeService_ConsumeServer, q *fakeQueue, s *fakeSession, out *fakeStream) error {
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		n.mu.Lock()
		if s.stream != out || q.sessions[s.id] != s {
			n.mu.Unlock()
			return (&Error{Code: CodeSessionLost, Message: "another connection has the session"}).GRPCStatus().Err()
		}
		s.stamp = m.GetStampNs()
		var fault fakeFault
		switch r := m.GetRequest().(type) {
		case nil:
			out.put(&freshetv1.ConsumeResponse{})
		case *freshetv1.ConsumeRequest_Credit:
			s.credit, s.hinted = r.Credit.GetEvents(), time.Time{}
			out.credits++
			out.put(&freshetv1.ConsumeResponse{Response: &freshetv1.ConsumeResponse_Credited{Credited: &freshetv1.Credited{Credits: out.credits}}})
		case *freshetv1.ConsumeRequest_Settle:
			if n.settleFault != nil {
				fault = n.settleFault(r.Settle)
			}
			if !fault.breakBefore {
				answer := &freshetv1.Settled{Sequence: r.Settle.GetSequence(), Error: fault.refuse}
				if fault.refuse == nil {
					answer.Epoch = n.mu.epoch + 1
					answer.Lost, answer.Error = q.settle(s, r.Settle)
				}
				if !fault.breakAfter {
					out.put(&freshetv1.ConsumeResponse{Response: &freshetv1.ConsumeResponse_Settled{Settled: answer}})
				}
			}
		case *freshetv1.ConsumeRequest_Close:
			for _, u := range r.Close.GetUnstarted() {
				q.decide(s, u, func(offset uint64) { q.giveBack(offset, false, 0, 0, "") })
			}
			for offset, l := range maps.Clone(q.leases) {
				if l.session == s {
					q.giveBack(offset, l.delivery <= r.Close.GetReceived(), 0, freshetv1.DeadReason_DEAD_REASON_RELEASED, "")
				}
			}
			q.forget(s.id)
			q.assign(n)
			n.mu.Unlock()
			return nil
		}
		q.assign(n)
		n.mu.Unlock()
		if fault.breakBefore || fault.breakAfter {
			n.breakAll()
			return errFakeBreak
		}
	}
}

// settle does what a Settle says, once.
func (q *fakeQueue) settle(s *fakeSession, r *freshetv1.Settle) (lost []*freshetv1.Leased, refused *freshetv1.Error) {
	switch r.GetSequence() {
	case s.settled:
		return s.answer, nil
	case s.settled + 1:
	default:
		return nil, wireFault(freshetv1.ErrorCode_ERROR_CODE_ARGUMENT_REFUSED, false, false,
			fmt.Sprintf("settle.sequence %d after %d", r.GetSequence(), s.settled))
	}
	decide := func(l *freshetv1.Leased, do func(offset uint64)) { lost = append(lost, q.decide(s, l, do)...) }
	for _, l := range r.GetAcks() {
		decide(l, q.ack)
	}
	for _, e := range r.GetExtends() {
		by := cmp.Or(duration(e.GetVisibilityMs()), s.visibility)
		extend := func(l *fakeLease) {
			l.deadline = time.Now().Add(by)
			if last := l.began.Add(leaseLongest); last.Before(l.deadline) {
				l.deadline = last
			}
		}
		if len(e.GetLeased()) == 0 {
			for _, l := range q.leases {
				if l.session == s {
					extend(l)
				}
			}
		}
		for _, l := range e.GetLeased() {
			decide(l, func(offset uint64) { extend(q.leases[offset]) })
		}
	}
	for _, rel := range r.GetReleases() {
		decide(rel.GetLeased(), func(offset uint64) {
			q.giveBack(offset, !rel.GetUnstarted(), duration(rel.GetAfterMs()), freshetv1.DeadReason_DEAD_REASON_RELEASED, rel.GetReason())
		})
	}
	for _, rej := range r.GetRejects() {
		decide(rej.GetLeased(), func(offset uint64) {
			delete(q.leases, offset)
			q.tries[offset]++
			q.dead[offset], q.detail[offset] = freshetv1.DeadReason_DEAD_REASON_REJECTED, rej.GetReason()
		})
	}
	s.settled, s.answer = r.GetSequence(), lost
	return lost, nil
}

// decide does something with the leases that are named and held, and returns the others.
func (q *fakeQueue) decide(s *fakeSession, named *freshetv1.Leased, do func(offset uint64)) (lost []*freshetv1.Leased) {
	for _, r := range named.GetPositions() {
		for at := r.GetFirst(); at < r.GetFirst()+r.GetCount(); at++ {
			offset := fakeNowhere
			if listed := s.listed[named.GetDelivery()]; int(at) < len(listed) {
				offset = listed[at]
			}
			if l := q.leases[offset]; l != nil && l.session == s && l.delivery == named.GetDelivery() {
				do(offset)
			} else {
				lost = append(lost, &freshetv1.Leased{Delivery: named.GetDelivery(), Positions: []*freshetv1.PositionRun{{First: at, Count: 1}}})
			}
		}
	}
	for _, r := range named.GetRuns() {
		for offset := r.GetFirst(); offset < r.GetFirst()+uint64(r.GetCount()); offset++ {
			if l := q.leases[offset]; l != nil && l.session == s && l.delivery == named.GetDelivery() {
				do(offset)
			} else {
				lost = append(lost, &freshetv1.Leased{Delivery: named.GetDelivery(), Runs: []*freshetv1.OffsetRun{{First: offset, Count: 1}}})
			}
		}
	}
	return lost
}

// holds tells whether an event is under the lease of that epoch.
func (n *fakeNode) holds(q *fakeQueue, offset, epoch uint64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := q.leases[offset]
	return l != nil && l.epoch == epoch && time.Now().Before(l.deadline)
}

// look runs with the node's state at rest.
func (n *fakeNode) look(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
}

// Receive leases once, with a long poll.
func (n *fakeNode) Receive(ctx context.Context, r *freshetv1.ReceiveRequest) (*freshetv1.ReceiveResponse, error) {
	until := time.Now().Add(duration(r.GetWaitMs()))
	for {
		n.mu.Lock()
		q, err := n.queueOf(r.GetTopic(), r.GetSubscription(), r.GetMember())
		if err != nil {
			n.mu.Unlock()
			return nil, err
		}
		if events := min(int(r.GetMaxEvents()), len(q.ready)); events > 0 {
			d := q.grant(n, nil, events, cmp.Or(duration(r.GetVisibilityMs()), q.visibility))
			n.mu.Unlock()
			response := &freshetv1.ReceiveResponse{Delivery: d}
			for _, run := range d.GetEvents() {
				for i := range run.GetCount() {
					response.Receipts = append(response.Receipts, fmt.Sprintf("%s/%s:%d:%d", r.GetTopic(), r.GetSubscription(), run.GetFirst()+uint64(i), d.GetEpoch()))
				}
			}
			return response, nil
		}
		appended := q.topic.appended
		n.mu.Unlock()
		left := time.Until(until)
		if left <= 0 {
			return &freshetv1.ReceiveResponse{}, nil
		}
		select {
		case <-appended:
		case <-time.After(min(left, 100*time.Millisecond)):
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}
}

// byReceipt does something with each lease that is named.
func (n *fakeNode) byReceipt(receipts []string, do func(q *fakeQueue, offset uint64)) (*freshetv1.SettleResponse, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	response := &freshetv1.SettleResponse{}
	for i, receipt := range receipts {
		var offset, epoch uint64
		full, rest, _ := cutReceipt(receipt)
		if _, err := fmt.Sscanf(rest, "%d:%d", &offset, &epoch); err != nil || n.mu.queues[full] == nil {
			return nil, status.Error(codes.InvalidArgument, "not a receipt of the fake")
		}
		q := n.mu.queues[full]
		if l := q.leases[offset]; l == nil || l.epoch != epoch {
			response.Lost = append(response.Lost, uint32(i))
			continue
		}
		do(q, offset)
	}
	return response, nil
}

func cutReceipt(receipt string) (full, rest string, ok bool) {
	for i := range receipt {
		if receipt[i] == ':' {
			return receipt[:i], receipt[i+1:], true
		}
	}
	return "", "", false
}

func (n *fakeNode) Ack(_ context.Context, r *freshetv1.AckRequest) (*freshetv1.SettleResponse, error) {
	var fault fakeFault
	n.look(func() {
		if n.ackFault != nil {
			fault = n.ackFault(r)
		}
	})
	if fault.refuse != nil {
		return nil, errorOfProto(fault.refuse).GRPCStatus().Err()
	}
	response, err := n.byReceipt(r.GetReceipts(), (*fakeQueue).ack)
	if fault.breakAfter {
		n.breakAll()
		return nil, errFakeBreak
	}
	return response, err
}

func (n *fakeNode) Extend(_ context.Context, r *freshetv1.ExtendRequest) (*freshetv1.SettleResponse, error) {
	return n.byReceipt(r.GetReceipts(), func(q *fakeQueue, offset uint64) {
		q.leases[offset].deadline = time.Now().Add(duration(r.GetVisibilityMs()))
	})
}

func (n *fakeNode) Release(_ context.Context, r *freshetv1.ReleaseRequest) (*freshetv1.SettleResponse, error) {
	return n.byReceipt(r.GetReceipts(), func(q *fakeQueue, offset uint64) {
		q.giveBack(offset, true, duration(r.GetAfterMs()), freshetv1.DeadReason_DEAD_REASON_RELEASED, r.GetReason())
	})
}

func (n *fakeNode) Reject(_ context.Context, r *freshetv1.RejectRequest) (*freshetv1.SettleResponse, error) {
	return n.byReceipt(r.GetReceipts(), func(q *fakeQueue, offset uint64) {
		delete(q.leases, offset)
		q.tries[offset]++
		q.dead[offset], q.detail[offset] = freshetv1.DeadReason_DEAD_REASON_REJECTED, r.GetReason()
	})
}
