package broker

import (
	"context"
	"slices"

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

// deadFilter resolves whose dead letters a request means, and which. joined is false for a member that never was there: it has given nothing up.
func (s *adminService) deadFilter(ctx context.Context, a action, req deadRequest) (p hosted, f partition.DeadFilter, joined bool, err error) {
	sub, err := s.subscription(ctx, a, req.GetTopic(), req.GetSubscription())
	if err != nil {
		return hosted{}, partition.DeadFilter{}, false, err
	}
	f = partition.DeadFilter{From: partition.Offset(req.GetFromOffset()), Reason: partition.DeadReason(req.GetReason()), Key: req.GetKey()}
	if f.Cursor, err = cursorOf(sub, "member", req.GetMember()); err != nil {
		return hosted{}, partition.DeadFilter{}, false, err
	}
	if _, known := freshetv1.DeadReason_name[int32(req.GetReason())]; !known {
		return hosted{}, partition.DeadFilter{}, false, argumentRefused("reason", "is %d, which stands for nothing", int32(req.GetReason()))
	}
	if text := req.GetPattern(); text != "" {
		if f.Pattern, err = parsePattern("pattern", text); err != nil {
			return hosted{}, partition.DeadFilter{}, false, err
		}
	}
	if p, err = s.home(sub); err != nil {
		return hosted{}, partition.DeadFilter{}, false, err
	}
	return p, f, isMember(p, sub, f.Cursor.Member), nil
}

// ListDeadLetters lists what a subscription could not deliver.
func (s *adminService) ListDeadLetters(ctx context.Context, req *freshetv1.ListDeadLettersRequest) (*freshetv1.ListDeadLettersResponse, error) {
	p, filter, joined, err := s.deadFilter(ctx, actionRead, req)
	if err != nil {
		return nil, err
	}
	limit, err := listLimit(req.GetMax(), deadListDefault)
	if err != nil {
		return nil, err
	}
	res := &freshetv1.ListDeadLettersResponse{}
	if !joined {
		return res, nil
	}
	for bytes, looks := 0, 0; len(res.Letters) < limit && bytes < deadListBytes && looks < deadListLooks; looks++ {
		page, err := p.DeadLetters(ctx, filter, min(deadListStep, limit-len(res.Letters)))
		if err != nil {
			return nil, err
		}
		for i := range page.Letters {
			res.Letters = append(res.Letters, wireDeadLetter(p.number, &page.Letters[i]))
			bytes += len(page.Letters[i].Block)
		}
		filter.From = page.Next
		if res.More, res.NextOffset = page.More, uint64(page.Next); !page.More {
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

// RedriveDeadLetters makes dead letters ready again.
func (s *adminService) RedriveDeadLetters(ctx context.Context, req *freshetv1.RedriveDeadLettersRequest) (*freshetv1.RedriveDeadLettersResponse, error) {
	p, filter, joined, err := s.deadFilter(ctx, actionManage, req)
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
	if !joined {
		return &freshetv1.RedriveDeadLettersResponse{}, nil
	}
	done, err := p.Redrive(ctx, command)
	if err != nil {
		return nil, err
	}
	return &freshetv1.RedriveDeadLettersResponse{Redriven: uint32(done.Events), More: done.More, NextOffset: uint64(done.Next)}, nil
}
