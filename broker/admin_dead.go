package broker

import (
	"context"

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
)

// ListDeadLetters lists what a subscription could not deliver.
func (s *adminService) ListDeadLetters(ctx context.Context, req *freshetv1.ListDeadLettersRequest) (*freshetv1.ListDeadLettersResponse, error) {
	sub, err := s.subscription(ctx, actionRead, req.GetTopic(), req.GetSubscription())
	if err != nil {
		return nil, err
	}
	cursor, err := cursorOf(sub, "member", req.GetMember())
	if err != nil {
		return nil, err
	}
	limit, err := listLimit(req.GetMax(), deadListDefault)
	if err != nil {
		return nil, err
	}
	p := s.partitions.of(sub)
	res := &freshetv1.ListDeadLettersResponse{}
	if !isMember(p, sub, cursor.Member) {
		return res, nil // a member that never joined has given nothing up
	}
	from, bytes := partition.Offset(req.GetFromOffset()), 0
	for len(res.Letters) < limit && bytes < deadListBytes {
		page, err := p.DeadLetters(ctx, partition.DeadFilter{Cursor: cursor, From: from}, min(deadListStep, limit-len(res.Letters)))
		if err != nil {
			return nil, err
		}
		for i := range page.Letters {
			res.Letters = append(res.Letters, wireDeadLetter(p.number, &page.Letters[i]))
			bytes += len(page.Letters[i].Block)
		}
		from = page.Next
		if res.More = page.More; !page.More {
			break
		}
	}
	return res, nil
}

func wireDeadLetter(number uint32, l *partition.DeadLetter) *freshetv1.DeadLetter {
	return &freshetv1.DeadLetter{
		Partition: number, Offset: uint64(l.Offset), Reason: freshetv1.DeadReason(l.Reason), Detail: l.Detail,
		Attempts: uint32(l.Attempts), DiedMs: l.Died.UnixMilli(), Block: l.Block,
	}
}
