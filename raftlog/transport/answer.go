package transport

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/hashicorp/raft"
)

// Every answer begins alike, and the library's response follows where there is one:
//
//	answer   outcome 1 │ response follows 1 │ text 2+n │ response

// outcome says who answers, and what became of the request.
type outcome uint8

const (
	outcomeAnswered outcome = iota // by the group
	outcomeFailed                  // by the group, with an error
	outcomeUnknownGroup
	outcomeBusy
)

func (o outcome) String() string {
	switch o {
	case outcomeAnswered:
		return "answered"
	case outcomeFailed:
		return "failed"
	case outcomeUnknownGroup:
		return "unknown group"
	case outcomeBusy:
		return "busy"
	default:
		return fmt.Sprintf("outcome %d", uint8(o))
	}
}

// responseBytesMax is what a response has at most, but for entries.
const responseBytesMax = 5 + 3*addressBytesMax + 32

// answerFrame makes a frame of what the library has answered, or of the reason why it was not asked.
func answerFrame(p *bufferPool, o outcome, response any, err error) *frame {
	text := ""
	if err != nil {
		text = err.Error()
		text = text[:min(len(text), errorBytesMax)]
	}
	var fetched []*raft.Log
	room := 4 + len(text) + responseBytesMax
	if f, ok := response.(*fetchResponse); ok {
		fetched = f.entries
		room += entriesHeadBytes(fetched)
	}
	f := p.newFrame(room)
	b := f.head.bytes
	b = append(b, byte(o), 0)
	b = appendBytes16(b, []byte(text))
	with := true
	switch r := response.(type) {
	case *raft.AppendEntriesResponse:
		b = appendSender(b, fitting(r.RPCHeader))
		b = binary.LittleEndian.AppendUint64(b, r.Term)
		b = binary.LittleEndian.AppendUint64(b, r.LastLog)
		b = appendBool(appendBool(b, r.Success), r.NoRetryBackoff)
	case *raft.RequestVoteResponse:
		b = appendSender(b, fitting(r.RPCHeader))
		b = binary.LittleEndian.AppendUint64(b, r.Term)
		b = appendBool(b, r.Granted)
		// Peers is for versions of the library that are not spoken any more; what doesn't fit is left out.
		b = appendBytes32(b, r.Peers[:min(len(r.Peers), addressBytesMax)])
	case *raft.RequestPreVoteResponse:
		b = appendSender(b, fitting(r.RPCHeader))
		b = binary.LittleEndian.AppendUint64(b, r.Term)
		b = appendBool(b, r.Granted)
	case *raft.TimeoutNowResponse:
		b = appendSender(b, fitting(r.RPCHeader))
	case *raft.InstallSnapshotResponse:
		b = appendSender(b, fitting(r.RPCHeader))
		b = binary.LittleEndian.AppendUint64(b, r.Term)
		b = appendBool(b, r.Success)
	case *fetchResponse:
		f.head.bytes = b
		f.addEntries(fetched, nil)
		b = f.head.bytes
	default:
		with = false
	}
	f.head.bytes = b
	if with {
		b[frameHeaderBytes+1] = 1
	}
	return f
}

// fitting leaves out of a response's sender what can't be told: nobody reads it.
func fitting(h raft.RPCHeader) raft.RPCHeader {
	if len(h.ID) > addressBytesMax || len(h.Addr) > addressBytesMax {
		return raft.RPCHeader{ProtocolVersion: h.ProtocolVersion}
	}
	return h
}

// answered is what all answers have in common.
type answered struct {
	outcome outcome
	with    bool // the response follows
	text    []byte
}

func (d *decoder) answered() (a answered) {
	a.outcome, a.with, a.text = outcome(d.uint8()), d.bool(), d.bytes16()
	return a
}

// err is what became of the request, nil when the response says.
func (a *answered) err() error {
	switch a.outcome {
	case outcomeAnswered:
		if a.with {
			return nil
		}
		return &RemoteError{Text: "transport: the peer answered without a response"}
	case outcomeUnknownGroup:
		return ErrUnknownGroup
	case outcomeBusy:
		return ErrBusy
	default:
		return &RemoteError{Text: string(a.text)}
	}
}

// decodeAnswer reads an answer to a request. The error is the peer's, or ErrCorrupt when the answer is none; in the latter
// case, and only then, the response is of no use.
func decodeAnswer(payload []byte, response any, n *names) error {
	d := decoder{rest: payload}
	a := d.answered()
	if a.with {
		decodeResponse(&d, response, n)
	}
	if err := d.end(); err != nil {
		return fmt.Errorf("%w: answer: %w", ErrCorrupt, err)
	}
	return a.err()
}

func decodeResponse(d *decoder, response any, n *names) {
	switch r := response.(type) {
	case *raft.AppendEntriesResponse:
		r.RPCHeader = d.sender(n)
		r.Term, r.LastLog, r.Success, r.NoRetryBackoff = d.uint64(), d.uint64(), d.bool(), d.bool()
	case *raft.RequestVoteResponse:
		r.RPCHeader = d.sender(n)
		r.Term, r.Granted, r.Peers = d.uint64(), d.bool(), bytes.Clone(d.bytes32())
	case *raft.RequestPreVoteResponse:
		r.RPCHeader = d.sender(n)
		r.Term, r.Granted = d.uint64(), d.bool()
	case *raft.TimeoutNowResponse:
		r.RPCHeader = d.sender(n)
	case *raft.InstallSnapshotResponse:
		r.RPCHeader = d.sender(n)
		r.Term, r.Success = d.uint64(), d.bool()
	case *fetchResponse:
		var m appendMessage
		if err := m.decodeEntries(d, fetchEntriesMax); err == nil {
			r.entries = m.entries
		}
	}
}

// fetchResponse carries entries. Those received are parts of the frame, which then belongs to them.
type fetchResponse struct {
	entries []*raft.Log
}
