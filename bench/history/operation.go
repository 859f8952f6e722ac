package history

import (
	"fmt"
	"math/bits"
	"time"
)

// Time is a reading of the recorder's clock: how long after its beginning.
type Time = time.Duration

// Never is later than every reading.
const Never = Time(1<<63 - 1)

// Message is the run's own number of an event, from 1 on, which travels in the event's
// bytes. 0: bytes in which no number could be found.
type Message uint64

// Reader is who has a subscription's events to himself: a queue, or a member of a
// fan-out. Readers are numbered as they are told.
type Reader uint8

// ReadersMax is how many readers a history may have.
const ReadersMax = 64

// ReaderSet is some readers.
type ReaderSet uint64

// With is the set and one more.
func (s ReaderSet) With(r Reader) ReaderSet { return s | 1<<r }

// Has reports whether a reader is in the set.
func (s ReaderSet) Has(r Reader) bool { return s>>r&1 == 1 }

// Len is how many are in the set.
func (s ReaderSet) Len() int { return bits.OnesCount64(uint64(s)) }

// Place is where an event lies: an offset of the topic's stream in a partition.
type Place struct {
	Partition uint32
	Offset    uint64
}

func (p Place) String() string { return fmt.Sprintf("%d/%d", p.Partition, p.Offset) }

// Outcome is what a client was told of an operation (H2).
type Outcome uint8

// The outcomes.
const (
	// Unknown: no answer, or one that leaves it open. It may be done even later.
	Unknown Outcome = iota
	// OK: done.
	OK
	// Fail: refused, and nothing was done.
	Fail
)

func (o Outcome) String() string { return [...]string{"unknown", "ok", "fail"}[o] }

// ReaderInfo is what the run knows of a reader.
type ReaderInfo struct {
	// Name is for people: "orders", or "audit@left".
	Name string
	// Ordered: events of one key one after the other.
	Ordered bool
	// AttemptsMax is how often an event may be tried; 0: that isn't checked.
	AttemptsMax int
	// Asked and Made are when its making was asked for, and confirmed; Never when that
	// was not, so that nothing has to arrive. It begins with what is published then.
	Asked, Made Time
	// Removing and Removed are when its end was asked for, and confirmed; Never when
	// it stays. (0 counts as Never in both.)
	Removing, Removed Time
}

// Publish is one event on its way in.
type Publish struct {
	Message Message
	// Digest is of the bytes that were sent, Key the run's number of the event's key; 0:
	// it has none.
	Digest uint64
	Key    uint32
	// Producer is the connection that sent it; what it sends to one key is in order.
	Producer uint32
	// Matches are the readers whose subscription it matches, in existence or not.
	Matches ReaderSet

	Invoked, Returned Time // Returned is Never without an answer
	Outcome           Outcome
	Place             Place // of one that is OK
}

// Delivery is an event in a consumer's hands.
type Delivery struct {
	Reader  Reader
	Message Message // as found in the bytes
	Digest  uint64  // of the bytes that arrived
	Place   Place
	Attempt int
	// Epoch is the lease's: it grows with each of an event.
	Epoch uint64
	// Consumer is who got it, Batch which one request of his that brought it with
	// others; 0 where each comes by itself.
	Consumer uint32
	Batch    uint32
	// Asked is when the request was sent that brought it; where a stream brings it,
	// when it came. Got is when the consumer had it.
	Asked, Got Time
	// Held is until when the consumer believed in its lease, without a gap since Got:
	// until it decided, gave up, or the lease was over by its own reckoning.
	Held Time
}

// Verb is what a consumer says of an event.
type Verb uint8

// The verbs.
const (
	Ack Verb = iota
	Release
	Reject
)

func (v Verb) String() string { return [...]string{"ack", "release", "reject"}[v] }

// Decision is a consumer's word on a delivery. One that comes too late is a Fail.
type Decision struct {
	Delivery          int32 // its number
	Verb              Verb
	Outcome           Outcome
	Invoked, Returned Time
}

// Fault is something that was done to the cluster.
type Fault struct {
	Kind, Target string
	Begin, End   Time
}

// Applied is the state of a node's replica behind an entry.
type Applied struct {
	Node      string
	Partition uint32
	Index     uint64
	Term      uint64 // 0: not known
	Hash      uint64
}

// Read is an event as a reading of the log showed it.
type Read struct {
	// Session is which reading: one session has one partition's events in order.
	Session uint32
	Place   Place
	Message Message
	Digest  uint64
	// Truncated: what lies between the last one and Place was said to be no longer
	// held. There is no event then.
	Truncated bool
}

// Dead is an event that a node lists as a dead letter.
type Dead struct {
	Reader Reader
	Place  Place
}

// Held is what the nodes say that they hold for a reader, when all is over.
type Held struct {
	Reader                       Reader
	Ready, Leased, Delayed, Dead uint64
}

// NameVerb is what was asked of a name.
type NameVerb uint8

// The verbs of names.
const (
	NameMake NameVerb = iota
	NameRemove
	NameLook
)

func (v NameVerb) String() string { return [...]string{"make", "remove", "look"}[v] }

// Named is an operation on the name of something: a topic, a subscription.
type Named struct {
	Name              string
	Client            int
	Verb              NameVerb
	Invoked, Returned Time
	Outcome           Outcome
	// Found: there was one, before a make or a removal, or as it was looked for.
	Found bool
	// ID is of what was made or found; 0 where nothing was, or a removal doesn't say.
	ID uint64
}
