package transport

import (
	"context"
	"fmt"

	"github.com/hashicorp/raft"
)

// fetchBytesMax is how many bytes of entries one Fetch brings at most.
const fetchBytesMax = 16 << 20

// fetchEntriesMax is how many entries it brings at most.
const fetchEntriesMax = 16 << 10

// fetchPatience is how many times AnswerTimeout a fetch may take: the peer reads from disk for it.
const fetchPatience = 6

// Fetch asks a peer for entries from..to of a group, and returns the first of them, about bytesMax bytes and at least one, in
// ascending order as the peer has them; none when the peer lacks the first. They belong to the caller. What the peer says
// in place of them is a RemoteError.
func (t *Transport) Fetch(ctx context.Context, peer raft.ServerAddress, group GroupNumber, from, to uint64, bytesMax int) ([]*raft.Log, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("fetching from %s: %w", peer, context.Cause(ctx))
	}
	c, err := t.reach("", peer, laneFetch, ctx.Done())
	if err == nil {
		r := fetchRequest{from: from, to: to, bytesMax: uint32(max(min(bytesMax, fetchBytesMax), 0))}
		var response fetchResponse
		if err = call(c, r.frame(&t.buffers), &exchange{group: group, kind: kindFetch}, ctx.Done(), &response); err == nil {
			return response.entries, nil
		}
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return nil, fmt.Errorf("fetching from %s: %w", peer, err)
}

// handleFetch answers a peer's Fetch.
func (in *inbox) handleFetch(r *received) error {
	s := in.server
	request, err := decodeFetch(r.payload.bytes)
	s.t.buffers.put(r.payload)
	if err != nil {
		return fmt.Errorf("%w: %v: %w", ErrCorrupt, r.header.kind, err)
	}
	select {
	case s.t.fetching <- struct{}{}:
	case <-in.group.closed:
		return in.answer(r, outcomeUnknownGroup, nil, nil)
	case <-s.failed:
		return nil
	}
	bytesMax := int(min(request.bytesMax, fetchBytesMax))
	entries, err := s.t.options.Fetch(in.group.number, request.from, request.to, bytesMax)
	<-s.t.fetching
	if err != nil {
		return in.answer(r, outcomeFailed, nil, err)
	}
	return in.answer(r, outcomeAnswered, &fetchResponse{entries: firstOf(entries, bytesMax, s.t.messageBytes())}, nil)
}

// firstOf cuts entries down to what was asked for, and to what fits into a message in any case.
func firstOf(entries []*raft.Log, bytesMax, messageBytes int) []*raft.Log {
	room := min(bytesMax, messageBytes-messageOverheadMax)
	entries = entries[:min(len(entries), fetchEntriesMax)]
	for i, e := range entries {
		room -= entryBytes(e) + entryHeaderBytes
		if room < 0 {
			return entries[:max(i, 1)]
		}
	}
	return entries
}
