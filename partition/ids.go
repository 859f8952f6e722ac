package partition

import (
	"encoding/hex"
	"fmt"
	"time"
)

// Offset is an event's place in its stream. The first is 0, and there are no gaps (P1).
type Offset uint64

// StreamID identifies a stream: the id of the topic that it is part of. It never returns.
type StreamID uint64

// SubscriptionID identifies a subscription in the cluster. It never returns.
type SubscriptionID uint64

// CursorID identifies a cursor: a subscription, and for a fan-out the member.
type CursorID struct {
	Subscription SubscriptionID
	// Member is empty for a queue.
	Member string
}

func (c CursorID) String() string {
	if c.Member == "" {
		return fmt.Sprintf("%d", c.Subscription)
	}
	return fmt.Sprintf("%d/%s", c.Subscription, c.Member)
}

// SessionID identifies a consumer's session: random bytes which the consumer chose, and keeps to itself.
type SessionID [16]byte

// String shows the first bytes only, since the whole of it is a secret.
func (s SessionID) String() string { return hex.EncodeToString(s[:4]) }

// ConnectionID tells one connection of a session from the next, so that news of an old one's end doesn't detach its successor.
type ConnectionID uint64

// Index is a Raft log index.
type Index uint64

// Term is a Raft term.
type Term uint64

// Epoch is the index of the entry that granted a lease. It grows with every lease of an event: a fencing token.
type Epoch = Index

// Tick is a reading of the partition clock, in milliseconds since the partition began. It moves only by what entries say, never
// backwards, and stands still while nobody leads.
type Tick int64

// tickBucket is the grain of deadlines. Coarser is cheaper (fewer entries that only carry time), finer is prompter.
const tickBucket Tick = 100

// deadlineAfter returns the deadline of a lease of d that begins at t, rounded up to a bucket so that no lease is short.
func (t Tick) deadlineAfter(d Tick) Tick {
	return (t + d + tickBucket - 1) / tickBucket * tickBucket
}

func (t Tick) String() string { return (time.Duration(t) * time.Millisecond).String() }

// Wall is a reading of wall time, in milliseconds since 1970 UTC. It never goes backwards in a partition.
type Wall int64

// Kind says who gets a matching event.
type Kind uint8

const (
	// KindQueue gives an event to one of the competing sessions.
	KindQueue Kind = 1
	// KindFanout gives an event to every member.
	KindFanout Kind = 2
)

func (k Kind) String() string {
	switch k {
	case KindQueue:
		return "queue"
	case KindFanout:
		return "fanout"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// From says where in its stream a new cursor begins.
type From uint8

const (
	// FromLatest begins with the next event that is stored.
	FromLatest From = 0
	// FromEarliest begins with the oldest event that is kept: because another subscription hasn't settled it, or by the stream's retention.
	FromEarliest From = 1
)

func (f From) String() string {
	switch f {
	case FromLatest:
		return "latest"
	case FromEarliest:
		return "earliest"
	}
	return fmt.Sprintf("from(%d)", uint8(f))
}

// DeadReason says why an event is a dead letter. The numbers are the wire's.
type DeadReason uint8

const (
	// DeadExpired: the last attempt's lease ran out.
	DeadExpired DeadReason = 1
	// DeadReleased: the last attempt was released.
	DeadReleased DeadReason = 2
	// DeadRejected: a consumer rejected it.
	DeadRejected DeadReason = 3
	// DeadUndelivered: it was sent too often without ever arriving.
	DeadUndelivered DeadReason = 4
)

func (r DeadReason) String() string {
	switch r {
	case DeadExpired:
		return "expired"
	case DeadReleased:
		return "released"
	case DeadRejected:
		return "rejected"
	case DeadUndelivered:
		return "undelivered"
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// Run is offsets in a row.
type Run struct {
	First Offset
	Count uint32
}

// end returns the offset behind the run's last.
func (r Run) end() Offset { return r.First + Offset(r.Count) }

func (r Run) String() string {
	if r.Count == 1 {
		return fmt.Sprintf("%d", r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.end()-1)
}

// EventRun is leased offsets in a row which are in the same attempt.
type EventRun struct {
	Run
	Attempt uint16
	// Position in the delivery of the first of them: how many events it lists before. It stays the same whatever of them is settled.
	Position uint16
}

// positions returns where the run's events are in their delivery.
func (r EventRun) positions() Run { return Run{First: Offset(r.Position), Count: r.Count} }

// part returns the events from an offset of the run up to another.
func (r EventRun) part(from, to Offset) EventRun {
	return EventRun{Run: runOf(from, to), Attempt: r.Attempt, Position: r.Position + uint16(from-r.First)}
}
