package client

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Redrive makes dead letters of a subscription ready again, partition by partition in the order of their offsets, and their attempts begin anew. It
// returns how many they were, also with an error: what was redriven before stays so. member is as for DeadLetters.
//
// It goes step by step: a node says which letters the next ones are, and is then asked for just these. So a request whose answer is lost is made again, and
// does no more than the first would have. Those of such a request count as redriven by this call, whoever did it.
func (a *Admin) Redrive(ctx context.Context, topicSlashSub, member string, options ...DeadLetterOption) (redriven int, err error) {
	name, err := parseSubscription(topicSlashSub)
	choice, refused := deadChoice(options)
	if err = cmp.Or(err, refused); err != nil {
		return 0, err
	}
	name.member = member
	r := redriving{admin: a, name: name, choice: &choice}
	if choice.offsets == nil {
		err = r.from(ctx, choice.fromPartition, choice.from, nil)
		return r.redriven, err
	}
	for _, partition := range slices.Sorted(maps.Keys(choice.offsets)) {
		if r.enough() {
			break
		}
		if err := r.from(ctx, &partition, 0, choice.offsets[partition]); err != nil {
			return r.redriven, err
		}
	}
	return r.redriven, nil
}

// redriving is one call of Redrive.
type redriving struct {
	admin    *Admin
	name     subscriptionName
	choice   *deadLetterChoice
	redriven int
}

func (r *redriving) enough() bool { return r.choice.most > 0 && r.redriven >= r.choice.most }

// from redrives what is meant from a place on; or that of the place's partition at offsets.
func (r *redriving) from(ctx context.Context, partition *uint32, from uint64, offsets []uint64) error {
	request := &freshetv1.RedriveDeadLettersRequest{
		Topic: r.name.topic, Subscription: r.name.subscription, Member: r.name.member, FromPartition: partition, FromOffset: from,
		Reason: freshetv1.DeadReason(r.choice.reason), Pattern: r.choice.pattern, Key: r.choice.key, Offsets: offsets, DryRun: true,
	}
	for !r.enough() {
		request.Max = uint32(r.step())
		plan, err := r.admin.client.admin.RedriveDeadLetters(ctx, request)
		if err != nil {
			return errorOf(ctx, err)
		}
		n := int(plan.GetRedriven())
		if !r.choice.dryRun {
			if n, err = r.carryOut(ctx, plan.GetPlanned()); err != nil {
				return err
			}
		}
		if r.choice.dryRun {
			r.redriven += n
		}
		if !plan.GetMore() {
			return nil
		}
		request.FromPartition, request.FromOffset = new(plan.GetNextPartition()), plan.GetNextOffset()
		if r.choice.rate > 0 && n > 0 && !r.choice.dryRun {
			if err := pauseFor(ctx, time.Duration(float64(n)/r.choice.rate*float64(time.Second))); err != nil {
				return err
			}
		}
	}
	return nil
}

// step is how many letters come next, at most.
func (r *redriving) step() int {
	step := redriveStep
	if r.choice.rate > 0 && !r.choice.dryRun { // a tenth of a second's worth at a time
		step = min(step, max(1, int(r.choice.rate/10)))
	}
	if r.choice.most > 0 {
		step = min(step, r.choice.most-r.redriven)
	}
	return step
}

// carryOut redrives planned letters, and says how many.
func (r *redriving) carryOut(ctx context.Context, planned []*freshetv1.DeadOffsets) (redriven int, err error) {
	for _, part := range planned {
		n, err := r.carryOutIn(ctx, part.GetPartition(), offsetList(part.GetRuns()))
		redriven += n
		r.redriven += n
		if err != nil {
			return redriven, err
		}
	}
	return redriven, nil
}

func (r *redriving) carryOutIn(ctx context.Context, partition uint32, offsets []uint64) (redriven int, err error) {
	for {
		lost := false
		response, err := r.admin.client.admin.RedriveDeadLetters(ctx, &freshetv1.RedriveDeadLettersRequest{
			Topic: r.name.topic, Subscription: r.name.subscription, Member: r.name.member, FromPartition: &partition, Offsets: offsets,
			Max: uint32(len(offsets)), Reason: freshetv1.DeadReason(r.choice.reason),
		}, lostAnswer{lost: &lost})
		switch {
		case err != nil:
			return redriven, errorOf(ctx, err)
		case lost && !response.GetMore():
			return len(offsets), nil // all were dead letters before, and none is now
		}
		redriven += int(response.GetRedriven())
		if !response.GetMore() {
			return redriven, nil
		}
	}
}

func offsetList(runs []*freshetv1.OffsetRun) (offsets []uint64) {
	for _, run := range runs {
		for i := range uint64(run.GetCount()) {
			offsets = append(offsets, run.GetFirst()+i)
		}
	}
	return offsets
}
