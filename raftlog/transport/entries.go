package transport

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/hashicorp/raft"
)

// Entries, in AppendEntries and in answers to Fetch: first what they are, then their bytes, data before extensions, in the
// order of the entries. So all that is small stands together, and what is large is written from where it is.
//
//	append   sender │ term 8 │ previous index 8 │ previous term 8 │ commit index 8 │ entries
//	entries  count 4 │ 40 for each │ bytes
//	each     index 8 │ term 8 │ appended at, ns 8 │ data 4 │ extensions 4 │ type 1 │ zeros 7
//
// The deprecated Leader is left out, as a vote's Candidate is: the library looks at it where the sender has no address.

const (
	entryHeaderBytes = 40
	// entriesMax is how many entries a message may have; the library's own limit.
	entriesMax = 1024
	// noTime stands for a time that is not set.
	noTime = math.MinInt64
)

// entryBytes is what an entry has of its own.
func entryBytes(e *raft.Log) int { return len(e.Data) + len(e.Extensions) }

func nanosOf(t time.Time) int64 {
	if t.IsZero() {
		return noTime
	}
	return t.UnixNano()
}

func timeOf(nanos int64) time.Time {
	if nanos == noTime {
		return time.Time{}
	}
	return time.Unix(0, nanos)
}

// appendFrame makes a frame of a request. It refers to the entries' bytes until it was written.
func appendFrame(p *bufferPool, r *raft.AppendEntriesRequest, s *sums) (*frame, error) {
	if err := checkSender(r.RPCHeader); err != nil {
		return nil, err
	}
	f := p.newFrame(senderBytes(r.RPCHeader) + 32 + entriesHeadBytes(r.Entries))
	b := appendSender(f.head.bytes, r.RPCHeader)
	b = binary.LittleEndian.AppendUint64(b, r.Term)
	b = binary.LittleEndian.AppendUint64(b, r.PrevLogEntry)
	b = binary.LittleEndian.AppendUint64(b, r.PrevLogTerm)
	f.head.bytes = binary.LittleEndian.AppendUint64(b, r.LeaderCommitIndex)
	f.addEntries(r.Entries, s)
	return f, nil
}

// entriesHeadBytes is what addEntries needs of a frame's head.
func entriesHeadBytes(entries []*raft.Log) int {
	n := 4 + entryHeaderBytes*len(entries)
	for _, e := range entries {
		n += headBytes(len(e.Data)) + headBytes(len(e.Extensions))
	}
	return n
}

func (f *frame) addEntries(entries []*raft.Log, s *sums) {
	b := binary.LittleEndian.AppendUint32(f.head.bytes, uint32(len(entries)))
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint64(b, e.Index)
		b = binary.LittleEndian.AppendUint64(b, e.Term)
		b = binary.LittleEndian.AppendUint64(b, uint64(nanosOf(e.AppendedAt)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Data)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Extensions)))
		b = append(b, byte(e.Type), 0, 0, 0, 0, 0, 0, 0)
	}
	f.head.bytes = b
	a := assembler{frame: f}
	for _, e := range entries {
		if sum, known := s.of(e); known {
			a.addSummed(e.Data, sum)
		} else {
			a.add(e.Data)
		}
		a.add(e.Extensions)
	}
	a.end()
}

// appendMessage is a request as it is received: the entries' bytes are the payload's.
type appendMessage struct {
	request raft.AppendEntriesRequest
	logs    []raft.Log
	entries []*raft.Log
	sums    []uint32 // checkEntries'
}

func (m *appendMessage) decode(payload []byte, n *names) error {
	d := decoder{rest: payload}
	m.request = raft.AppendEntriesRequest{RPCHeader: d.sender(n)}
	m.request.Term, m.request.PrevLogEntry, m.request.PrevLogTerm, m.request.LeaderCommitIndex = d.uint64(), d.uint64(), d.uint64(), d.uint64()
	if err := m.decodeEntries(&d, entriesMax); err != nil {
		return err
	}
	if m.request.Entries = nil; len(m.entries) > 0 {
		m.request.Entries = m.entries
	}
	return d.end()
}

// decodeEntries reads what addEntries has written: at most so many entries, and no more than there can be in the payload.
func (m *appendMessage) decodeEntries(d *decoder, most int) error {
	count := int(d.uint32())
	if count > min(len(d.rest)/entryHeaderBytes, most) && d.err == nil {
		d.err = fmt.Errorf("%d entries in %d bytes; the most is %d", count, len(d.rest), most)
	}
	if d.err != nil {
		return d.err
	}
	headers := d.next(count * entryHeaderBytes)
	m.logs, m.entries = grown(m.logs, count), grown(m.entries, count)
	for i := range m.logs {
		h := headers[i*entryHeaderBytes:][:entryHeaderBytes]
		data, extensions := binary.LittleEndian.Uint32(h[24:]), binary.LittleEndian.Uint32(h[28:])
		m.logs[i] = raft.Log{
			Index: binary.LittleEndian.Uint64(h[0:]), Term: binary.LittleEndian.Uint64(h[8:]), Type: raft.LogType(h[32]),
			AppendedAt: timeOf(int64(binary.LittleEndian.Uint64(h[16:]))),
			Data:       d.string(int(data)), Extensions: d.string(int(extensions)),
		}
		m.entries[i] = &m.logs[i]
		if h[33]|h[34]|h[35]|h[36]|h[37]|h[38]|h[39] != 0 && d.err == nil {
			d.err = fmt.Errorf("entry %d has reserved bytes %x; expected zeros", i, h[33:])
		}
		if d.err != nil {
			return d.err
		}
	}
	return nil
}

// grown returns a slice of n elements, the same memory where it is large enough.
func grown[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
