package broker

import (
	"context"

	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// leaderless are a publishing stream's blocks for a partition that nobody leads: they wait for a leader as long as a call would, and the blocks of other
// partitions go by. Those of the same partition line up behind, so their order stays. All of them count for the stream's room, which bounds
// how many there are; when it is used up the stream stands still, until the wait ends.
//
//	receive ──▶ admit ──┬─ somebody waits for the partition ──▶ behind it ─┐
//	                    ├─ nobody leads it ──▶ leaderless ─────────────────┴── led, or 3 s are over ──┐
//	                    └─ led ───────────────────────────────────────────────────────────────────────┴──▶ dispatch
type leaderless struct {
	to     hosted
	blocks []admitted
}

// admitted is a block that may be stored.
type admitted struct {
	req    *freshetv1.PublishRequest
	pub    partition.Publication
	weight blockWeight
}

// takeTurn lets one goroutine at a time hand blocks on: receive's, or one that has waited for a leader. No mutex, since whoever has it may wait for a partition.
func (p *publishing) takeTurn() { p.turn <- struct{}{} }
func (p *publishing) endTurn()  { <-p.turn }

// await puts a block behind those that wait for the partition's leader, and begins to wait where it is the first. The caller has the turn.
func (p *publishing) await(ctx context.Context, to hosted, block admitted) {
	w := p.waits[to.number]
	if w == nil {
		w = &leaderless{to: to}
		p.waits[to.number] = w
		p.underWay.Go(func() { p.waitForLeader(ctx, w) })
	}
	w.blocks = append(w.blocks, block)
}

// waitForLeader hands the blocks on once their partition is led, or refuses them when it isn't for too long.
func (p *publishing) waitForLeader(ctx context.Context, w *leaderless) {
	elsewhere, err := p.service.lead(ctx, w.to)
	p.takeTurn()
	defer p.endTurn()
	delete(p.waits, w.to.number)
	for _, block := range w.blocks {
		why := err
		if why == nil {
			why = p.dispatch(ctx, w.to, elsewhere, block)
		}
		if why != nil {
			p.refuse(block.req, p.service.life.ended(ctx, why), block.weight)
		}
	}
}
