package broker

import (
	"context"
	"testing"

	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestSettledTogether: what several partitions made of a call's receipts is one answer, or one error that is true of all of them (N3).
func TestSettledTogether(t *testing.T) {
	s := &consumeService{services: &services{metadata: &metadata{}}}
	two := []*share{
		{receipts: make([]partition.Receipt, 2), positions: []uint32{0, 3}},
		{receipts: make([]partition.Receipt, 3), positions: []uint32{1, 2, 4}},
	}
	none := [][]uint32{nil, nil}
	unknown := faultf(freshetv1.ErrorCode_ERROR_CODE_OUTCOME_UNKNOWN, "who knows")
	for _, c := range []struct {
		name   string
		lost   [][]uint32
		failed []error
		want   string
	}{
		{"all done", none, []error{nil, nil}, ""},
		{"nothing done", none, []error{notLeader("a", ""), notLeader("b", "")}, "FR5003 Unavailable: a has no leader now; nothing was done, try again\n  retryable=true\n"},
		{
			"half done", none,
			[]error{nil, notLeader("b", "")},
			"FR5002 Unavailable: 2 of 5 receipts are settled; of the rest: b has no leader now; nothing was done, try again\n  outcome=unknown\n",
		},
		{"half unknown", none, []error{notLeader("a", ""), unknown}, "FR5002 Unavailable: who knows\n  outcome=unknown\n"},
		{
			"half interrupted", none,
			[]error{context.Canceled, nil},
			"FR5002 Unavailable: 3 of 5 receipts are settled; of the rest: context canceled\n  outcome=unknown\n",
		},
		{"an index that isn't", [][]uint32{{2}, nil}, []error{nil, nil}, "error: partition 0 has lost receipt 2 of 2\n"},
	} {
		res, err := s.settled(two, c.lost, c.failed)
		got := ""
		if err != nil {
			got = showError(err)
		}
		if got != c.want || len(res.GetLost()) > 0 {
			t.Errorf("%s: %v, %s", c.name, res, got)
		}
	}
	res, err := s.settled(two, [][]uint32{{1}, {0, 2}}, []error{nil, nil})
	if err != nil || len(res.GetLost()) != 3 || res.GetLost()[0] != 1 || res.GetLost()[1] != 3 || res.GetLost()[2] != 4 {
		t.Errorf("lost %v, %v", res.GetLost(), err)
	}
}
