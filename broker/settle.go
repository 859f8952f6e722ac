package broker

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Ack settles received events.
func (s *consumeService) Ack(ctx context.Context, req *freshetv1.AckRequest) (*freshetv1.SettleResponse, error) {
	return s.settleReceipts(ctx, req.GetReceipts(), partition.Decision{Verb: partition.VerbAck}, func(to freshetv1.ConsumeServiceClient, receipts []string) (*freshetv1.SettleResponse, error) {
		return to.Ack(ctx, &freshetv1.AckRequest{Receipts: receipts})
	})
}

// Extend moves received events' deadlines.
func (s *consumeService) Extend(ctx context.Context, req *freshetv1.ExtendRequest) (*freshetv1.SettleResponse, error) {
	if req.GetVisibilityMs() == 0 {
		return nil, outside("visibility_ms", 0, visibilityMin.Milliseconds(), visibilityMax.Milliseconds())
	}
	d, err := visibilityOf("visibility_ms", req.GetVisibilityMs())
	if err != nil {
		return nil, err
	}
	decision := partition.Decision{Verb: partition.VerbExtend, After: partition.Tick(d.Milliseconds())}
	return s.settleReceipts(ctx, req.GetReceipts(), decision, func(to freshetv1.ConsumeServiceClient, receipts []string) (*freshetv1.SettleResponse, error) {
		return to.Extend(ctx, &freshetv1.ExtendRequest{Receipts: receipts, VisibilityMs: req.GetVisibilityMs()})
	})
}

// Release gives received events back.
func (s *consumeService) Release(ctx context.Context, req *freshetv1.ReleaseRequest) (*freshetv1.SettleResponse, error) {
	after, err := delayOf("after_ms", req.GetAfterMs())
	if err != nil {
		return nil, err
	}
	why, err := reasonOf("reason", req.GetReason())
	if err != nil {
		return nil, err
	}
	decision := partition.Decision{Verb: partition.VerbRelease, After: after, Reason: why}
	return s.settleReceipts(ctx, req.GetReceipts(), decision, func(to freshetv1.ConsumeServiceClient, receipts []string) (*freshetv1.SettleResponse, error) {
		return to.Release(ctx, &freshetv1.ReleaseRequest{Receipts: receipts, AfterMs: req.GetAfterMs(), Reason: req.GetReason()})
	})
}

// Reject makes received events dead letters.
func (s *consumeService) Reject(ctx context.Context, req *freshetv1.RejectRequest) (*freshetv1.SettleResponse, error) {
	why, err := reasonOf("reason", req.GetReason())
	if err != nil {
		return nil, err
	}
	decision := partition.Decision{Verb: partition.VerbReject, Reason: why}
	return s.settleReceipts(ctx, req.GetReceipts(), decision, func(to freshetv1.ConsumeServiceClient, receipts []string) (*freshetv1.SettleResponse, error) {
		return to.Reject(ctx, &freshetv1.RejectRequest{Receipts: receipts, Reason: req.GetReason()})
	})
}

// settleReceipts carries a decision out for each receipt. All of them are looked at before anything is done, so one that isn't a receipt
// refuses the call and changes nothing; one whose lease is over is answered as lost (P6). Each partition's are settled by its leader, with there where that is
// another node.
func (s *consumeService) settleReceipts(ctx context.Context, texts []string, d partition.Decision,
	there func(freshetv1.ConsumeServiceClient, []string) (*freshetv1.SettleResponse, error),
) (*freshetv1.SettleResponse, error) {
	switch n := len(texts); {
	case n == 0:
		return nil, argumentRefused("receipts", "is empty; 1 to %d are settled at a time", partition.ReceiptsMax)
	case n > partition.ReceiptsMax:
		return nil, limitExceeded("receipts", partition.ReceiptsMax, int64(n), "")
	}
	shares, err := s.openReceipts(ctx, texts)
	if err != nil {
		return nil, err
	}
	failed := make([]error, len(shares))
	lost := make([][]uint32, len(shares))
	var settling errgroup.Group
	settling.SetLimit(sharesAtOnce)
	for i, share := range shares {
		settling.Go(func() error {
			lost[i], failed[i] = atLeader(ctx, s.services, share.at, func() ([]uint32, error) { return share.at.Return(ctx, d, share.receipts) },
				func(to grpc.ClientConnInterface) ([]uint32, error) {
					answer, err := there(freshetv1.NewConsumeServiceClient(to), share.texts)
					return answer.GetLost(), err
				})
			return nil // the others are settled all the same
		})
	}
	_ = settling.Wait() // failed has what became of each
	return s.settled(shares, lost, failed)
}

// sharesAtOnce is how many partitions one call settles at a time.
const sharesAtOnce = 8

// settled puts together what became of each partition's share.
func (s *consumeService) settled(shares []*share, lost [][]uint32, failed []error) (*freshetv1.SettleResponse, error) {
	res, done, all := &freshetv1.SettleResponse{}, 0, 0
	var failure error
	for i, share := range shares {
		all += len(share.receipts)
		if failed[i] != nil {
			if failure == nil || undone(failure) && !undone(failed[i]) { // what may have been done is told before what was not
				failure = failed[i]
			}
			continue
		}
		done += len(share.receipts)
		for _, at := range lost[i] {
			if int(at) >= len(share.positions) {
				return nil, fmt.Errorf("partition %d has lost receipt %d of %d", share.at.number, at, len(share.positions))
			}
			res.Lost = append(res.Lost, share.positions[at])
		}
	}
	if failure != nil {
		return nil, s.partly(done, all, "receipts are settled", failure)
	}
	slices.Sort(res.Lost)
	return res, nil
}

// share is one partition's part of a call's receipts.
type share struct {
	at       hosted
	receipts []partition.Receipt
	texts    []string
	// positions of the receipts in the request.
	positions []uint32
}

// openReceipts reads receipts and sorts them by partition. The caller must be allowed to consume what they are of.
func (s *consumeService) openReceipts(ctx context.Context, texts []string) ([]*share, error) {
	var shares []*share
	allowed := map[partition.SubscriptionID]bool{}
	for i, text := range texts {
		r, ok := s.sealer.open(text)
		if !ok {
			return nil, receiptRefused(fmt.Sprintf("receipts[%d]", i))
		}
		if id := r.Cursor.Subscription; !allowed[id] {
			sub, known := s.metadata.view().SubscriptionByID(uint64(id))
			if !known {
				sub = catalog.Subscription{} // it can only be lost; nobody is told more
			}
			if err := s.may(ctx, actionConsume, resource{topic: sub.Topic, subscription: sub.Name}); err != nil {
				return nil, err
			}
			allowed[id] = true
		}
		at, err := s.partitions.numbered(r.partition)
		if err != nil {
			return nil, err
		}
		k := slices.IndexFunc(shares, func(sh *share) bool { return sh.at.number == at.number })
		if k < 0 {
			k, shares = len(shares), append(shares, &share{at: at})
		}
		shares[k].receipts = append(shares[k].receipts, r.Receipt)
		shares[k].texts = append(shares[k].texts, text)
		shares[k].positions = append(shares[k].positions, uint32(i))
	}
	return shares, nil
}
