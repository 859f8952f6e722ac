package partition

// Effects is what applying an entry asks of the leader, and tells whoever proposed it. Replicas that don't lead throw it away.
type Effects struct {
	Index Index
	// Results has one for each section, in their order.
	Results []Result
	// Grants are the new leases of attached sessions, to be delivered.
	Grants []Grant
	// Ready names the cursors that have events and no session with room for them: hints, and one-shot receives, wait for these.
	Ready []CursorID
	// Behind names the far cursors whose consumers could take more than waits, with how much more: the leader reads it from the log (reader.go).
	Behind []Behind
	// Truncated cursors lost events to a retention.
	Truncated []Truncation
	// Unused members have left, since nobody used them for too long.
	Unused []Unused
	// Gone is what was removed.
	Gone Gone
	// Aside are events that are to be copied out of the log, or whose copies have no use any more.
	Aside []AsideChange
	// Appended are the blocks that were stored.
	Appended []Appended
	// Weighed: trimBytes of entries have come again, so the log may have become less by more than entries tell.
	Weighed bool
	// Hash is the machine's, after every so many entries; zero after the others. The leader has the replicas compare theirs.
	Hash StateHash
}

// Gone is what an entry removed, so that whoever consumes it, reads it or waits for it is told.
type Gone struct {
	Sessions []GoneSession
	Cursors  []CursorID
	Streams  []StreamID
}

// GoneSession is a session that ended since its cursor was removed.
type GoneSession struct {
	Session    SessionID
	Connection ConnectionID
}

// Unused is a member that left since nobody used it, and what it leaves behind: events that waited for it or were its dead letters, and offsets that
// it hadn't looked at.
type Unused struct {
	Cursor            CursorID
	Unsettled, Unread uint64
}

// Behind is a far cursor with an appetite.
type Behind struct {
	Cursor CursorID
	Events uint32
}

// Appended is a block that was stored, and where: its section of the entry.
type Appended struct {
	Stream  StreamID
	First   Offset
	Count   uint32
	Section uint32
	Stored  Wall
}

// Refusal says why a section changed nothing. The zero value means that it took effect.
type Refusal uint8

const (
	// Done: it took effect.
	Done Refusal = iota
	// RefusedStream: the partition holds no such stream, or the subscription is another's.
	RefusedStream
	// RefusedSubscription: the partition holds no such subscription.
	RefusedSubscription
	// RefusedSetVersion: the block was matched against another subscription set. Match and propose again.
	RefusedSetVersion
	// RefusedSequence: the block isn't the producer's next.
	RefusedSequence
	// RefusedExpired: the producer, or the answer to the block, is forgotten.
	RefusedExpired
	// RefusedFenced: a later epoch of the producer has published.
	RefusedFenced
	// RefusedSession: the session isn't known.
	RefusedSession
	// RefusedMember: a queue has no members, a fan-out needs one.
	RefusedMember
	// RefusedTooMany: a bound of limits.go.
	RefusedTooMany
	// RefusedBlock: its bytes aren't a block.
	RefusedBlock
	// RefusedSettleOrder: the settle sequence is neither the next nor the last.
	RefusedSettleOrder
	// RefusedDelayed: the partition holds as many events that are to be delivered later as it may (DelayedBytesMax).
	RefusedDelayed
	// RefusedOrdered: only a queue can be ordered, and it is from the beginning, or never.
	RefusedOrdered
	// RefusedFrontier: the fill doesn't begin at the cursor's frontier, or goes beyond what it lacks. The answer's First says where the frontier is.
	RefusedFrontier
	// RefusedLeaving: something of that name was removed, and is not quite gone.
	RefusedLeaving
	// RefusedUnchecked: the leader looked for the block's dedup ids too long ago. Look and propose again.
	RefusedUnchecked
	// RefusedDedupFull: as many dedup ids are remembered as may be, until some are out of their window.
	RefusedDedupFull
	// RefusedSuperseded: the session's consumer has attached it since it asked for this.
	RefusedSuperseded
)

var refusalNames = [...]string{"done", "no such stream", "no such subscription", "other set version", "sequence gap",
	"producer expired", "producer fenced", "no such session", "member refused", "too many", "not a block", "settle out of order",
	"too many delayed events", "not ordered from the beginning", "not the frontier", "leaving", "dedup ids unchecked", "too many dedup ids", "attached since"}

func (r Refusal) String() string { return refusalNames[r] }

// Result answers one section. Which fields are set depends on the section's type.
type Result struct {
	Refused Refusal

	// Block: where its events are.
	First     Offset
	Count     uint32
	Duplicate bool
	// Repeats are its events whose dedup ids were known: each is answered with where the first is.
	Repeats []Repeat
	// RefusedSequence: the sequence that was expected.
	Sequence uint64

	// Attach.
	Resumed    bool
	Kind       Kind
	Ordered    bool
	Visibility Tick
	Settled    uint64
	Held       []Leased
	// Truncated: what waited before this offset has been dropped by the stream's retention; 0 for nothing.
	Truncated Offset

	// Settle: what wasn't done, since the lease was over, and the epoch of leases that are granted in the entry in which it was done, or, of a repeated one,
	// answered.
	Lost  []Leased
	Epoch Epoch
	// Return: positions of the receipts that were stale.
	LostReceipts []uint32

	// Take: what was leased.
	Taken Grant

	// Redrive: how many dead letters are ready again. More tells that there may be others that were meant, from Next on.
	Redriven uint32
	Next     Offset
	More     bool
}

// Repeat is an event of a block that repeats one stored before, by its dedup id.
type Repeat struct {
	// Event is its position in the block.
	Event uint32
	// First is the offset of the one that it repeats.
	First Offset
}

// Grant is a new lease, to be delivered.
type Grant struct {
	Session    SessionID
	Connection ConnectionID
	Stream     StreamID
	// Delivery is its number in the session; 0 for a taken one.
	Delivery   uint64
	Epoch      Epoch
	Visibility Tick
	Runs       []EventRun
	// Truncated is as a Result's, where the session hasn't been told yet.
	Truncated Offset
}
