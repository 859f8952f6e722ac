package broker

import (
	"fmt"
	"math"
	"slices"

	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// settleCommand checks what a consumer says of its events. Its decisions are in the order in which they are to be done.
func settleCommand(m *freshetv1.Settle) (partition.SettleCommand, error) {
	c := partition.SettleCommand{Sequence: m.GetSequence(), Received: m.GetReceived()}
	if c.Sequence == 0 {
		return c, argumentRefused("settle.sequence", "is 0; sequences are 1, 2, 3, ...")
	}
	budget := new(runBudget)
	if len(m.GetAcks()) > 0 {
		acks, err := leasedList("settle.acks", m.GetAcks(), budget)
		if err != nil {
			return c, err
		}
		c.Decisions = append(c.Decisions, partition.Decision{Verb: partition.VerbAck, Leased: acks})
	}
	last := lastOfAll(m.GetExtends())
	for i, e := range m.GetExtends() {
		field := fmt.Sprintf("settle.extends[%d]", i)
		d := partition.Decision{Verb: partition.VerbExtend}
		var err error
		if d.After, err = delayOf(field+".visibility_ms", e.GetVisibilityMs()); err != nil {
			return c, err
		}
		if len(e.GetLeased()) == 0 {
			err = budget.take(1)
		} else {
			d.Leased, err = leasedList(field+".leased", e.GetLeased(), budget)
		}
		if err != nil {
			return c, err
		}
		if len(d.Leased) > 0 || i == last {
			c.Decisions = append(c.Decisions, d)
		}
	}
	for i, r := range m.GetReleases() {
		d := partition.Decision{Verb: partition.VerbRelease, Unstarted: r.GetUnstarted()}
		if err := givenBack(fmt.Sprintf("settle.releases[%d]", i), r.GetLeased(), r.GetAfterMs(), r.GetReason(), budget, &d); err != nil {
			return c, err
		}
		c.Decisions = append(c.Decisions, d)
	}
	for i, r := range m.GetRejects() {
		d := partition.Decision{Verb: partition.VerbReject}
		if err := givenBack(fmt.Sprintf("settle.rejects[%d]", i), r.GetLeased(), 0, r.GetReason(), budget, &d); err != nil {
			return c, err
		}
		c.Decisions = append(c.Decisions, d)
	}
	return c, nil
}

// lastOfAll returns the position of the last extend of everything that the session holds, or -1. Earlier ones come to nothing, and each would be
// work for every lease in the machine.
func lastOfAll(extends []*freshetv1.Extend) int {
	for i, e := range slices.Backward(extends) {
		if len(e.GetLeased()) == 0 {
			return i
		}
	}
	return -1
}

// givenBack checks a release or a reject, and fills in the decision.
func givenBack(field string, leased *freshetv1.Leased, afterMs uint32, why string, budget *runBudget, d *partition.Decision) (err error) {
	if leased == nil {
		return argumentRefused(field+".leased", "is missing; it is required")
	}
	if d.Leased, err = leasedList(field+".leased", []*freshetv1.Leased{leased}, budget); err != nil {
		return err
	}
	if d.After, err = delayOf(field+".after_ms", afterMs); err != nil {
		return err
	}
	d.Reason, err = reasonOf(field+".reason", why)
	return err
}

// offsetMax bounds the offsets that anybody may name: entries have no room for larger ones.
const offsetMax = math.MaxInt64

// runBudget counts the runs of one request.
type runBudget struct{ taken int }

func (b *runBudget) take(n int) error {
	if b.taken += n; b.taken > partition.SettleRunsMax {
		return limitExceeded("settle", partition.SettleRunsMax, int64(b.taken), "runs")
	}
	return nil
}

// positionsMax bounds the positions that anybody may name, from 0 on: no delivery has so many events.
const positionsMax = 1 << 16

// leasedList checks which leased events a request names. A delivery without runs counts as one.
func leasedList(field string, list []*freshetv1.Leased, budget *runBudget) ([]partition.Leased, error) {
	out := make([]partition.Leased, 0, min(len(list), partition.SettleRunsMax))
	for i, l := range list {
		if err := budget.take(max(1, len(l.GetRuns())+len(l.GetPositions()))); err != nil {
			return nil, err
		}
		if l.GetDelivery() == 0 {
			return nil, argumentRefused(fmt.Sprintf("%s[%d].delivery", field, i), "is 0; deliveries are numbered from 1")
		}
		leased := partition.Leased{Delivery: l.GetDelivery()}
		if len(l.GetPositions()) > 0 {
			if len(l.GetRuns()) > 0 {
				return nil, argumentRefused(fmt.Sprintf("%s[%d].positions", field, i), "name events of a delivery whose runs name some too; either is enough")
			}
			var err error
			if leased.Runs, err = positionRuns(fmt.Sprintf("%s[%d].positions", field, i), l.GetPositions()); err != nil {
				return nil, err
			}
			leased.ByPosition = true
			out = append(out, leased)
			continue
		}
		leased.Runs = slices.Grow(leased.Runs, len(l.GetRuns()))
		for j, r := range l.GetRuns() {
			if r.GetCount() == 0 || r.GetFirst() > offsetMax {
				return nil, argumentRefused(fmt.Sprintf("%s[%d].runs[%d]", field, i, j), "has count %d from offset %d; it names no events", r.GetCount(), r.GetFirst())
			}
			leased.Runs = append(leased.Runs, partition.Run{First: partition.Offset(r.GetFirst()), Count: r.GetCount()})
		}
		out = append(out, leased)
	}
	return out, nil
}

// positionRuns checks runs of positions: in order, none named twice. How many events the delivery has is known where it is carried out: what lies
// beyond them is lost.
func positionRuns(field string, list []*freshetv1.PositionRun) ([]partition.Run, error) {
	runs := make([]partition.Run, len(list))
	next := uint64(0)
	for i, r := range list {
		first, end := uint64(r.GetFirst()), uint64(r.GetFirst())+uint64(r.GetCount())
		switch {
		case r.GetCount() == 0:
			return nil, argumentRefused(fmt.Sprintf("%s[%d]", field, i), "has count 0 from position %d; it names no events", first)
		case end > positionsMax:
			return nil, argumentRefused(fmt.Sprintf("%s[%d]", field, i), "has count %d from position %d; the last position is %d", r.GetCount(), first, positionsMax-1)
		case first < next:
			return nil, argumentRefused(fmt.Sprintf("%s[%d]", field, i), "begins at position %d, and the run before ends at %d; runs are in order, and none names what another does", first, next-1)
		}
		runs[i] = partition.Run{First: partition.Offset(first), Count: r.GetCount()}
		next = end
	}
	return runs, nil
}
