package transport

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/hashicorp/raft"
)

// The library's requests and responses, all but AppendEntries (entries.go). Each begins with who sends it:
//
//	sender           protocol 1 │ id 2+n │ address 2+n
//	vote             sender │ term 8 │ last index 8 │ last term 8 │ transfer 1
//	pre-vote         sender │ term 8 │ last index 8 │ last term 8
//	timeout-now      sender
//	install          sender │ snapshot version 1 │ term 8 │ leader 2+n │ last index 8 │ last term 8 │ peers 4+n │ configuration 4+n │
//	                 configuration index 8 │ size 8
//	fetch            from 8 │ to 8 │ bytes at most 4
//
//	append answer    sender │ term 8 │ last index 8 │ success 1 │ no back-off 1
//	vote answer      sender │ term 8 │ granted 1 │ peers 4+n
//	pre-vote answer  sender │ term 8 │ granted 1
//	timeout answer   sender
//	install answer   sender │ term 8 │ success 1
//	fetch answer     entries

// names keeps what a connection's messages repeat, so that it need not be copied from each.
type names struct {
	id, address, leader []byte
}

// kept returns a copy of b: the one of the last time where that is the same.
func kept(last *[]byte, b []byte) []byte {
	if !bytes.Equal(*last, b) || *last == nil {
		*last = bytes.Clone(b)
	}
	if len(b) == 0 {
		return nil
	}
	return *last
}

func appendSender(to []byte, h raft.RPCHeader) []byte {
	to = append(to, byte(h.ProtocolVersion))
	to = appendBytes16(to, h.ID)
	return appendBytes16(to, h.Addr)
}

func (d *decoder) sender(n *names) (h raft.RPCHeader) {
	h.ProtocolVersion = raft.ProtocolVersion(d.uint8())
	h.ID, h.Addr = kept(&n.id, d.bytes16()), kept(&n.address, d.bytes16())
	return h
}

// senderBytes is what appendSender needs.
func senderBytes(h raft.RPCHeader) int { return 5 + len(h.ID) + len(h.Addr) }

// checkSender refuses what does not fit into its fields.
func checkSender(h raft.RPCHeader) error {
	if n := max(len(h.ID), len(h.Addr)); n > addressBytesMax {
		return fmt.Errorf("%w: an id or address of %d bytes; the most is %d", ErrTooLarge, n, addressBytesMax)
	}
	return nil
}

func voteFrame(p *bufferPool, r *raft.RequestVoteRequest) (*frame, error) {
	if err := checkSender(r.RPCHeader); err != nil {
		return nil, err
	}
	f := p.newFrame(senderBytes(r.RPCHeader) + 25)
	b := appendSender(f.head.bytes, r.RPCHeader)
	b = binary.LittleEndian.AppendUint64(b, r.Term)
	b = binary.LittleEndian.AppendUint64(b, r.LastLogIndex)
	b = binary.LittleEndian.AppendUint64(b, r.LastLogTerm)
	f.head.bytes = appendBool(b, r.LeadershipTransfer)
	return f, nil
}

func decodeVote(payload []byte, n *names) (*raft.RequestVoteRequest, error) {
	d := decoder{rest: payload}
	r := &raft.RequestVoteRequest{
		RPCHeader: d.sender(n), Term: d.uint64(), LastLogIndex: d.uint64(), LastLogTerm: d.uint64(), LeadershipTransfer: d.bool(),
	}
	return r, d.end()
}

func preVoteFrame(p *bufferPool, r *raft.RequestPreVoteRequest) (*frame, error) {
	if err := checkSender(r.RPCHeader); err != nil {
		return nil, err
	}
	f := p.newFrame(senderBytes(r.RPCHeader) + 24)
	b := appendSender(f.head.bytes, r.RPCHeader)
	b = binary.LittleEndian.AppendUint64(b, r.Term)
	b = binary.LittleEndian.AppendUint64(b, r.LastLogIndex)
	f.head.bytes = binary.LittleEndian.AppendUint64(b, r.LastLogTerm)
	return f, nil
}

func decodePreVote(payload []byte, n *names) (*raft.RequestPreVoteRequest, error) {
	d := decoder{rest: payload}
	r := &raft.RequestPreVoteRequest{RPCHeader: d.sender(n), Term: d.uint64(), LastLogIndex: d.uint64(), LastLogTerm: d.uint64()}
	return r, d.end()
}

func timeoutNowFrame(p *bufferPool, r *raft.TimeoutNowRequest) (*frame, error) {
	if err := checkSender(r.RPCHeader); err != nil {
		return nil, err
	}
	f := p.newFrame(senderBytes(r.RPCHeader))
	f.head.bytes = appendSender(f.head.bytes, r.RPCHeader)
	return f, nil
}

func decodeTimeoutNow(payload []byte, n *names) (*raft.TimeoutNowRequest, error) {
	d := decoder{rest: payload}
	r := &raft.TimeoutNowRequest{RPCHeader: d.sender(n)}
	return r, d.end()
}

func installFrame(p *bufferPool, r *raft.InstallSnapshotRequest) (*frame, error) {
	if err := checkSender(r.RPCHeader); err != nil {
		return nil, err
	}
	if n := len(r.Leader) + len(r.Peers) + len(r.Configuration); n > installBytesMax-2<<10 {
		return nil, fmt.Errorf("%w: a membership of %d bytes; the most is %d", ErrTooLarge, n, installBytesMax-2<<10)
	}
	if r.Size < 0 {
		return nil, fmt.Errorf("transport: a snapshot of %d bytes", r.Size)
	}
	f := p.newFrame(senderBytes(r.RPCHeader) + 51 + len(r.Leader) + len(r.Peers) + len(r.Configuration))
	b := appendSender(f.head.bytes, r.RPCHeader)
	b = append(b, byte(r.SnapshotVersion))
	b = binary.LittleEndian.AppendUint64(b, r.Term)
	b = appendBytes16(b, r.Leader)
	b = binary.LittleEndian.AppendUint64(b, r.LastLogIndex)
	b = binary.LittleEndian.AppendUint64(b, r.LastLogTerm)
	b = appendBytes32(b, r.Peers)
	b = appendBytes32(b, r.Configuration)
	b = binary.LittleEndian.AppendUint64(b, r.ConfigurationIndex)
	f.head.bytes = binary.LittleEndian.AppendUint64(b, uint64(r.Size))
	return f, nil
}

func decodeInstall(payload []byte, n *names) (*raft.InstallSnapshotRequest, error) {
	d := decoder{rest: payload}
	r := &raft.InstallSnapshotRequest{RPCHeader: d.sender(n), SnapshotVersion: raft.SnapshotVersion(d.uint8()), Term: d.uint64()}
	r.Leader = kept(&n.leader, d.bytes16())
	r.LastLogIndex, r.LastLogTerm = d.uint64(), d.uint64()
	r.Peers, r.Configuration = bytes.Clone(d.bytes32()), bytes.Clone(d.bytes32())
	r.ConfigurationIndex, r.Size = d.uint64(), int64(d.uint64())
	if r.Size < 0 && d.err == nil {
		d.err = fmt.Errorf("a snapshot of %d bytes", r.Size)
	}
	return r, d.end()
}

// fetchRequest asks for entries.
type fetchRequest struct {
	from, to uint64
	bytesMax uint32
}

func (r *fetchRequest) frame(p *bufferPool) *frame {
	f := p.newFrame(20)
	b := binary.LittleEndian.AppendUint64(f.head.bytes, r.from)
	b = binary.LittleEndian.AppendUint64(b, r.to)
	f.head.bytes = binary.LittleEndian.AppendUint32(b, r.bytesMax)
	return f
}

func decodeFetch(payload []byte) (r fetchRequest, err error) {
	d := decoder{rest: payload}
	r = fetchRequest{from: d.uint64(), to: d.uint64(), bytesMax: d.uint32()}
	return r, d.end()
}
