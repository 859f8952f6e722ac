package catalog

import (
	"fmt"

	"github.com/freshet-mq/freshet/broker/internal/catalog/catalogpb"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// memory has the requests that came last, the oldest first:
//
//	forgotten ◀── order[0] ... order[n-1] ◀── the next
//	              │
//	              only when there are RequestBytesMax of them, and this one is RequestMs away from the next by their proposers' clocks
//
// A request is known for RequestMs at least, whatever others do: were it forgotten earlier, its repetition would be done again, to whatever has the name by then.
// Where the memory is full of younger ones the next request is refused, which isn't remembered. Away, and not older: a clock that was set back must not
// leave the memory full for as long. A clock that jumps by more than RequestMs while the memory is full has what it has forgotten early.
//
// It belongs to the machine and not to its views: only commands that are applied ask for it.
type memory struct {
	known map[uint64]*request // by number
	order []*request
	bytes int64
}

func newMemory() *memory { return &memory{known: map[uint64]*request{}} }

// room makes room for one more request, and tells whether there is some.
func (m *memory) room(atMs int64) bool {
	for m.bytes >= RequestBytesMax {
		oldest := m.order[0]
		if max(atMs-oldest.atMs, oldest.atMs-atMs) < RequestMs {
			return false
		}
		delete(m.known, oldest.number)
		m.bytes -= oldest.bytes()
		m.order[0] = nil
		m.order = m.order[1:]
	}
	return true
}

// add remembers a request. There must be room.
func (m *memory) add(r *request) {
	m.known[r.number] = r
	m.order = append(m.order, r)
	m.bytes += r.bytes()
}

// bytes is what a request counts for.
func (r *request) bytes() int64 {
	bytes := RequestBytes + 4*int64(len(r.partitions))
	if r.refusal != nil {
		bytes += int64(len(r.refusal.Field) + len(r.refusal.Closest) + len(r.refusal.text))
	}
	return bytes
}

// memoryFull refuses a request that couldn't be remembered.
func memoryFull() *Error {
	return &Error{
		Code: freshetv1.ErrorCode_ERROR_CODE_BUSY, Field: "request",
		text: fmt.Sprintf("topics and subscriptions change faster than requests can be forgotten: %d bytes of them came within %d s; nothing was done, try again",
			int64(RequestBytesMax), RequestMs/1000),
	}
}

// form is the memory as it stands in a checkpoint.
func (m *memory) form() (wire []*catalogpb.Request) {
	for _, r := range m.order {
		w := &catalogpb.Request{
			Number: r.number, About: r.about, AtMs: r.atMs, Index: r.index, Id: r.id, TopicId: r.topicID, CreatedMs: r.createdMs,
			Partitions: r.partitions, Created: r.created,
		}
		if e := r.refusal; e != nil {
			w.Refusal = &catalogpb.Refusal{Code: int32(e.Code), Field: e.Field, Limit: e.Limit, Got: e.Got, Closest: e.Closest, Text: e.text}
		}
		wire = append(wire, w)
	}
	return wire
}

// memoryOf reads what form gave. It takes no memory that no sequence of commands could have made: numbers twice, entries out of order, ids beyond the view's
// last, more than fits.
func memoryOf(wire []*catalogpb.Request, v *View) (*memory, error) {
	m := newMemory()
	last := uint64(0)
	for _, w := range wire {
		r := &request{
			number: w.GetNumber(), about: w.GetAbout(), atMs: w.GetAtMs(), index: w.GetIndex(), id: w.GetId(), topicID: w.GetTopicId(),
			createdMs: w.GetCreatedMs(), partitions: w.GetPartitions(), created: w.GetCreated(),
		}
		if e := w.GetRefusal(); e != nil {
			r.refusal = &Error{
				Code: freshetv1.ErrorCode(e.GetCode()), Field: e.GetField(), Limit: e.GetLimit(), Got: e.GetGot(), Closest: e.GetClosest(), text: e.GetText(),
			}
		}
		switch {
		case m.bytes >= RequestBytesMax:
			return nil, fmt.Errorf("%d bytes of requests and more, the limit is %d", m.bytes, int64(RequestBytesMax))
		case r.number == 0 || m.known[r.number] != nil:
			return nil, fmt.Errorf("request %d can't be, or is there twice", r.number)
		case r.index <= last:
			return nil, fmt.Errorf("request of entry %d behind that of entry %d", r.index, last)
		case checkCreated(r.atMs) != nil || checkCreated(r.createdMs) != nil:
			return nil, fmt.Errorf("request of entry %d at %d, about what was made at %d", r.index, r.atMs, r.createdMs)
		}
		if err := r.check(v); err != nil {
			return nil, fmt.Errorf("request of entry %d: %w", r.index, err)
		}
		last = r.index
		m.add(r)
	}
	return m, nil
}

// check wants what was done to have been done to something, and what was refused to have been refused.
func (r *request) check(v *View) error {
	if r.refusal != nil {
		if r.refusal.Code == 0 || r.id != 0 || r.topicID != 0 || r.created || r.createdMs != 0 || len(r.partitions) > 0 {
			return fmt.Errorf("it was refused with code %d, and done", r.refusal.Code)
		}
		return nil
	}
	if r.id == 0 || r.id > v.lastID || r.topicID >= r.id {
		return fmt.Errorf("id %d of topic %d, of 1 to %d", r.id, r.topicID, v.lastID)
	}
	if (r.topicID == 0) != (len(r.partitions) > 0) {
		return fmt.Errorf("%d partitions, and topic %d", len(r.partitions), r.topicID)
	}
	if r.topicID == 0 {
		return v.checkPlaces(r.partitions)
	}
	return nil
}
