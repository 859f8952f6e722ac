package broker

import (
	"context"
	"slices"

	"google.golang.org/grpc"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

const (
	// deadListDefault is how many dead letters an answer lists unless the request says otherwise.
	deadListDefault = 100
	// deadListBytes is when an answer has enough, whatever the request says: dead letters may be large.
	deadListBytes = 4 << 20
	// deadListStep is how many are read at a time, which bounds what is read and not sent.
	deadListStep = 4
	// deadListLooks is after how many steps that found few an answer ends all the same, so that who filters strictly hears of it.
	deadListLooks = 250
	// redriveDefault is how many a request redrives unless it says otherwise, and redriveOffsetsMax how many offsets it names.
	redriveDefault    = 1_000
	redriveOffsetsMax = 1_000
)

// deadRequest is what listing and redriving have in common.
type deadRequest interface {
	GetTopic() string
	GetSubscription() string
	GetMember() string
	GetFromOffset() uint64
	GetReason() freshetv1.DeadReason
	GetPattern() string
	GetKey() string
}

// deadFilter resolves whose dead letters a request means, and which.
func (s *adminService) deadFilter(ctx context.Context, a action, req deadRequest) (sub catalog.Subscription, f partition.DeadFilter, err error) {
	if sub, err = s.subscription(ctx, a, req.GetTopic(), req.GetSubscription()); err != nil {
		return sub, f, err
	}
	f = partition.DeadFilter{Reason: partition.DeadReason(req.GetReason()), Key: req.GetKey()}
	if f.Cursor, err = cursorOf(sub, "member", req.GetMember()); err != nil {
		return sub, f, err
	}
	if _, known := freshetv1.DeadReason_name[int32(req.GetReason())]; !known {
		return sub, f, argumentRefused("reason", "is %d, which stands for nothing", int32(req.GetReason()))
	}
	if text := req.GetPattern(); text != "" {
		if f.Pattern, err = parsePattern("pattern", text); err != nil {
			return sub, f, err
		}
	}
	return sub, f, nil
}

// deadIn returns the partitions in which a request's dead letters may be, by number, from the one on that it begins with if it names one; and the offset to begin
// with in the first. A request that was passed on is about the one that it names.
func (s *adminService) deadIn(ctx context.Context, sub catalog.Subscription, req deadRequest, begin *uint32) (in []hosted, from partition.Offset) {
	for _, p := range s.partitions.holding(s.topicOf(sub)) {
		if begin != nil && (p.number < *begin || passedOn(ctx) && p.number > *begin) {
			continue
		}
		if len(in) == 0 && (begin == nil || p.number == *begin) {
			from = partition.Offset(req.GetFromOffset())
		}
		in = append(in, p)
	}
	return in, from
}

// ListDeadLetters lists what a subscription could not deliver, as the leaders of the partitions have it.
func (s *adminService) ListDeadLetters(ctx context.Context, req *freshetv1.ListDeadLettersRequest) (*freshetv1.ListDeadLettersResponse, error) {
	sub, filter, err := s.deadFilter(ctx, actionRead, req)
	if err != nil {
		return nil, err
	}
	limit, err := listLimit(req.GetMax(), deadListDefault)
	if err != nil {
		return nil, err
	}
	in, from := s.deadIn(ctx, sub, req, req.FromPartition)
	list := &deadList{res: &freshetv1.ListDeadLettersResponse{}, limit: limit}
	for i, p := range in {
		filter.From = 0
		if i == 0 {
			filter.From = from
		}
		if err := s.listDeadIn(ctx, list, p, sub, req, filter); err != nil {
			return nil, err
		}
		if list.res.GetMore() {
			break
		}
		if i+1 < len(in) && list.full() {
			list.res.More, list.res.NextPartition, list.res.NextOffset = true, in[i+1].number, 0
			break
		}
	}
	return list.res, nil
}

// listDeadIn has a partition's leader list its dead letters, as far as there is room.
func (s *adminService) listDeadIn(ctx context.Context, list *deadList, p hosted, sub catalog.Subscription, req *freshetv1.ListDeadLettersRequest, filter partition.DeadFilter) error {
	_, err := atLeader(ctx, s.services, p, func() (*freshetv1.ListDeadLettersResponse, error) {
		if err := leadsStill(ctx, p); err != nil || !isMember(p, sub, req.GetMember()) { // who was never here has given nothing up
			return nil, err
		}
		return nil, list.add(ctx, p, filter)
	}, func(to grpc.ClientConnInterface) (*freshetv1.ListDeadLettersResponse, error) {
		part, err := freshetv1.NewAdminServiceClient(to).ListDeadLetters(ctx, &freshetv1.ListDeadLettersRequest{
			Topic: req.GetTopic(), Subscription: req.GetSubscription(), Member: req.GetMember(), Reason: req.GetReason(), Pattern: req.GetPattern(), Key: req.GetKey(),
			FromPartition: &p.number, FromOffset: uint64(filter.From), Max: uint32(list.limit - len(list.res.GetLetters())),
		})
		if err == nil {
			list.join(part)
		}
		return nil, err
	})
	return err
}

// deadList is an answer in the making.
type deadList struct {
	res                 *freshetv1.ListDeadLettersResponse
	limit, bytes, looks int
}

func (l *deadList) full() bool {
	return len(l.res.GetLetters()) >= l.limit || l.bytes >= deadListBytes || l.looks >= deadListLooks
}

// add lists a partition's, as far as there is room.
func (l *deadList) add(ctx context.Context, p hosted, filter partition.DeadFilter) error {
	for ; !l.full(); l.looks++ {
		page, err := p.DeadLetters(ctx, filter, min(deadListStep, l.limit-len(l.res.GetLetters())))
		if err != nil {
			return err
		}
		for i := range page.Letters {
			l.res.Letters = append(l.res.Letters, wireDeadLetter(p.number, &page.Letters[i]))
			l.bytes += len(page.Letters[i].Block)
		}
		filter.From = page.Next
		if l.res.More, l.res.NextPartition, l.res.NextOffset = page.More, p.number, uint64(page.Next); !page.More {
			l.res.NextPartition, l.res.NextOffset = 0, 0
			return nil
		}
	}
	return nil
}

// join adds what another node has listed of a partition.
func (l *deadList) join(part *freshetv1.ListDeadLettersResponse) {
	l.res.Letters = append(l.res.Letters, part.GetLetters()...)
	for _, letter := range part.GetLetters() {
		l.bytes += len(letter.GetBlock())
	}
	l.res.More, l.res.NextPartition, l.res.NextOffset = part.GetMore(), part.GetNextPartition(), part.GetNextOffset()
}

func wireDeadLetter(number uint32, l *partition.DeadLetter) *freshetv1.DeadLetter {
	return &freshetv1.DeadLetter{
		Partition: number, Offset: uint64(l.Offset), Reason: freshetv1.DeadReason(l.Reason), Detail: l.Detail,
		Attempts: uint32(l.Attempts), DiedMs: l.Died.UnixMilli(), Block: l.Block,
	}
}

// RedriveDeadLetters makes dead letters ready again, partition by partition.
func (s *adminService) RedriveDeadLetters(ctx context.Context, req *freshetv1.RedriveDeadLettersRequest) (*freshetv1.RedriveDeadLettersResponse, error) {
	sub, filter, err := s.deadFilter(ctx, actionManage, req)
	if err != nil {
		return nil, err
	}
	command := partition.RedriveCommand{DeadFilter: filter, Max: int(req.GetMax()), DryRun: req.GetDryRun()}
	switch n := len(req.GetOffsets()); {
	case command.Max == 0:
		command.Max = redriveDefault
	case command.Max > partition.RedriveMax:
		return nil, limitExceeded("max", partition.RedriveMax, int64(req.GetMax()), "")
	case n > redriveOffsetsMax:
		return nil, limitExceeded("offsets", redriveOffsetsMax, int64(n), "")
	}
	for _, at := range slices.Compact(slices.Sorted(slices.Values(req.GetOffsets()))) {
		command.Runs = append(command.Runs, partition.Run{First: partition.Offset(at), Count: 1})
	}
	in, from := s.deadIn(ctx, sub, req, req.FromPartition)
	if len(command.Runs) > 0 { // offsets are one partition's
		p, err := s.deadOffsetsIn(sub, req.FromPartition)
		if err != nil {
			return nil, err
		}
		in = []hosted{p}
	}
	res := &freshetv1.RedriveDeadLettersResponse{}
	for i, p := range in {
		command.From = 0
		if i == 0 {
			command.From = from
		}
		one, err := s.redriveIn(ctx, p, sub, req, command)
		if err != nil && res.GetRedriven() > 0 && undone(err) {
			// What was done is told, and whoever goes on hears of the trouble, if it is still there.
			res.More, res.NextPartition, res.NextOffset = true, p.number, uint64(command.From)
			return res, nil
		}
		if err != nil {
			return nil, s.partly(int(res.GetRedriven()), int(res.GetRedriven())+command.Max, "dead letters are redriven", err)
		}
		res.Redriven += one.GetRedriven()
		res.Planned = append(res.Planned, one.GetPlanned()...)
		command.Max -= int(one.GetRedriven())
		switch {
		case one.GetMore():
			res.More, res.NextPartition, res.NextOffset = true, p.number, one.GetNextOffset()
			return res, nil
		case command.Max == 0 && i+1 < len(in):
			res.More, res.NextPartition = true, in[i+1].number
			return res, nil
		}
	}
	return res, nil
}

// deadOffsetsIn is the partition whose offsets a request names.
func (s *adminService) deadOffsetsIn(sub catalog.Subscription, number *uint32) (hosted, error) {
	topic := s.topicOf(sub)
	if number == nil && len(topic.Partitions) > 1 {
		return hosted{}, argumentRefused("from_partition", "is missing; topic %q is on %d partitions, so with offsets it is required", topic.Name, len(topic.Partitions))
	}
	return s.partitionOf(topic, number)
}

// redriveIn redrives a partition's dead letters, at its leader.
func (s *adminService) redriveIn(ctx context.Context, p hosted, sub catalog.Subscription, req *freshetv1.RedriveDeadLettersRequest, command partition.RedriveCommand) (*freshetv1.RedriveDeadLettersResponse, error) {
	return atLeader(ctx, s.services, p, func() (*freshetv1.RedriveDeadLettersResponse, error) {
		if err := leadsStill(ctx, p); err != nil {
			return nil, err
		}
		if !isMember(p, sub, req.GetMember()) { // who was never here has given nothing up
			return &freshetv1.RedriveDeadLettersResponse{}, nil
		}
		done, err := p.Redrive(ctx, command)
		res := &freshetv1.RedriveDeadLettersResponse{Redriven: uint32(done.Events), More: done.More, NextOffset: uint64(done.Next)}
		if len(done.Planned) > 0 {
			res.Planned = []*freshetv1.DeadOffsets{{Partition: p.number, Runs: wireRuns(done.Planned)}}
		}
		return res, err
	}, func(to grpc.ClientConnInterface) (*freshetv1.RedriveDeadLettersResponse, error) {
		return freshetv1.NewAdminServiceClient(to).RedriveDeadLetters(ctx, &freshetv1.RedriveDeadLettersRequest{
			Topic: req.GetTopic(), Subscription: req.GetSubscription(), Member: req.GetMember(), Reason: req.GetReason(), Pattern: req.GetPattern(), Key: req.GetKey(),
			FromPartition: &p.number, FromOffset: uint64(command.From), Max: uint32(command.Max), Offsets: req.GetOffsets(), DryRun: req.GetDryRun(),
		})
	})
}

func wireRuns(runs []partition.Run) []*freshetv1.OffsetRun {
	wire := make([]*freshetv1.OffsetRun, len(runs))
	for i, r := range runs {
		wire[i] = &freshetv1.OffsetRun{First: uint64(r.First), Count: r.Count}
	}
	return wire
}
