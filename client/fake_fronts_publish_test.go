package client

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// moveSlots places the slots anew.
func (f *fakeFronts) moveSlots(partition func(slot int) int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.epoch++
	for slot := range f.mu.slots {
		f.mu.slots[slot] = uint32(partition(slot))
	}
}

// slotsOf returns a partition's slots. mu is held.
func (f *fakeFronts) slotsOf(partition int) (runs []*freshetv1.SlotRange) {
	for slot, on := range &f.mu.slots {
		switch n := len(runs); {
		case int(on) != partition:
		case n > 0 && runs[n-1].GetFirst()+runs[n-1].GetCount() == uint32(slot):
			runs[n-1].Count++
		default:
			runs = append(runs, &freshetv1.SlotRange{First: uint32(slot), Count: 1})
		}
	}
	return runs
}

// freeze has a node take nothing and say nothing, until thaw.
func (f *fakeFront) freeze() {
	frozen := make(chan struct{})
	f.frozen.CompareAndSwap(nil, &frozen)
}

func (f *fakeFront) thaw() {
	if frozen := f.frozen.Swap(nil); frozen != nil {
		close(*frozen)
	}
}

// awaitThaw returns when the node isn't frozen.
func (f *fakeFront) awaitThaw(ctx context.Context) error {
	frozen := f.frozen.Load()
	if frozen == nil {
		return nil
	}
	select {
	case <-*frozen:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// PublishStream takes blocks in order and answers them, later perhaps.
func (f *fakeFront) PublishStream(stream freshetv1.PublishService_PublishStreamServer) error {
	var answering sync.WaitGroup
	var sending sync.Mutex
	defer answering.Wait()
	for {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := f.awaitThaw(stream.Context()); err != nil {
			return err
		}
		response, fault := f.publish(stream, request)
		if fault.breakBefore || fault.ghost || fault.breakAfter {
			f.breakAll()
			return errFakeBreak
		}
		response.RequestId = request.GetRequestId()
		answering.Go(func() {
			if fault.delay > 0 {
				select {
				case <-time.After(fault.delay):
				case <-stream.Context().Done():
				}
			}
			sending.Lock()
			defer sending.Unlock()
			stream.Send(response) //nolint:errcheck // a broken stream is noticed by Recv
		})
	}
}

// publish does with a block what a node does, or what goes wrong.
func (f *fakeFront) publish(stream freshetv1.PublishService_PublishStreamServer, r *freshetv1.PublishRequest) (*freshetv1.PublishResponse, fakeFault) {
	number := int(r.GetPartition())
	f.mu.Lock()
	leads := f.mu.leaders[number] == f
	if !leads {
		f.mu.passed++
	}
	f.mu.Unlock()
	if !leads {
		notLeading := wireFault(freshetv1.ErrorCode_ERROR_CODE_NOT_LEADER, true, false, f.name+" doesn't lead")
		if !f.passesOn {
			return &freshetv1.PublishResponse{Error: notLeading}, fakeFault{}
		}
		if _, _, err := f.find(stream.Context(), r.GetPartition()); err != nil {
			return &freshetv1.PublishResponse{Error: notLeading}, fakeFault{}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var fault fakeFault
	if f.publishFault != nil {
		fault = f.publishFault(r)
	}
	switch {
	case fault.breakBefore:
		return nil, fault
	case fault.ghost:
		f.mu.ghosts = append(f.mu.ghosts, r)
		return nil, fault
	case fault.refuse != nil:
		return &freshetv1.PublishResponse{Error: fault.refuse}, fault
	}
	return f.store(r), fault
}

// store checks a block's place as a node does, and stores it. mu is held.
func (f *fakeFronts) store(r *freshetv1.PublishRequest) *freshetv1.PublishResponse {
	refused := func(code freshetv1.ErrorCode, retryable bool, message string) *freshetv1.PublishResponse {
		return &freshetv1.PublishResponse{Error: wireFault(code, retryable, false, message)}
	}
	if r.Partition == nil || r.GetEpoch() != f.mu.epoch {
		return refused(freshetv1.ErrorCode_ERROR_CODE_ROUTE_CHANGED, true, "the slots have moved")
	}
	b, err := block.Open(r.GetBlock())
	if err != nil {
		return refused(freshetv1.ErrorCode_ERROR_CODE_BLOCK_CORRUPT, false, err.Error())
	}
	var names []string
	var reader block.Reader
	for reader.Reset(&b); reader.Next(); {
		if slot, placed := b.Slot(reader.Index()); placed && f.mu.slots[slot] != r.GetPartition() {
			return refused(freshetv1.ErrorCode_ERROR_CODE_ARGUMENT_REFUSED, false, fmt.Sprintf("event %d isn't on partition %d", reader.Index(), r.GetPartition()))
		}
		names = append(names, string(reader.Event().Data))
	}
	p := f.partitions[r.GetPartition()]
	p.mu.Lock()
	defer p.mu.Unlock()
	response := p.store(r)
	response.Partition = r.GetPartition()
	if response.GetError() == nil && !response.GetDuplicate() {
		f.mu.stored = append(f.mu.stored, names...)
	}
	return response
}

// raise carries out a ghost, if there are so many, and drops its answer.
func (f *fakeFronts) raise(i int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i >= len(f.mu.ghosts) {
		return false
	}
	ghost := f.mu.ghosts[i]
	f.mu.ghosts = slices.Delete(f.mu.ghosts, i, i+1)
	f.store(ghost)
	return true
}
